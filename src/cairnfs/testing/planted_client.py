"""Known ways to get files out of a cluster wrongly, planted on purpose: the tests must find each of them.

What belongs here: one context manager a bug, as in `planted_metadata`. Not to be switched while anything is
on its way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.client.get import sync as sync_tree
from cairnfs.client.get.sync_look import Look
from cairnfs.client.local import batch as local_batch
from cairnfs.client.record import record
from cairnfs.ids import Hash
from cairnfs.wire.directory import ChunkRef


@contextmanager
def taking_their_places_before_they_are_whole() -> Iterator[None]:
    """A short file is renamed into its place when it is made, and filled afterwards."""
    honest, replace = local_batch._fill, os.replace
    moved: dict[int, bytes] = {}

    def hasty(descriptor: int, chunks: Sequence[ChunkRef], contents: Mapping[Hash, bytes]) -> None:
        draft = os.readlink(f"/proc/self/fd/{descriptor}").encode()
        place = moved.pop(0)
        replace(draft, place)
        honest(descriptor, chunks, contents)
        os.link(place, draft)

    def place(file: local_batch.Short, *rest: Any) -> local_batch.Placed:
        moved[0] = file.local
        return put(file, *rest)

    put = local_batch._place
    with patch.object(local_batch, "_fill", hasty), patch.object(local_batch, "_place", place):
        yield


@contextmanager
def removing_before_all_else_is_there() -> Iterator[None]:
    """A sync removes what is too much as soon as it knows of it."""
    look = sync_tree.SyncTree._look

    async def hasty(syncing: sync_tree.SyncTree) -> Look:
        found = await look(syncing)
        sync_tree._remove_all([extra.place for extra in found.extra], preserve=False)
        return found

    with patch.object(sync_tree.SyncTree, "_look", hasty):
        yield


@contextmanager
def trusting_sizes() -> Iterator[None]:
    """A file of the same size is taken for the same file."""
    with patch.object(record.Known, "is_still", lambda row, status: row.size == status.st_size):
        yield
