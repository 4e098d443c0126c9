"""contents: the first chunks of many files, by a few statements, no more of them than one reply can hold.

What belongs here: loading manifests and leaves of many files together. What does not: who may read them
(the verbs), one file from any byte on (`ops/open`). Most files are small: all their chunks are in one leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cairnfs.core import manifest
from cairnfs.core.manifest import ENTRY_BYTES, LEAF_ENTRIES, Leaf
from cairnfs.errors import Internal
from cairnfs.ids import Hash
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import leaves, versions
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.state.content import HASH_BYTES
from cairnfs.wire.directory import CONTENT_CHUNKS_MAX, CONTENTS_CHUNKS_MAX, ChunkRef

# The first leaf of a file has all that is told of it.
assert CONTENT_CHUNKS_MAX == LEAF_ENTRIES

#: A chunk has about 1 MiB; in case they are smaller, so many bytes are taken for one when leaves are loaded.
_BYTES_A_CHUNK = 256 * 1024


class Beginning(NamedTuple):
    """A file's first chunks, at most CONTENT_CHUNKS_MAX; if there are more, they begin at `next_start`."""

    chunks: list[ChunkRef]
    next_start: int | None


class _Wanted(NamedTuple):
    """The first leaf of a file, about how many chunks it has, and whether it is the only one."""

    leaf: Hash
    chunks: int
    only: bool


def load(tx: Tx, files: Sequence[Version | None], *, whole: bool) -> list[Beginning | None]:
    """Of the first of these files: one at least, all that one reply can hold.

    None stands for None, and with `whole` for files with more chunks than are told.
    """
    wanted = _wanted(tx, files, whole=whole)
    known: dict[Hash, tuple[list[ChunkRef], int]] = {}
    found: list[Beginning | None] = []
    left = CONTENTS_CHUNKS_MAX
    for number, one in enumerate(wanted):
        if not isinstance(one, _Wanted):
            found.append(one)
            continue
        if one.leaf not in known:
            known |= _load(tx, _ahead(wanted[number:], left))
        chunks, size = known[one.leaf]
        left -= len(chunks)
        if left < 0 and found:
            break
        found.append(Beginning(chunks, None if one.only else size))
    return found


def _wanted(tx: Tx, files: Sequence[Version | None], *, whole: bool) -> list[_Wanted | Beginning | None]:
    manifests = versions.manifests(tx, list(dict.fromkeys((one.inode, one.born) for one in files if one)))
    wanted: list[_Wanted | Beginning | None] = []
    for one in files:
        leaves_ = b"" if one is None else manifests[one.inode]
        if one is None or (whole and len(leaves_) > HASH_BYTES):
            wanted.append(None)
        elif not leaves_:
            wanted.append(Beginning([], None))
        else:
            guess = min(1 + one.size // _BYTES_A_CHUNK, LEAF_ENTRIES)
            wanted.append(_Wanted(Hash(leaves_[:HASH_BYTES]), guess, len(leaves_) == HASH_BYTES))
    return wanted


def _ahead(wanted: Sequence[_Wanted | Beginning | None], room: int) -> list[Hash]:
    """The leaves to be loaded next: one at least, and no more than will be needed, as far as one knows."""
    ahead: list[Hash] = []
    for one in wanted:
        if isinstance(one, _Wanted):
            ahead.append(one.leaf)
            room -= one.chunks
            if room <= 0:
                break
    return ahead


def _load(tx: Tx, hashes: Sequence[Hash]) -> dict[Hash, tuple[list[ChunkRef], int]]:
    """The chunks of leaves, and how many bytes of file they are."""
    loaded = leaves.load(tx, hashes)
    if len(loaded) != len(set(hashes)):
        raise Internal("a leaf of a file's manifest is missing")
    return {leaf.hash: (_chunks(leaf), leaf.size) for leaf in loaded.values()}


def _chunks(leaf: Leaf) -> list[ChunkRef]:
    if len(leaf.entries) == ENTRY_BYTES:  # most files are small
        return [ChunkRef(leaf.entries[:HASH_BYTES], leaf.size)]
    return [ChunkRef(*each) for each in manifest.entries(leaf.entries)]
