"""What need not be sent: only what a base vouches for, within limits, and never what was refused."""

from __future__ import annotations

from cairnfs.client.known import KnownChunks, Reliance
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
from cairnfs.errors import NotDurable
from cairnfs.wire.commits import BASES_MAX, Base


def chunk(number: int) -> Chunk:
    return Chunk(hash_bytes(b"%d" % number), 10)


def base(name: str) -> Base:
    return Base(path=f"/{name}", at=7)


def test_a_chunk_of_a_base_is_relied_upon_and_the_base_is_named_once() -> None:
    known = KnownChunks()
    known.learn(base("a"), [chunk(1), chunk(2)])
    known.learn(base("b"), [chunk(2), chunk(3)])
    reliance = Reliance([known])
    assert [reliance.covers(chunk(number)) for number in (1, 2, 3, 4, 1)] == [True, True, True, False, True]
    assert reliance.bases == [base("a"), base("b")]
    assert list(reliance.chunks.values()) == [chunk(1), chunk(2), chunk(3)]


def test_only_so_many_are_remembered_and_no_holes() -> None:
    known = KnownChunks(2)
    known.learn(base("a"), [Chunk(HOLE, 10), chunk(1), chunk(2), chunk(3)])
    assert known.full
    assert [known.base_of(chunk(number).hash) is not None for number in (1, 2, 3)] == [True, True, False]
    assert known.base_of(HOLE) is None


def test_no_more_bases_are_named_than_a_request_may_have() -> None:
    known = KnownChunks()
    for number in range(BASES_MAX + 5):
        known.learn(base(str(number)), [chunk(number)])
    reliance = Reliance([known])
    assert sum(reliance.covers(chunk(number)) for number in range(BASES_MAX + 5)) == BASES_MAX
    assert len(reliance.bases) == BASES_MAX


def test_what_was_refused_is_sent_and_what_is_proven_needs_no_base() -> None:
    known = KnownChunks()
    known.learn(base("a"), [chunk(1), chunk(2)])
    reliance = Reliance([known], never={chunk(1).hash}, proven={chunk(9).hash})
    assert not reliance.covers(chunk(1))
    assert reliance.covers(chunk(9))
    assert reliance.bases == []


def test_a_refusal_names_what_is_to_be_sent() -> None:
    known = KnownChunks()
    known.learn(base("a"), [chunk(1), chunk(2), chunk(3)])
    reliance = Reliance([known])
    for number in (1, 2, 3):
        reliance.covers(chunk(number))
    # About something that was sent: sending what is relied upon would not help.
    assert reliance.refused(NotDurable(chunks=[chunk(1).hash, chunk(8).hash])) is None
    assert reliance.refused(NotDurable(chunks=[chunk(2).hash])) == [chunk(2)]
    # Named nothing: all of it.
    assert reliance.refused(NotDurable()) == [chunk(1), chunk(3)]
    assert reliance.refused(NotDurable()) is None
