"""A gate with one profile before one backend, and API keys of two tenants."""

import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.request
from fractions import Fraction

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("FABRIC_GATE_BIN") or str(
    pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "fabric-gate"
)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until_it_answers(url, process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


@contextlib.contextmanager
def running(command, url, **more):
    """A program that is ready once `url` answers."""
    process = subprocess.Popen(command, **more)
    try:
        until_it_answers(url, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclasses.dataclass
class Gate:
    """A running gate: where it is, keys of alice (acme), carol (acme) and bob (globex)."""

    url: str
    keys: dict
    folder: pathlib.Path
    admin: str
    token: str

    def ask(self, page):
        request = urllib.request.Request(f"{self.admin}{page}", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def spend(self, tenant):
        """What a tenant has spent, and what is reserved, by the line of its first ceiling."""
        line = self.ask(f"/v1/tenants/{tenant}/spend")["ceilings"][0]
        return Fraction(line["spent_usd"]), Fraction(line["reserved_usd"])

    def records(self, tenant):
        """The tenant's records in the audit log."""
        files = sorted((self.folder / "audit").iterdir())
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line.get("tenant_id") == tenant and line.get("method")]


@contextlib.contextmanager
def gate(profile, backend):
    """The URL of a gate, and the keys."""
    policy = """
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
[[prices]]
model = "m"
input = "1.00"
output = "1.00"
context = 10000
max_output = 1000
"""
    with started(profile, backend, policy) as running_gate:
        yield running_gate.url, running_gate.keys


@contextlib.contextmanager
def started(profile, backend, policy):
    """A gate with this policy beside the profile: tenants, prices."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "policies").mkdir()
        token = secrets.token_hex(32)
        (folder / "admin-token").write_text(token)
        public, admin = free_port(), free_port()
        config = folder / "gate.toml"
        config.write_text(
            f"""
[listen]
address = "127.0.0.1:{public}"
[admin]
address = "127.0.0.1:{admin}"
token = "file:{folder}/admin-token"
[policies]
directory = "{folder}/policies"
[audit]
directory = "{folder}/audit"
[state]
url = "sqlite:{folder}/gate.db"
"""
        )
        keys, stanzas = {}, []
        for user, tenant in (("alice", "acme"), ("carol", "acme"), ("bob", "globex")):
            command = [BINARY, "key", "new", "--json", "--tenant", tenant, "--user", user, "--name", user]
            made = json.loads(subprocess.check_output(command))
            keys[user] = made["key"]
            stanzas.append(made["stanza"])
        (folder / "policies" / "gate.toml").write_text(
            f'{policy}\n[[upstreams]]\nname = "backend"\nurl = "{backend}"\nprofile = "{profile}"\n'
            + "\n".join(stanzas)
        )
        command = [BINARY, "serve", "--config", str(config)]
        with running(command, f"http://127.0.0.1:{admin}/readyz", cwd=folder, env={**os.environ, "RUST_LOG": "warn"}):
            yield Gate(f"http://127.0.0.1:{public}", keys, folder, f"http://127.0.0.1:{admin}", token)


def shown(what):
    print(f"ok: {what}", flush=True)


def expect(condition, what):
    if not condition:
        raise SystemExit(f"NOT SO: {what}")
    shown(what)
