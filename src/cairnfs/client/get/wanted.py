"""Things of a tree that are on their way to this machine, and which of them are here already.

What belongs here: what is known of each, and comparing many at one go with what is here. What does not: how
they come. The comparison is synchronous: callers run it on another thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cairnfs.client.get.attributes import Unfinished
from cairnfs.client.get.recording import Row
from cairnfs.client.local.attributes import Kept, give
from cairnfs.client.local.comparison import same_content, same_symlink
from cairnfs.client.record.record import Known
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire.directory import ChunkRef, Entry

#: Short files that are fetched, and written, at one go.
BATCH_FILES = 500
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(slots=True, eq=False)
class First:
    """The first name of a file that has several. Its directory is not finished before the last is made.

    So many are still to be `met`, and to be `made`.
    """

    local: bytes
    within: Unfinished
    met: int
    made: int
    there: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Wanted:
    """Something of the tree that is no directory, and where it goes.

    `chunks` are None where they are to be asked for; `known` is what the record says was here.
    """

    path: Path
    entry: Entry
    local: bytes
    within: Unfinished
    kept: Kept | None
    chunks: Sequence[ChunkRef] | None
    row: Row | None = None
    known: Known | None = None
    first: First | None = None

    @property
    def is_first(self) -> bool:
        """Whether it is to come by itself, not as another name of something."""
        return self.first is None or self.first.local == self.local


@dataclass(frozen=True, slots=True)
class Trust:
    """What is taken on trust. `attributes`: the record's rows were equal beside content too.

    Without `record`, all local files are read.
    """

    record: bool = True
    attributes: bool = False


def is_long(wanted: Wanted) -> bool:
    """Whether it comes by itself, a piece at a time."""
    return wanted.entry.kind == "file" and (wanted.entry.size > SINGLE_MAX_BYTES or wanted.chunks is None)


def here_already(batch: Sequence[Wanted], trust: Trust) -> list[tuple[Wanted, list[str] | None]]:
    """Of each, whether it is here with the right content: what of it could not be kept, in words; else None.

    What those that are here are to have beside content they have afterwards.
    """
    return [(wanted, None if wanted.within.new else _here(wanted, trust)) for wanted in batch]


def _here(wanted: Wanted, trust: Trust) -> list[str] | None:
    entry, known = wanted.entry, wanted.known
    if entry.kind == "symlink":
        return give_beside(wanted, None) if same_symlink(wanted.local, entry.raw_target()) else None
    if trust.record and known is not None and known.sure and known.etag == entry.etag:
        with suppress(OSError):
            status = os.lstat(wanted.local)
            if known.kind == "file" and known.is_still(status):
                return give_beside(wanted, status, needs=not trust.attributes)
    if wanted.chunks is None or entry.size > SINGLE_MAX_BYTES:
        return None
    found = same_content(wanted.local, entry.size, wanted.chunks)
    return None if found is None else give_beside(wanted, found)


def give_beside(wanted: Wanted, status: os.stat_result | None, *, needs: bool = True) -> list[str]:
    """Give it what it has beside its content. What could not be, in words."""
    lost: list[str] = []
    mtime_ns = 0 if status is None else status.st_mtime_ns
    if needs and wanted.kept is not None:
        lost = give(wanted.local, wanted.kept, "symlink" if status is None else "file")
        mtime_ns = wanted.kept.mtime_ns
    if wanted.row is not None and status is not None:
        wanted.row.placed = (status.st_ino, status.st_size, mtime_ns)
    return lost


def batches(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """What goes together: short files, so many of them; a long one alone."""
    batch: list[Wanted] = []
    size = 0
    for one in wanted:
        if is_long(one):
            yield [one]
            continue
        if batch and (len(batch) == BATCH_FILES or size + one.entry.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.entry.size
    if batch:
        yield batch
