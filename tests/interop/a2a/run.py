"""An A2A agent behind the gate, with the official client, for two tenants and both HTTP bindings."""

import asyncio
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import gate

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, CancelTaskRequest, GetTaskRequest
from a2a.types import ListTasksRequest, Message, Part, Role, SendMessageRequest
from a2a.utils.errors import TaskNotFoundError


def client(url, key, binding):
    card = AgentCard(
        name="echo",
        version="1",
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[AgentInterface(url=url, protocol_binding=binding, protocol_version="1.0")],
    )
    http = httpx.AsyncClient(headers={"x-api-key": key}, timeout=30)
    config = ClientConfig(httpx_client=http, streaming=True, supported_protocol_bindings=[binding])
    return ClientFactory(config).create(card)


def message(text, **more):
    return SendMessageRequest(
        message=Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)], **more)
    )


async def send(client, text, **more):
    """The task that a message made."""
    async for event in client.send_message(message(text, **more)):
        if event.HasField("task"):
            return event.task
    raise SystemExit("NOT SO: a message makes a task")


async def absent(work, what):
    try:
        found = await work
    except TaskNotFoundError:
        gate.shown(what)
    else:
        raise SystemExit(f"NOT SO: {what}: {found}")


async def try_it(url, keys, binding):
    alice = client(url, keys["alice"], binding)
    bob = client(url, keys["bob"], binding)
    task = await send(alice, "acme-canary")
    own = await alice.get_task(GetTaskRequest(id=task.id))
    gate.expect("acme-canary" in str(own), f"{binding}: alice reads her task, known from a stream")
    listed = await alice.list_tasks(ListTasksRequest())
    gate.expect(task.id in [one.id for one in listed.tasks], f"{binding}: and lists it")
    await absent(bob.get_task(GetTaskRequest(id=task.id)), f"{binding}: bob does not find it")
    await absent(bob.cancel_task(CancelTaskRequest(id=task.id)), f"{binding}: nor can he cancel it")
    await absent(send(bob, "?", task_id=task.id), f"{binding}: nor continue it")
    await send(bob, "b")
    listed = await bob.list_tasks(ListTasksRequest())
    gate.expect(
        task.id not in [one.id for one in listed.tasks] and listed.total_size == len(listed.tasks),
        f"{binding}: his list has his own, and their number",
    )


async def same_words(url, keys, backend):
    async with httpx.AsyncClient(headers={"A2A-Version": "1.0"}) as plain:
        made = await plain.post(
            url + "/message:send",
            headers={"x-api-key": keys["alice"]},
            json={"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "x"}]}},
        )
        task = made.json()["task"]["id"]
        for path in (f"/tasks/{task}", f"/globex/tasks/{task}"):
            foreign = await plain.get(url + path, headers={"x-api-key": keys["bob"]})
            own = await plain.get(f"{backend}/tasks/{uuid.uuid4()}")
            gate.expect((foreign.status_code, foreign.text) == (own.status_code, own.text), f"{path}: the agent's own words")
        mismatch = await plain.get(f"{url}/acme/tasks/{task}", headers={"x-api-key": keys["bob"]})
        gate.expect(mismatch.status_code == 404, "another tenant's segment leads nowhere")
        for name in ("taskId", "task_id"):
            body = {"message": {"messageId": "m", name: task, "role": "ROLE_USER", "parts": [{"text": "?"}]}}
            foreign = await plain.post(url + "/message:send", headers={"x-api-key": keys["bob"]}, json=body)
            gate.expect(foreign.status_code == 404, f"a message that names her task as {name} does not reach it")


async def all_of_it(url, keys, backend):
    for binding in ("HTTP+JSON", "JSONRPC"):
        await try_it(url, keys, binding)
    await same_words(url, keys, backend)


def main():
    port = gate.free_port()
    backend = f"http://127.0.0.1:{port}"
    server = str(pathlib.Path(__file__).resolve().parent / "server.py")
    with gate.running([sys.executable, server, str(port)], f"{backend}/.well-known/agent-card.json"):
        with gate.gate("a2a", backend) as (url, keys):
            asyncio.run(all_of_it(url, keys, backend))


main()
