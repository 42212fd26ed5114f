"""A LangGraph server behind the gate, with its stock SDK, for two tenants."""

import asyncio
import pathlib
import shutil
import sys
import tempfile
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import gate

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError


async def absent(work, what):
    try:
        found = await work
    except (NotFoundError, httpx.HTTPStatusError) as refusal:
        gate.expect(refusal.response.status_code == 404, what)
    else:
        raise SystemExit(f"NOT SO: {what}: {found}")


def said(text):
    return {"messages": [{"role": "user", "content": text}]}


async def try_it(url, keys, backend):
    alice = get_client(url=url, api_key=keys["alice"])
    bob = get_client(url=url, api_key=keys["bob"])

    thread = (await alice.threads.create(metadata={"project": "x"}))["thread_id"]
    values = await alice.runs.wait(thread, "agent", input=said("acme-canary"))
    gate.expect("acme-canary" in str(values), "alice runs in her thread")
    events = [event async for event in alice.runs.stream(thread, "agent", input=said("more"), stream_mode="values")]
    gate.expect("acme-canary" in str(events), "and streams in it, with its history")
    state = await alice.threads.get_state(thread)
    gate.expect("acme-canary" in str(state), "and reads its state")
    runs = await alice.runs.list(thread)
    gate.expect(len(runs) == 2, "and lists its runs")
    joined = await alice.runs.join(thread, runs[0]["run_id"])
    gate.expect("acme-canary" in str(joined), "and joins one")

    await absent(bob.threads.get(thread), "bob does not find her thread")
    await absent(bob.threads.get_state(thread), "nor its state")
    await absent(bob.threads.get_history(thread), "nor its history")
    await absent(bob.threads.update(thread, metadata={"x": 1}), "nor can he change it")
    await absent(bob.threads.delete(thread), "nor delete it")
    await absent(bob.runs.wait(thread, "agent", input=said("?")), "nor run in it")
    await absent(bob.runs.list(thread), "nor list its runs")
    await absent(bob.runs.get(thread, runs[0]["run_id"]), "nor read one")
    await absent(bob.threads.create(thread_id=thread, if_exists="do_nothing"), "nor take it by creating it")

    async with httpx.AsyncClient() as plain:
        async def through(path, key):
            return await plain.get(url + path, headers={"x-api-key": key})

        never = str(uuid.uuid4())
        own = await plain.get(f"{backend}/threads/{never}")
        foreign = await through(f"/threads/{thread}", keys["bob"])
        unknown = await through(f"/threads/{never}", keys["bob"])
        gate.expect(
            (foreign.status_code, foreign.text.replace(thread, never)) == (own.status_code, own.text)
            and (unknown.status_code, unknown.text) == (own.status_code, own.text),
            "her thread and one that never was get the server's own words",
        )
        for spelling in (thread.upper(), thread.replace("-", ""), "%7B" + thread + "%7D", "urn:uuid:" + thread):
            foreign = await through(f"/threads/{spelling}", keys["bob"])
            gate.expect(foreign.status_code == 404, f"spelled {spelling} too")

    for number in range(3):
        await alice.threads.create(metadata={"number": number})
        await bob.threads.create(metadata={"number": number})
    mine = await alice.threads.search(limit=2)
    gate.expect(len(mine) == 2, "a page of a search is full")
    mine = await alice.threads.search(limit=100)
    gate.expect(len(mine) == 4 and thread in str(mine), "a search finds alice's four threads")
    gate.expect(await alice.threads.count() == 4, "and counts them")
    gate.expect(thread not in str(await bob.threads.search(limit=100)), "bob's search does not find hers")
    gate.expect(
        thread not in str(await bob.threads.search(metadata={"fabric_tenant": "acme"}, limit=100)),
        "whatever he filters by",
    )

    system = await bob.assistants.search()
    gate.expect(len(system) == 1, "the deployment's assistant serves bob")
    made = (await alice.assistants.create("agent", name="hers"))["assistant_id"]
    await absent(bob.assistants.get(made), "alice's own assistant does not")
    gate.expect(len(await bob.assistants.search()) == 1, "nor is it listed to him")
    await absent(bob.runs.wait(None, made, input=said("?")), "nor does it run for him")
    gate.expect("hi" in str(await alice.runs.wait(None, made, input=said("hi"))), "it runs for alice")

    fresh = str(uuid.uuid4())
    values = await bob.runs.wait(fresh, "agent", input=said("b"), if_not_exists="create")
    gate.expect("you said b" in str(values), "a run makes bob's thread")
    await absent(alice.threads.get(fresh), "which alice does not find")

    for client, value in ((alice, "acme-canary"), (bob, "globex-canary")):
        await client.store.put_item(["notes", "work"], key="k", value={"v": value})
    item = await alice.store.get_item(["notes", "work"], key="k")
    gate.expect(item["value"]["v"] == "acme-canary" and item["namespace"] == ["notes", "work"], "alice's item is hers")
    found = (await bob.store.search_items(["notes"]))["items"]
    gate.expect([one["value"]["v"] for one in found] == ["globex-canary"], "bob's search finds his own")
    found = (await bob.store.search_items([]))["items"]
    gate.expect([one["value"]["v"] for one in found] == ["globex-canary"], "of everything too")
    spaces = (await bob.store.list_namespaces())["namespaces"]
    gate.expect(spaces == [["notes", "work"]], "and so do his namespaces")

    await alice.threads.delete(thread)
    await absent(alice.threads.get(thread), "a deleted thread is gone for alice too")


def main():
    here = pathlib.Path(__file__).resolve().parent
    port = gate.free_port()
    backend = f"http://127.0.0.1:{port}"
    # The server keeps its data beside its configuration.
    with tempfile.TemporaryDirectory() as folder:
        for name in ("graph.py", "langgraph.json"):
            shutil.copy(here / name, folder)
        program = str(pathlib.Path(sys.executable).parent / "langgraph")
        command = [program, "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)]
        log = open(pathlib.Path(folder) / "log", "w")
        with gate.running(command, f"{backend}/ok", cwd=folder, stdout=log, stderr=log):
            with gate.gate("langgraph", backend) as (url, keys):
                asyncio.run(try_it(url, keys, backend))


main()
