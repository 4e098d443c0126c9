"""A disk runs full: on one fileserver nobody notices; on all, writes are refused and nothing is lost."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnfs.client.sync import Client
from cairnfs.errors import NoSpace, NotFound
from tests.faults.test_kill_loop import client_of, until
from tests.scenarios.people import Person, kill_what_is_left

MIB = 1024 * 1024
#: The first is full long before the others, which a majority needs.
DISKS_MIB = {"fileserver-1": 16, "fileserver-2": 40, "fileserver-3": 40}
FILES_MAX = 60


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """A cluster whose fileservers have small disks of their own."""
    somebody = Person(tmp_path / "home", tmp_path / "data")
    mounted: list[Path] = []
    try:
        for name, size_mib in DISKS_MIB.items():
            place = somebody.data / name
            place.mkdir(parents=True)
            tried = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "cairn-test", place],
                capture_output=True,
                text=True,
                check=False,
            )
            if tried.returncode:
                pytest.skip(f"this user cannot mount a small disk: {tried.stderr.strip()}")
            mounted.append(place)
        somebody.does("up", "--detach", "--port", "0")
        yield somebody
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)
        for place in mounted:
            subprocess.run(["umount", "--lazy", place], check=True)


def state(client: Client, fileserver: int) -> str:
    """What the cluster says of a fileserver."""
    return next(one.state for one in client.status().fileservers if one.id == fileserver)


def free(person: Person, name: str) -> int:
    """Bytes that could still be written to a fileserver's disk."""
    disk = os.statvfs(person.data / name)
    return disk.f_bavail * disk.f_frsize


@pytest.mark.timeout(240)
def test_full_disks(person: Person, seed: int) -> None:
    chance = random.Random(seed)
    kept: list[bytes] = []
    with client_of(person) as client:

        def put() -> bool:
            content = chance.randbytes(MIB)
            try:
                client.write_file(f"/file-{len(kept)}", content)
            except NoSpace:
                return False
            kept.append(content)
            assert len(kept) < FILES_MAX, "the disks should be full by now"
            return True

        def everything_is_there() -> None:
            for number, content in enumerate(kept):
                assert client.read_file(f"/file-{number}") == content

        # One disk is full: it really is, the cluster says so, and writes go on at the other two.
        while free(person, "fileserver-1") > 3 * MIB:
            assert put()
        for _ in range(3):
            assert put()
        until("the cluster to know", lambda: state(client, 1) == "full")
        for _ in range(3):
            assert put()

        # All that a majority needs are full: refused, and nothing of it is there.
        while put():
            pass
        commit = client.status().commit
        assert not put()
        assert client.status().commit == commit
        with pytest.raises(NotFound):
            client.stat(f"/file-{len(kept)}")
        assert "space" in person.fails(7, "put", "-", "/too-much", given=chance.randbytes(MIB))
        everything_is_there()

        # Also after a start on full disks; and with room again, writing goes on.
        person.does("down")
        person.does("up", "--detach")
        everything_is_there()
        for name in DISKS_MIB:
            subprocess.run(["mount", "-o", "remount,size=256m", person.data / name], check=True)
        until("writes to be taken again", put)
        everything_is_there()
    until("all groups to be clean", lambda: person.does("status", "--json").document["groups_dirty"] == 0)
    assert person.does("verify", "--deep").text.startswith("verify: ok, ")
