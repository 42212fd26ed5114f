"""The memory service behind the gate."""

import contextlib
import os
import pathlib
import tempfile

import gate

MEMORY = str(pathlib.Path(gate.BINARY).with_name("fabric-memory"))

POLICY = """
[[tenants]]
id = "acme"
[[tenants]]
id = "globex"
[memory]
shared_write_roles = ["lead"]
"""


@contextlib.contextmanager
def started():
    """A gate with the service behind it, which believes the gate and nobody else."""
    port, health = gate.free_port(), gate.free_port()
    with gate.started("memory", f"http://127.0.0.1:{port}", POLICY) as front, tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "memory.toml"
        config.write_text(
            f"""
[listen]
address = "127.0.0.1:{port}"
[operations]
address = "127.0.0.1:{health}"
[identity]
assertion_jwks_url = "{front.admin}/.well-known/jwks.json"
assertion_audience = "backend"
[store]
url = "sqlite:{folder}/data"
"""
        )
        command = [MEMORY, "serve", "--config", str(config)]
        environment = {**os.environ, "RUST_LOG": "warn"}
        with gate.running(command, f"http://127.0.0.1:{health}/readyz", cwd=folder, env=environment):
            yield front
