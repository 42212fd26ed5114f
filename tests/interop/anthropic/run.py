"""The stock Anthropic client through the gate, for two tenants."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import gate
import spending
import standin

from anthropic import Anthropic, NotFoundError


def missing(name):
    return {"type": "error", "error": {"type": "not_found_error", "message": f"No such thing: {name}"}}


def answer(kind, body, kept):
    if kind == "files":
        file = {"id": standin.new_id("file_"), "type": "file", "created_at": "2026-01-01T00:00:00Z"}
        return 200, {**file, "filename": "f", "mime_type": "text/plain", "size_bytes": 1, "content": body.decode("latin-1")}
    body = json.loads(body)
    read = []
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else []:
            name = block["source"]["file_id"]
            if name not in kept.get("files", {}):
                return 404, missing(name)
            read.append(kept["files"][name]["content"])
    text = {"type": "text", "text": " ".join(read) or "hello"}
    usage = {"input_tokens": 1, "output_tokens": 1}
    return 200, {"id": standin.new_id("msg_"), "type": "message", "role": "assistant", "model": "m", "content": [text],
                 "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


def absent(work, what):
    try:
        found = work()
    except NotFoundError as refusal:
        gate.expect(refusal.body["type"] == "error", what)
    else:
        raise SystemExit(f"NOT SO: {what}: {found}")


def reading(file):
    block = {"type": "document", "source": {"type": "file", "file_id": file}}
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}


def main():
    backend = standin.start(missing, answer)
    with gate.gate("anthropic", backend) as (url, keys):
        alice, bob = (Anthropic(base_url=url, api_key=keys[who], max_retries=0) for who in ("alice", "bob"))
        hello = alice.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        gate.expect(hello.content[0].text == "hello", "a message goes through")
        file = alice.beta.files.upload(file=("f.txt", b"acme-canary", "text/plain"))
        read = alice.beta.messages.create(**reading(file.id))
        gate.expect("acme-canary" in read.content[0].text, "alice's message reads her file")
        absent(lambda: bob.beta.messages.create(**reading(file.id)), "bob's does not")
        absent(lambda: bob.beta.files.retrieve_metadata(file.id), "nor does he find it")
        absent(lambda: bob.beta.files.delete(file.id), "nor can he delete it")
        other = bob.beta.files.upload(file=("f.txt", b"globex-canary", "text/plain"))
        gate.expect([one.id for one in bob.beta.files.list()] == [other.id], "his list has his own")
        gate.expect([one.id for one in alice.beta.files.list()] == [file.id], "and hers hers")


main()
spending.main()
