"""The cache by commands: what was read once is here, for whoever may still read it."""

from __future__ import annotations

import os
import random
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.scenarios.people import Person, eventually, gone

FILES = 40
ON = str(64 * 1024 * 1024)


@pytest.fixture(scope="module")
def tree(ann: Person) -> Path:
    """A tree of Ann's that is in the cluster as /home/ann/tree."""
    chance = random.Random(7)
    ann.environ["CAIRN_CACHE_BYTES"] = ON
    place = ann.home / "tree"
    for number in range(FILES):
        file = place / f"{number % 4}" / f"{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(chance.randbytes(chance.choice((1, 4096, 100_000))))
    ann.does("put", "-r", str(place), "/home/ann/tree")
    return place


def content(place: Path) -> dict[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def test_a_tree_that_was_got_is_got_again_without_its_chunks(ann: Person, tree: Path) -> None:
    first = ann.does("get", "-r", "--json", "/home/ann/tree", "first").document
    again = ann.does("get", "-r", "--json", "/home/ann/tree", "again").document
    size = sum(map(len, content(tree).values()))
    assert (first["received_bytes"], first["cached_bytes"]) == (size, 0)
    assert (again["received_bytes"], again["cached_bytes"]) == (0, size)
    one = ann.does("get", "/home/ann/tree/0/0", "one").text
    assert "(received 0 B, " in one
    assert " from the cache) in " in one
    assert content(ann.home / "again") == content(ann.home / "first") == content(tree)
    status = ann.does("cache", "status", "--json").document
    assert size <= status["used_bytes"] <= status["limit_bytes"] <= 64 * 1024 * 1024
    assert status["directory"] == str(ann.home / ".cache" / "cairn" / "chunks")
    assert status["hit_bytes"] >= size
    assert ann.does("cache", "clear").text.startswith("freed ")
    third = ann.does("get", "-r", "--json", "/home/ann/tree", "third").document
    assert third["received_bytes"] == size


def test_who_may_no_longer_read_gets_nothing_from_the_cache(admin: Person, ann: Person) -> None:
    bob = admin.signed_up("bob")
    bob.environ["CAIRN_CACHE_BYTES"] = ON
    (ann.home / "f").write_bytes(b"for everybody")
    ann.does("put", str(ann.home / "f"), "/home/ann/f")
    ann.does("chmod", "755", "/home/ann")
    ann.does("chmod", "644", "/home/ann/f")
    assert bob.does("cat", "/home/ann/f").out == b"for everybody"
    ann.does("chmod", "600", "/home/ann/f")
    bob.fails(4, "cat", "/home/ann/f")
    ann.does("rm", "/home/ann/f")
    bob.fails(3, "cat", "/home/ann/f")


def test_what_was_read_can_be_read_without_fileservers(person: Person) -> None:
    person.environ["CAIRN_CACHE_BYTES"] = ON
    person.does("up", "--detach", "--port", "0")
    (person.home / "f").write_bytes(random.Random(3).randbytes(300_000))
    person.does("put", str(person.home / "f"), "/f")
    assert len(person.does("cat", "/f").out) == 300_000
    for name in ("fileserver-1", "fileserver-2", "fileserver-3"):
        pid = person.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(partial(gone, person, name))
    assert person.does("cat", "/f").out == (person.home / "f").read_bytes()
    person.does("down")


def test_a_cache_that_cannot_be_used_is_told_of_and_read_past(ann: Person, tree: Path) -> None:
    place = ann.home / "file"
    place.write_text("no directory")
    reads = (
        ann.does("cat", "/home/ann/tree/0/0", CAIRN_CACHE_DIR=str(place)),
        ann.does("cat", "/home/ann/tree/0/0", CAIRN_CACHE_BYTES="1000"),
    )
    for read in reads:
        assert read.out == (tree / "0" / "0").read_bytes()
        assert read.err.startswith("cairn: the cache in ")
        assert len(read.err.splitlines()) == 1
    ann.fails(2, "cat", "/home/ann/tree/0/0", CAIRN_CACHE_BYTES="much")
