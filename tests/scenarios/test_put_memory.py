"""A put takes no more memory for what is long or many; and a put that did would be noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.people import Person

MIB = 1024 * 1024
#: Puts, and says how far its memory grew by that, in bytes; with `leak` it keeps what it should not.
PUTTER = """
import sys
import cairnfs
from cairnfs.client.put.changes import Changes
from cairnfs.client.upload import Upload

def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

verb, local, remote, leak = sys.argv[1:]
if leak == "leak":
    kept, add, of = [], Upload.add, Changes.of
    async def adding(self, chunk, content):
        kept.append(bytes(content) + b" ")
        await add(self, chunk, content)
    def making(self, *arguments):
        kept.append(bytes(8192))
        return of(self, *arguments)
    Upload.add, Changes.of = adding, making
with cairnfs.connect() as client:
    client.write_file("/warm", b"what every put needs is there now")
    before = most()
    getattr(client, verb)(local, remote)
    print(most() - before)
"""


def grown_bytes(person: Person, verb: str, local: Path, leak: str = "") -> int:
    command = [sys.executable, "-c", PUTTER, verb, str(local), f"/{local.name}{leak}", leak]
    ended = subprocess.run(command, env=person.environ, capture_output=True, check=True, text=True)
    return int(ended.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process took")
def test_memory_is_flat(admin: Person, tmp_path: Path) -> None:
    for mib in (48, 192):
        with (tmp_path / str(mib)).open("wb") as stream:
            for _ in range(mib // 16):
                stream.write(os.urandom(16 * MIB))
    short, long = (grown_bytes(admin, "put_file", tmp_path / name) for name in ("48", "192"))
    assert long < short + 16 * MIB
    assert grown_bytes(admin, "put_file", tmp_path / "192", "leak") > short + 96 * MIB
    for count in (1_500, 6_000):
        for number in range(count):
            directory = tmp_path / f"{count}" / f"{number // 500}"
            directory.mkdir(parents=True, exist_ok=True)
            (directory / str(number)).write_bytes(b"%d of %d" % (number, count))
    few, many = (grown_bytes(admin, "put_tree", tmp_path / name) for name in ("1500", "6000"))
    assert many < few + 8 * MIB
    assert grown_bytes(admin, "put_tree", tmp_path / "6000", "leak") > few + 24 * MIB
