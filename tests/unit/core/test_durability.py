"""What receipts prove, and to whom it still counts."""

from __future__ import annotations

import pytest

from cairnfs.core.durability import DURABILITIES, Holding, present, proofs, strongest
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.core.placement import required
from cairnfs.errors import LengthMismatch
from cairnfs.ids import BootId, FileserverId, Hash

ONE, TWO, THREE = ((FileserverId(n), BootId(f"boot{n}")) for n in (1, 2, 3))
CHUNK = Chunk(Hash(b"c" * 32), 5)
BOOTS = dict([ONE, TWO, THREE])


def test_receipts_add_up() -> None:
    found = proofs([Holding(3, (ONE, TWO), [CHUNK]), Holding(4, (TWO, THREE), [CHUNK])], needs=3)
    assert found[CHUNK.hash].holders == (ONE, TWO, THREE)
    assert found[CHUNK.hash].size == 5


def test_a_holder_named_twice_is_one() -> None:
    assert proofs([Holding(3, (ONE, ONE), [CHUNK])], needs=0)[CHUNK.hash].holders == (ONE,)


def test_what_began_before_it_was_needed_proves_nothing() -> None:
    assert proofs([Holding(3, (ONE, TWO), [CHUNK])], needs=4) == {}


def test_a_chunk_has_one_size() -> None:
    with pytest.raises(LengthMismatch):
        proofs([Holding(3, (ONE,), [CHUNK]), Holding(3, (TWO,), [Chunk(CHUNK.hash, 6)])], needs=0)


def test_what_is_said_of_holes_is_nothing() -> None:
    said = [Holding(3, (ONE,), [Chunk(HOLE, 5), CHUNK]), Holding(3, (TWO,), [Chunk(HOLE, 6)])]
    assert set(proofs(said, needs=0)) == {CHUNK.hash}


def test_only_members_at_their_present_start_count() -> None:
    assert present((ONE, TWO, THREE), (1, 2, 3), BOOTS) == 3  # type: ignore[arg-type]
    assert present((ONE, TWO, THREE), (1, 2), BOOTS) == 2  # type: ignore[arg-type]
    assert present((ONE, TWO), (1, 2, 3), BOOTS | {FileserverId(2): BootId("again")}) == 1  # type: ignore[arg-type]
    assert present((ONE,), (1,), {}) == 0  # type: ignore[arg-type]


def test_the_policies_stand_in_order_of_what_they_ask() -> None:
    needed = [required(5, one) for one in DURABILITIES]
    assert needed == sorted(set(needed)) == [1, 3, 5]
    assert strongest("majority", "async") == "majority"
    assert strongest("async", "all", "majority") == "all"
