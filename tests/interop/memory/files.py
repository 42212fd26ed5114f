"""Anthropic's memory tool kept by /v1/files, beside the one that keeps files on a disk."""

import json
import re
import tempfile
import urllib.parse
import urllib.request

from anthropic.lib.tools import BetaAbstractMemoryTool, ToolError
from anthropic.lib.tools._beta_builtin_memory_tool import BetaLocalFilesystemMemoryTool
from gate import expect

PLAN = "/memories/plan.md"


class FabricMemoryTool(BetaAbstractMemoryTool):
    """Hands each command on as the model sent it."""

    def __init__(self, url, key):
        super().__init__()
        self.url, self.key = url, key

    def execute(self, command):
        headers = {"x-api-key": self.key, "content-type": "application/json"}
        body = json.dumps(command.to_dict()).encode()
        request = urllib.request.Request(f"{self.url}/memory/v1/files", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            result = json.load(answer)
        if result["is_error"]:
            raise ToolError(result["content"])
        return result["content"]

    view = create = str_replace = insert = delete = rename = execute


def said(tool, **command):
    """What a model is told, and whether as an error."""
    try:
        return tool.call(command), False
    except ToolError as error:
        return error.content, True


def without_sizes(said):
    """A listing without the sizes of directories, which a disk counts by its blocks."""
    text, is_error = said
    return re.sub(r"(?m)^\S+(\t(?:.*/|/memories|/memories/notes))$", r"-\1", text), is_error


COMMANDS = [
    {"command": "view", "path": "/memories"},
    {"command": "create", "path": PLAN, "file_text": "one\ntwo\nthree\ntwo\n"},
    {"command": "create", "path": PLAN, "file_text": "again"},
    {"command": "view", "path": PLAN},
    {"command": "view", "path": PLAN, "view_range": [2, 3]},
    {"command": "view", "path": PLAN, "view_range": [3, -1]},
    {"command": "view", "path": "/memories/none"},
    {"command": "str_replace", "path": PLAN, "old_str": "one", "new_str": "eins\r\nund"},
    {"command": "str_replace", "path": PLAN, "old_str": "two", "new_str": "zwei"},
    {"command": "str_replace", "path": PLAN, "old_str": "ten", "new_str": "zehn"},
    {"command": "str_replace", "path": "/memories/none", "old_str": "a", "new_str": "b"},
    {"command": "insert", "path": PLAN, "insert_line": 0, "insert_text": "zero\n\n"},
    {"command": "insert", "path": PLAN, "insert_line": 6, "insert_text": "last"},
    {"command": "insert", "path": PLAN, "insert_line": 99, "insert_text": "x"},
    {"command": "insert", "path": "/memories/none", "insert_line": 0, "insert_text": "x"},
    {"command": "view", "path": PLAN},
    {"command": "create", "path": "/memories/notes/deep/er/ä b.md", "file_text": "x" * 1280},
    {"command": "create", "path": "/memories/notes/.hidden", "file_text": "x"},
    {"command": "create", "path": "/memories/notes/a.md", "file_text": ""},
    {"command": "view", "path": "/memories"},
    {"command": "view", "path": "/memories/notes"},
    {"command": "view", "path": "/memories/notes/a.md"},
    {"command": "insert", "path": "/memories/notes/a.md", "insert_line": 0, "insert_text": "a"},
    {"command": "str_replace", "path": "/memories/notes", "old_str": "a", "new_str": "b"},
    {"command": "insert", "path": "/memories/notes", "insert_line": 0, "insert_text": "b"},
    {"command": "rename", "old_path": PLAN, "new_path": "/memories/notes/a.md"},
    {"command": "rename", "old_path": "/memories/none", "new_path": "/memories/other"},
    {"command": "rename", "old_path": "/memories", "new_path": "/memories/other"},
    {"command": "rename", "old_path": "/memories/notes", "new_path": "/memories/old/notes"},
    {"command": "view", "path": "/memories/old/notes/deep/er/ä b.md"},
    {"command": "delete", "path": "/memories/none"},
    {"command": "delete", "path": "/memories"},
    {"command": "delete", "path": "/memories/old"},
    {"command": "view", "path": "/etc/passwd"},
    {"command": "view", "path": "/memories/../../etc/passwd"},
    {"command": "view", "path": "/memories"},
]


def drive(url, keys):
    alice, carol, bob = (FabricMemoryTool(url, keys[user]) for user in ("alice", "carol", "bob"))
    with tempfile.TemporaryDirectory() as folder:
        local = BetaLocalFilesystemMemoryTool(folder)
        for command in COMMANDS:
            ours, theirs = without_sizes(said(alice, **command)), without_sizes(said(local, **command))
            if ours != theirs:
                raise SystemExit(f"NOT SO: {command} is answered as Anthropic's own tool does:\n{ours}\n{theirs}")
    expect(True, f"{len(COMMANDS)} commands are answered word for word as by Anthropic's own tool")

    view = {"command": "view", "path": PLAN}
    query = urllib.parse.urlencode({"path": PLAN})
    headers = {"x-api-key": keys["alice"]}
    request = urllib.request.Request(f"{url}/memory/v1/files?{query}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    expect(text.startswith("zero\n"), "a file is read as text")
    for who, tool in (("another user", carol), ("another tenant's user", bob)):
        told = f"The path {PLAN} does not exist. Please provide a valid path."
        expect(said(tool, **view) == (told, True), f"{who} sees none of it")
        expect(not said(tool, command="create", path=PLAN, file_text=who)[1], f"{who} has an own file of that path")
        expect(not said(tool, command="delete", path=PLAN)[1], "and deletes it")
    expect("zero" in said(alice, **view)[0], "and the first is what it was")
