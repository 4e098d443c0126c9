"""Keeping the local record while a tree is got: rows in the walk's order, though files come in any order.

A row is written when its file, and all before it, are in their places. A file is sure where the file system's
own clock went on since its last change: a later change cannot have the same times then. What belongs here:
that. What does not: what a row says (`record/record.py`). Used from one event loop.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from cairnfs.client.caller import caller_of
from cairnfs.client.connection import Connection
from cairnfs.client.local.files import Kind
from cairnfs.client.record.record import (
    RACY_NS,
    Known,
    Pair,
    Record,
    Torn,
    Writer,
    known,
    state_dir,
    walk_key,
)
from cairnfs.client.workers import on_disk

#: Rows that wait for others before them; then there is nothing more taken on.
WAITING_MAX = 20_000
_FLUSHED = 1000


async def record_of(connection: Connection) -> Record | None:
    """The record of the caller on this machine; None where who that is cannot be told. To be closed."""
    caller = await caller_of(connection.control.tokens)
    if caller is None:
        return None
    return Record.open(state_dir() / "records", caller.cluster_id, caller.user_id, clock=connection.clock)


@dataclass(slots=True, eq=False)
class Row:
    """One thing on its way: what it is there, and its local place. `content` as in `record.Known`."""

    path: bytes
    local: bytes
    kind: Kind
    etag: str
    mode: int
    size: int
    content: bytes
    #: What was put there: inode, size, time of change in ns. None: what lstat tells is right.
    placed: tuple[int, int, int] | None = None
    done: bool = False
    #: What a directory gets when it is finished: mode, time of change in ns.
    ends_with: tuple[int, int] | None = None


class Recording:
    """The rows of one tree that is got; nothing is recorded unless `finish` is reached."""

    def __init__(self, pair: Pair, commit: int, incarnation: int, *, kept: bool) -> None:
        self._root = pair.local
        self._rows: deque[Row] = deque()
        self._finished = False
        self._stack = ExitStack()
        self._writer: Writer = self._stack.enter_context(pair.writer(commit, incarnation, kept=kept))

    @property
    def waiting(self) -> int:
        """How many rows are not written yet."""
        return len(self._rows)

    def expect(self, row: Row) -> Row:
        """The next row in the order of the walk; to be told `done` later."""
        self._rows.append(row)
        return row

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Write the rows at the front that are done, if there are many."""
        ready: list[Row] = []
        while self._rows and self._rows[0].done:
            ready.append(self._rows.popleft())
            if len(ready) == _FLUSHED:
                break
        if len(ready) < _FLUSHED and not all_of_them:
            self._rows.extendleft(reversed(ready))
            return
        if ready:
            await on_disk(self._write, ready)

    async def finish(self) -> None:
        """All is done: these rows take the place of the old ones."""
        while self._rows:
            assert self._rows[0].done
            await self.flush(all_of_them=True)
        self._finished = True
        await on_disk(self._stack.close)

    def abandon(self) -> None:
        """Leave the record as it was; after `finish` this does nothing."""
        if not self._finished:
            self._writer.abandon()

    def _write(self, rows: list[Row]) -> None:
        settled_ns = settled_before(self._root)
        for row in rows:
            self._writer.add(_found(row, settled_ns))


class Remembered:
    """The record's rows, looked up in the order of a walk. Synchronous, one thread at a time."""

    def __init__(self, pair: Pair) -> None:
        self._rows = pair.known()
        self._next: Known | None = None
        self._key = b""
        self._step()

    def find(self, paths: Sequence[bytes]) -> list[Known | None]:
        """What is known of these, which come later in the walk than all that were asked for before."""
        found: list[Known | None] = []
        for path in paths:
            key = walk_key(path)
            while self._next is not None and self._key < key:
                self._step()
            found.append(self._next if self._next is not None and self._next.path == path else None)
        return found

    def _step(self) -> None:
        try:
            self._next = next(self._rows, None)
        except Torn:
            self._next = None
        self._key = b"" if self._next is None else walk_key(self._next.path)


def settled_before(directory: bytes) -> int:
    """Whatever changed earlier than this, by its own times in ns, and changes again, gets other times.

    It is the file system's own clock that counts, as a new file in the directory shows it; where none can be
    made nothing is settled.
    """
    place = os.path.join(directory, b".cairn-" + secrets.token_hex(8).encode())
    try:
        above = os.stat(directory)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
            os.unlink(place)
            # The directory's own time is not ours to change.
            os.utime(directory, ns=(above.st_atime_ns, above.st_mtime_ns))
    except OSError:
        return 0
    # Where there are whole seconds only, or pairs of them, clocks are as coarse as that.
    return status.st_ctime_ns if status.st_ctime_ns % 1_000_000_000 else status.st_ctime_ns - RACY_NS


def _found(row: Row, settled_ns: int) -> Known:
    """What there is to say of it now. What is no longer what was put here is known to be there, not here."""
    try:
        status = os.lstat(row.local)
    except OSError:
        return _there(row)
    if row.placed is not None and row.placed != (status.st_ino, status.st_size, status.st_mtime_ns):
        return _there(row)
    found = known(row.path, row.kind, status, now_ns=settled_ns + RACY_NS, etag=row.etag, content=row.content)
    # The mode is that of there, which what is here need not have.
    mtime_ns = found.mtime_ns if row.ends_with is None else row.ends_with[1]
    return msgspec.structs.replace(found, mode=row.mode, mtime_ns=mtime_ns)


def _there(row: Row) -> Known:
    """A row that nothing here answers to."""
    return Known(
        path=row.path,
        kind=row.kind,
        mode=row.mode,
        device=0,
        inode=0,
        size=row.size,
        mtime_ns=0,
        ctime_ns=0,
        etag=row.etag,
        content=row.content,
        sure=False,
    )
