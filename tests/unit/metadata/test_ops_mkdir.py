"""Making directories."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.testing.ledger import Ledger, mkdir, write


def test_a_directory_is_made(ledger: Ledger) -> None:
    reply = ledger.commit(mkdir("/d", mode=0o750))
    entry = ledger.stat("/d")
    assert (entry.kind, entry.mode, entry.size, entry.etag) == ("directory", 0o750, 0, reply.results[0].etag)
    assert ledger.list("/d") == []


def test_one_that_is_there_is_an_error_without_parents(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/f", b"x"))
    for path in ("/d", "/f", "/"):
        with pytest.raises(e.Exists):
            ledger.commit(mkdir(path))


def test_with_parents_it_is_fine_and_still_a_commit(ledger: Ledger) -> None:
    made = ledger.commit(mkdir("/a/b/c", parents=True))
    again = ledger.commit(mkdir("/a/b/c", parents=True), mkdir("/", parents=True))
    assert again.commit == made.commit + 1
    assert again.results[0] == made.results[0]
    assert again.results[1].inode == 1
    assert ledger.tree(made.commit) == ledger.tree(again.commit)


def test_a_file_in_the_way(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"x"))
    with pytest.raises(e.NotADirectory):
        ledger.commit(mkdir("/f/d", parents=True))
    with pytest.raises(e.Exists):
        ledger.commit(mkdir("/f", parents=True))
    with pytest.raises(e.NotFound):
        ledger.commit(mkdir("/no/d"))


def test_the_mode_is_that_of_the_last_alone(ledger: Ledger) -> None:
    ledger.commit(mkdir("/a/b", parents=True, mode=0o700))
    assert (ledger.stat("/a").mode, ledger.stat("/a/b").mode) == (0o755, 0o700)


def test_names_are_any_bytes(ledger: Ledger) -> None:
    odd = [b"\xff\xfe", "é".encode(), b"e\xcc\x81", b" ", b"\n", b"...", b"%2F", b"\\"]
    ledger.commit(*[mkdir(b"/" + name) for name in odd])
    assert {b"/" + name for name in odd} <= set(ledger.tree())
    assert [one.raw_name() for one in ledger.list("/")] == sorted([*odd, b"home"])
