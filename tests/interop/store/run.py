"""The stock LangGraph SDK against the store of fabric-memory, as two users of one tenant and one of another."""

import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import remembering
from gate import expect
from langgraph_sdk import get_client
from langgraph_sdk.errors import UnprocessableEntityError


async def drive(url, keys):
    alice, carol, bob = (get_client(url=f"{url}/memory", api_key=keys[user]).store for user in ("alice", "carol", "bob"))
    ann = ["users", "ann"]
    await alice.put_item(ann, key="taste", value={"text": "Ann drinks green tea", "n": 1})
    await alice.put_item([*ann, "notes"], key="k/1 ü", value={"text": "Kaffee", "n": 2}, index=False, ttl=5)
    await alice.put_item(["v"], key="x", value={"a": {"b": 3}}, index=["a.b"])
    item = await alice.get_item(ann, key="taste")
    expect(item["namespace"] == ann and item["value"]["n"] == 1, "an item that was put is there")
    item = await alice.get_item([*ann, "notes"], key="k/1 ü", refresh_ttl=False)
    expect(item["value"]["n"] == 2, "any key is a key")
    expect(await alice.get_item(ann, key="none") is None, "an item that was not is none")
    found = await alice.search_items(["users"], query="TEA", filter={"n": {"$lt": 2}}, limit=5, refresh_ttl=True)
    expect([item["key"] for item in found["items"]] == ["taste"], "a search finds by word and filter")
    expect(found["items"][0]["score"] > 0, "and says how well")
    found = await alice.search_items([], limit=2, offset=1)
    expect(len(found["items"]) == 2, "a page of all items is one")
    found = await alice.list_namespaces(prefix=["users"], suffix=["notes"], max_depth=2)
    expect(found == {"namespaces": [ann]}, "namespaces are listed by prefix, suffix and depth")

    for who, store in (("another user", carol), ("another tenant's user", bob)):
        expect(await store.get_item(ann, key="taste") is None, f"{who} reads none of it")
        expect(await store.search_items([], query="tea") == {"items": []}, f"{who} finds none of it")
        expect(await store.list_namespaces() == {"namespaces": []}, f"{who} sees none of the namespaces")
        await store.delete_item(ann, key="taste")
        await store.put_item(ann, key="taste", value={"mine": who})
        item = await store.get_item(ann, key="taste")
        expect(item["value"] == {"mine": who}, f"{who} has an own item under the same name")
    item = await alice.get_item(ann, key="taste")
    expect(item["value"]["n"] == 1, "and the first is what it was")

    await alice.delete_item(ann, key="taste")
    await alice.delete_item(ann, key="taste")
    expect(await alice.get_item(ann, key="taste") is None, "an item that was deleted is none")
    try:
        await alice.search_items([], filter={"n": {"$in": [1]}})
        expect(False, "an operator that is unknown is refused")
    except UnprocessableEntityError as refusal:
        expect("$in" in refusal.message, "an operator that is unknown is refused by name")


def main():
    with remembering.started() as front:
        asyncio.run(drive(front.url, front.keys))


main()
