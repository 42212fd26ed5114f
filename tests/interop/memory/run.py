"""Stock clients of fabric-memory through the gate, as two users of one tenant and one of another."""

import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import agents
import files
import remembering


def main():
    with remembering.started() as front:
        for mode in ("legacy", "auto"):
            asyncio.run(agents.drive(front.url, front.keys, mode))
        files.drive(front.url, front.keys)


main()
