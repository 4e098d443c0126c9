"""What receipts prove: who holds a chunk, and whether that is enough.

What belongs here: the policies and their order, merging receipts, and judging holders by the present
members and starts. What does not: whether a receipt is genuine (`wire.receipts`), which group a chunk
is of (`core.placement`). Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.errors import LengthMismatch
from cairnfs.ids import BootId, FileserverId, Hash

#: The policies, the weakest first: one holder has fsynced and the copies follow; most have; all have.
DURABILITIES = ("async", "majority", "all")

Holder = tuple[FileserverId, BootId]


class Holding(NamedTuple):
    """These holders have these chunks, stored with this begin number."""

    begin: int
    holders: tuple[Holder, ...]
    chunks: Sequence[Chunk]


class Proof(NamedTuple):
    """All who hold one chunk of this size, each once, in order."""

    size: int
    holders: tuple[Holder, ...]


@cache
def strongest(*durabilities: str) -> str:
    """The one of these that asks most. Each is one of DURABILITIES."""
    return max(durabilities, key=DURABILITIES.index)


def proofs(holdings: Iterable[Holding], needs: int) -> dict[Hash, Proof]:
    """What these holdings prove together; one begun before `needs` proves nothing any more.

    What they say of holes is nothing. Raises LengthMismatch where two disagree about a chunk's size.
    """
    found: dict[Hash, Proof] = {}
    for holding in holdings:
        if holding.begin < needs:
            continue
        holders = tuple(sorted(set(holding.holders)))
        for chunk in holding.chunks:
            if chunk.hash == HOLE:
                continue
            known = found.get(chunk.hash)
            if known is None:
                found[chunk.hash] = Proof(chunk.size, holders)
            elif known.size != chunk.size:
                raise LengthMismatch(f"receipts disagree about the size of chunk {chunk.hash.hex()}")
            elif known.holders != holders:
                found[chunk.hash] = Proof(chunk.size, tuple(sorted({*known.holders, *holders})))
    return found


def present(
    holders: Iterable[Holder], members: Collection[FileserverId], boots: Mapping[FileserverId, BootId]
) -> int:
    """How many of the holders are members and still at the start at which they took the chunk."""
    count = 0
    for fileserver, boot in holders:
        if fileserver in members and boots.get(fileserver) == boot:
            count += 1
    return count
