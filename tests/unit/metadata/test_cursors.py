"""Cursors: sealed, so that they neither tell what they name nor can be made at home."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import closing
from typing import NamedTuple

import msgspec
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import BadCursor
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import cursors
from cairnfs.metadata.ops.find import find
from cairnfs.testing.ledger import Ledger, mkdir, write
from cairnfs.wire.search import FindRequest


class Place(NamedTuple):
    """A cursor of one verb."""

    incarnation: int
    commit: int
    name: bytes


class Other(NamedTuple):
    """A cursor of another, with the same fields."""

    incarnation: int
    commit: int
    name: bytes


PLACE = Place(1, 2, b"a secret name")


def test_a_cursor_is_read_as_it_was_written_and_is_the_same_for_the_same(ledger: Ledger) -> None:
    text = ledger.read(lambda tx: cursors.write(tx, PLACE))
    assert ledger.read(lambda tx: cursors.read(tx, text, Place)) == PLACE
    assert ledger.read(lambda tx: cursors.write(tx, PLACE)) == text
    longest = Place(1, 2, b"x" * 4096)
    assert ledger.read(lambda tx: cursors.read(tx, cursors.write(tx, longest), Place)) == longest


def test_a_cursor_tells_nothing(ledger: Ledger) -> None:
    text = ledger.read(lambda tx: cursors.write(tx, PLACE))
    assert b"secret" not in urlsafe_b64decode(text)


def test_nobody_makes_a_cursor_at_home(ledger: Ledger) -> None:
    text = ledger.read(lambda tx: cursors.write(tx, PLACE))
    sealed = bytearray(urlsafe_b64decode(text))
    forged = [
        "",
        "ä",
        "====",
        text[:-4],
        text * 50,
        text + text,
        urlsafe_b64encode(msgspec.msgpack.encode(PLACE)).decode(),
        ledger.read(lambda tx: cursors.write(tx, Other(*PLACE))),
    ]
    for at in range(0, len(sealed), 7):
        sealed[at] ^= 1
        forged.append(urlsafe_b64encode(sealed).decode())
        sealed[at] ^= 1
    with closing(SqliteDatabase(MEMORY, SystemClock())) as other:
        forged.append(Ledger(other).read(lambda tx: cursors.write(tx, PLACE)))
    for one in forged:
        with pytest.raises(BadCursor):
            ledger.read(lambda tx, one=one: cursors.read(tx, one, Place))  # type: ignore[misc]


def test_a_search_tells_no_names_of_others_by_its_cursors(ledger: Ledger) -> None:
    """It counts, and goes through, names that begin so wherever they are."""
    ann, bob = ledger.person("ann"), ledger.person("bob")
    for some in range(3):
        ledger.commit(*[write(f"/home/ann/secret-{some}-{n:03}") for n in range(300)], person=ann)
    ledger.commit(*[mkdir(f"/home/bob/{n:04}") for n in range(900)], person=bob)
    ledger.commit(*[mkdir(f"/home/bob/{n:04}/x") for n in range(900)], person=bob)
    cursor, pages = None, 0
    while True:
        request = FindRequest(path="/home/bob", name="s*", cursor=cursor)
        reply = ledger.read(lambda tx, r=request: find(tx, bob, r))  # type: ignore[misc]
        cursor, pages = reply.cursor, pages + 1
        assert not reply.found
        if cursor is None:
            break
        assert b"secret" not in urlsafe_b64decode(cursor)
    assert pages > 1
