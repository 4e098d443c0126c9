"""What the record says after a publish, and what a publish says of itself.

What belongs here: the rows that follow from the old ones and the changes; the list of what is done, in which
a file that only changed its name is told as such. What does not: the record (`record/record.py`), deciding.
One thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

from cairnfs.client.local.walk import Here
from cairnfs.client.publish.compare import Change
from cairnfs.client.record.record import Known, Pair, is_settled, known, walk_key
from cairnfs.client.results import Action, What


class FreshRows:
    """The rows of changes that were made, in their order."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        #: Of files with several names.
        self._firsts: dict[bytes, Known] = {}

    def of(self, change: Change) -> Known | None:
        """What the record says of it now; None where it says nothing any more."""
        row = change.row
        if change.here is not None and change.first is not None:
            row = _of_link(change.here, self._firsts.get(change.first), self._now_ns)
        if row is not None:
            self.note(row)
        return row

    def note(self, row: Known) -> None:
        """A row that stays."""
        if row.links > 1:
            self._firsts[row.path] = row


class MadeRows:
    """A record that is written while a tree is made of which nothing was there. Any thread, one at a time."""

    def __init__(self, pair: Pair, incarnation: int, now_ns: int, *, kept: bool) -> None:
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(pair.writer(0, incarnation, kept=kept))
        self._fresh = FreshRows(now_ns)
        self._finished = False

    def add(self, changes: Iterable[Change]) -> None:
        """These were made, after all that came before."""
        for change in changes:
            row = self._fresh.of(change)
            if row is not None:
                self._writer.add(row)

    def finish(self, commit: int) -> None:
        """All of it is there since this commit."""
        self._writer.commit = commit
        self._finished = True
        self._stack.close()

    def abandon(self) -> None:
        """It was not made; nothing is recorded. After `finish` this does nothing."""
        if not self._finished:
            self._finished = True
            self._writer.abandon()
            self._stack.close()


def rows_after(rows: Iterable[Known], changes: Sequence[Change], now_ns: int) -> Iterator[Known]:
    """The rows of a record, with what changed, in the order of a walk."""
    fresh = FreshRows(now_ns)
    old = iter(rows)
    row = next(old, None)
    gone = b"\0"
    for change in changes:
        key = walk_key(change.path)
        while row is not None and walk_key(row.path) < key:
            if not row.path.startswith(gone):
                yield row
                fresh.note(row)
            row = next(old, None)
        if row is not None and row.path == change.path:
            row = next(old, None)
        if change.act == "remove" or change.clear:
            # All that was in it is gone with it.
            gone = change.path + b"/"
        now = fresh.of(change)
        if now is not None:
            yield now
    while row is not None:
        if not row.path.startswith(gone):
            yield row
        row = next(old, None)


def _of_link(here: Here, first: Known | None, now_ns: int) -> Known:
    """Another name of a file has the content that its first one has."""
    settled = first is not None and first.sure and is_settled(here.status, now_ns)
    return known(
        here.path,
        here.kind,
        here.status,
        now_ns=now_ns if settled else 0,
        content=b"" if first is None else first.content,
    )


def actions_of(changes: Iterable[Change], rows: Iterable[Known]) -> Iterator[Action]:
    """What the changes do; `rows` are those of the record, before."""
    changes = list(changes)
    origins = _origins(changes, rows)
    for change in changes:
        what = _what(change)
        if what is None or not change.path:
            continue
        thing = change.here or change.there
        assert thing is not None
        origin = origins.get(change.path)
        size = 0
        if change.here is not None and change.here.kind == "file" and change.act in ("make", "write"):
            size = change.here.status.st_size
        if origin is not None and what == "added":
            yield Action("renamed", change.path, thing.kind, 0, origin)
        else:
            yield Action(what, change.path, thing.kind, size)


def _what(change: Change) -> What | None:
    match change.act:
        case "row":
            return None
        case "remove":
            return "removed"
        case "attributes":
            return "attributes"
        case "link":
            return "linked"
        case _:
            return "added" if change.there is None else "changed"


def _origins(changes: Sequence[Change], rows: Iterable[Known]) -> dict[bytes, bytes]:
    """Where new files were before, as far as their inode, size and time tell: a new name changes neither."""
    new: dict[tuple[int, int, int, int], bytes] = {}
    for change in changes:
        here = change.here
        if here is not None and change.act == "make" and change.there is None and here.kind == "file":
            status = here.status
            new[status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns] = here.path
    if not new:
        return {}
    removed = {change.path for change in changes if change.act == "remove"}
    found: dict[bytes, bytes] = {}
    for row in rows:
        to = new.get((row.device, row.inode, row.size, row.mtime_ns))
        if to is not None and row.kind == "file" and any(up in removed for up in _and_above(row.path)):
            found[to] = row.path
    return found


def _and_above(path: bytes) -> Iterator[bytes]:
    yield path
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path
