"""The protocol's Python SDK against /mcp."""

import contextlib

import httpx2
from gate import expect
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

UNKNOWN = "01900000-0000-7000-8000-000000000000"


@contextlib.asynccontextmanager
async def connected(url, key, mode):
    async with httpx2.AsyncClient(headers={"x-api-key": key}, timeout=30) as http:
        transport = streamable_http_client(f"{url}/memory/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


async def said(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise SystemExit(f"NOT SO: {tool}: {result.content[0].text}")
    return result.structured_content


async def told(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    if not result.is_error:
        raise SystemExit(f"NOT SO: {tool} is refused: {result.structured_content}")
    return result.content[0].text


async def drive(url, keys, mode):
    async with contextlib.AsyncExitStack() as stack:
        alice, carol, bob = [
            await stack.enter_async_context(connected(url, keys[user], mode)) for user in ("alice", "carol", "bob")
        ]
        expect(True, f"three agents connect ({mode}: {alice.protocol_version})")
        tools = (await alice.list_tools()).tools
        expect({"memory_store", "shared_memory_write"} <= {tool.name for tool in tools}, "they are told of the tools")
        stored = await said(alice, "memory_store", content=f"Ann drinks green tea, {mode}", tags=["taste"])
        memory = stored["memory"]["id"]
        found = await said(alice, "memory_recall", query="TEA", tags=["taste"])
        expect([it["id"] for it in found["memories"]] == [memory], "what was stored is recalled by a word")

        for who, client in (("another user", carol), ("another tenant's user", bob)):
            found = await said(client, "memory_recall", query="tea")
            expect(found == {"memories": []}, f"{who} recalls none of it")
            foreign = await told(client, "memory_forget", id=memory)
            expect(foreign == await told(client, "memory_forget", id=UNKNOWN), f"to {who} its id is as one that never was")
        refused = await told(alice, "shared_memory_write", content="ours")
        expect("role" in refused, "shared memory needs a role, and the agent is told so")

        changed = await said(alice, "memory_update", id=memory, importance=9)
        expect(changed["memory"]["importance"] == 9, "its owner changes it")
        await said(alice, "memory_forget", id=memory)
        expect((await said(alice, "memory_recall", query="tea")) == {"memories": []}, "and forgets it")
