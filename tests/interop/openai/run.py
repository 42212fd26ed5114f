"""The stock OpenAI client through the gate, for two tenants."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import gate
import spending
import standin

from openai import NotFoundError, OpenAI


def missing(name):
    error = {"message": f"No such thing: {name}", "type": "invalid_request_error", "param": "id", "code": None}
    return {"error": error}


def answer(kind, body, kept):
    if kind == "files":
        file = {"id": standin.new_id("file-"), "object": "file", "purpose": "user_data", "bytes": len(body)}
        return 200, {**file, "created_at": 1, "filename": "f", "status": "processed", "content": body.decode("latin-1")}
    body = json.loads(body)
    previous = body.get("previous_response_id")
    before = kept.get("responses", {}).get(previous)
    if previous and before is None:
        return 400, missing(previous)
    said = (before["said"] if before else []) + [body["input"]]
    text = {"type": "output_text", "text": " ".join(said), "annotations": []}
    message = {"id": standin.new_id("msg_"), "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return 200, {"id": standin.new_id("resp_"), "object": "response", "created_at": 1, "model": "m", "said": said, "output": [message]}


def absent(work, what):
    try:
        found = work()
    except NotFoundError as refusal:
        gate.expect(bool(refusal.message), what)
    else:
        raise SystemExit(f"NOT SO: {what}: {found}")


def main():
    backend = standin.start(missing, answer)
    with gate.gate("openai", backend) as (url, keys):
        alice, bob = (OpenAI(base_url=f"{url}/v1", api_key=keys[who], max_retries=0) for who in ("alice", "bob"))
        response = alice.responses.create(model="m", input="acme-canary")
        more = alice.responses.create(model="m", input="more", previous_response_id=response.id)
        gate.expect(more.output_text == "acme-canary more", "alice continues her response")
        gate.expect(alice.responses.retrieve(response.id).id == response.id, "and reads it")
        absent(lambda: bob.responses.retrieve(response.id), "bob does not find it")
        absent(lambda: bob.responses.delete(response.id), "nor can he delete it")
        absent(lambda: bob.responses.create(model="m", input="?", previous_response_id=response.id), "nor continue it")

        file = alice.files.create(file=("f.txt", b"acme-canary"), purpose="user_data")
        gate.expect("acme-canary" in alice.files.content(file.id).text, "alice reads the file she sent")
        absent(lambda: bob.files.retrieve(file.id), "bob does not find it")
        absent(lambda: bob.files.content(file.id), "nor its content")
        other = bob.files.create(file=("f.txt", b"globex-canary"), purpose="user_data")
        gate.expect([one.id for one in bob.files.list()] == [other.id], "his list has his own")
        gate.expect([one.id for one in alice.files.list()] == [file.id], "and hers hers")
        alice.files.delete(file.id)
        absent(lambda: alice.files.retrieve(file.id), "a deleted file is gone for alice too")


main()
spending.main()
