"""Seeing that nothing is to be got: nothing changed there since the record was written, nor here.

One question to the cluster, one lstat for each local thing, not a chunk. Where the answer is no, or cannot be
told so simply, the tree is walked (`tree.py`). What belongs here: that. What does not: the record
(`record/record.py`). Used from one event loop; local things are looked at on another thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice

from cairnfs.client.connection import Connection
from cairnfs.client.get.recording import settled_before
from cairnfs.client.history import diff_pages
from cairnfs.client.local.content import read_content
from cairnfs.client.local.files import Kind
from cairnfs.client.local.walk import Here, walk_local
from cairnfs.client.progress import Meter
from cairnfs.client.record.record import RACY_NS, Known, Pair, Torn, known
from cairnfs.client.workers import on_disk
from cairnfs.errors import Conflict, Denied, Missing
from cairnfs.ids import Path

#: Things looked at in one go on the other thread.
_AT_ONCE = 2048
#: Pages of the log that say nothing of this directory, before it is walked instead.
_PAGES_MAX = 50
_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


@dataclass(slots=True)
class Tally:
    """What is there, and is as it is to be. `fresh`: rows that had to be made anew."""

    files: int = 0
    directories: int = 1
    symlinks: int = 0
    links: int = 0
    size: int = 0
    fresh: dict[bytes, Known] = field(default_factory=dict)


class Differs(Exception):
    """Something is to be got, or removed."""


class Unchanged:
    """One look at a pair of directories."""

    def __init__(
        self,
        connection: Connection,
        pair: Pair,
        remote: Path,
        *,
        commit: int,
        incarnation: int,
        preserve: bool,
        exact: bool,
        meter: Meter,
    ) -> None:
        """`exact`: nothing else may be here."""
        self._connection = connection
        self._pair = pair
        self._remote = remote
        self._commit = commit
        self._incarnation = incarnation
        self._preserve = preserve
        self._exact = exact
        self._meter = meter
        self._tally = Tally()
        self._settled_ns: int | None = None
        self._several: set[tuple[int, int]] = set()

    async def look(self) -> Tally | None:
        """What is here, if it is all there is to be; else None."""
        pair = self._pair
        if pair.commit is None or pair.incarnation != self._incarnation:
            return None
        if self._preserve and not pair.kept:
            return None
        try:
            if pair.commit != self._commit and await self._changed_there(pair.commit):
                return None
            await self._look_here()
            if self._tally.fresh or pair.commit != self._commit:
                await on_disk(self._write_down)
        except (Torn, Differs):
            return None
        except (Missing, Conflict, Denied):
            # The walk will tell it better.
            return None
        return self._tally

    async def _changed_there(self, since: int) -> bool:
        pages = diff_pages(self._connection, since, self._commit, self._remote)
        looked = 0
        async with aclosing(pages) as found:
            async for page in found:
                looked += 1
                if page.differences or page.incarnation != self._incarnation or looked == _PAGES_MAX:
                    return True
        return False

    async def _look_here(self) -> None:
        """Raises Differs."""
        rows = self._pair.known()
        here = self._here_all() if self._exact else None
        while await on_disk(self._compare, rows, here):
            self._meter.files = self._tally.files
            self._meter.moved(self._tally.size - self._meter.bytes)

    def _here_all(self) -> Iterator[Here]:
        def odd(path: bytes, why: str) -> None:
            raise Differs

        return walk_local(self._pair.local, odd)

    def _compare(self, rows: Iterator[Known], here: Iterator[Here] | None) -> bool:
        """The next rows; whether there are more."""
        count = 0
        for row in islice(rows, _AT_ONCE):
            count += 1
            found = self._lstat(row) if here is None else next(here, None)
            if found is None or found.path != row.path or found.kind != row.kind:
                raise Differs
            self._see(row, found)
        if count < _AT_ONCE and here is not None and next(here, None) is not None:
            raise Differs
        return count == _AT_ONCE

    def _lstat(self, row: Known) -> Here | None:
        place = self._pair.local + b"/" + row.path
        try:
            status = os.lstat(place)
        except OSError:
            return None
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        return None if kind is None else Here(row.path, kind, status, place)

    def _see(self, row: Known, here: Here) -> None:
        tally, status = self._tally, here.status
        if row.kind == "directory":
            if self._preserve and (
                row.mode != stat.S_IMODE(status.st_mode) or row.mtime_ns != status.st_mtime_ns
            ):
                raise Differs
            tally.directories += 1
            return
        if not row.is_still(status):
            raise Differs
        if row.kind == "symlink":
            tally.symlinks += 1
            return
        if not row.sure:
            if self._settled_ns is None:
                self._settled_ns = settled_before(self._pair.local)
            if read_content(here) != row.content:
                raise Differs
            tally.fresh[row.path] = known(
                row.path,
                row.kind,
                status,
                now_ns=self._settled_ns + RACY_NS,
                etag=row.etag,
                content=row.content,
            )
        if row.links > 1:
            name = (row.device, row.inode)
            if name in self._several:
                tally.links += 1
                return
            self._several.add(name)
        tally.files += 1
        tally.size += row.size

    def _write_down(self) -> None:
        """Raises Torn."""
        pair, fresh = self._pair, self._tally.fresh
        with pair.writer(self._commit, self._incarnation, kept=pair.kept) as writer:
            for row in pair.known():
                writer.add(fresh.get(row.path, row))
