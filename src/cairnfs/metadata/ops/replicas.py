"""replicas: at which addresses files can be read, for many files at once.

What belongs here: from versions to the fileservers of the group of their first chunk that is no hole. What
does not: who may be told (whoever asks has seen to it). A few statements, however many files.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core import manifest
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.core.placement import group_of, read_order
from cairnfs.ids import CommitNumber, GroupId, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import fileservers, search

#: What is there is asked first; among equals the order stays.
_TURN = {"up": 0, "full": 0, "suspect": 1, "down": 2}


def addresses(tx: Tx, versions: Sequence[tuple[InodeId, CommitNumber]]) -> dict[InodeId, list[str]]:
    """By inode, in the order in which to read: those present first, secondaries before the primary.

    Each version is (inode, born). What has no chunk, or none within its first leaf, is left out.
    """
    groups = _groups(tx, versions)
    if not groups:
        return {}
    members = search.members(tx, sorted(set(groups.values())))
    servers = {one.id: one for one in fileservers.every(tx)}
    found = {}
    for inode, group in groups.items():
        if group in members:
            order = read_order(members[group], seed=inode)
            found[inode] = [
                servers[one].address for one in sorted(order, key=lambda one: _TURN[servers[one].state])
            ]
    return found


def _groups(tx: Tx, versions: Sequence[tuple[InodeId, CommitNumber]]) -> dict[InodeId, GroupId]:
    first = {inode: _first(leaf) for inode, leaf in search.first_entries(tx, versions).items()}
    sparse = [(inode, born) for inode, born in versions if inode in first and first[inode] is None]
    leaves = search.first_entries(tx, sparse, all_of=True)
    first.update((inode, _first(leaf)) for inode, leaf in leaves.items())
    return {inode: group_of(chunk.hash) for inode, chunk in first.items() if chunk is not None}


def _first(leaf: bytes) -> Chunk | None:
    """The first chunk that is no hole."""
    return next((chunk for chunk in manifest.entries(leaf) if chunk.hash != HOLE), None)
