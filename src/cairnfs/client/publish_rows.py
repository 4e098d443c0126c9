"""What the record says after a publish, and what a publish says of itself.

What belongs here: the rows that follow from the old ones and the changes; the list of what is done, in which
a file that only changed its name is told as such. What does not: the record (`record.py`), deciding. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cairnfs.client.local_walk import Here
from cairnfs.client.publish_compare import Change
from cairnfs.client.record import Known, is_settled, known, walk_key
from cairnfs.client.results import Action, What


def rows_after(rows: Iterable[Known], changes: Sequence[Change], now_ns: int) -> Iterator[Known]:
    """The rows of a record, with what changed, in the order of a walk."""
    firsts: dict[bytes, Known] = {}
    old = iter(rows)
    row = next(old, None)
    gone = b"\0"
    for change in changes:
        key = walk_key(change.path)
        while row is not None and walk_key(row.path) < key:
            if not row.path.startswith(gone):
                yield row
                if row.links > 1:
                    firsts[row.path] = row
            row = next(old, None)
        if row is not None and row.path == change.path:
            row = next(old, None)
        if change.act == "remove" or change.clear:
            # All that was in it is gone with it.
            gone = change.path + b"/"
        fresh = change.row
        if change.here is not None and change.first is not None:
            fresh = _of_link(change.here, firsts.get(change.first), now_ns)
        if fresh is not None:
            yield fresh
            if fresh.links > 1:
                firsts[fresh.path] = fresh
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
