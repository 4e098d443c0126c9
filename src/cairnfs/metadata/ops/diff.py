"""diff: how the tree at or below a path differs between two commits, by the log of what happened in between.

What belongs here: the verb: the path itself, which may be another thing or elsewhere because of what happened
above it, and pages of the log (`ops/comparison`). What a person may not see at one of the commits is not
there for them. A directory that was added or removed stands for all that is in it. Asked for backwards, it is
the same with the roles exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cairnfs.core import names as rules
from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError, Forbidden, NotFound
from cairnfs.ids import ROOT, CommitNumber, InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, entries, moment
from cairnfs.metadata.ops.changes import Position, take
from cairnfs.metadata.ops.comparison import Raw, Side, Thing, differences
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.renamings import Key, destinations, is_logged, origins
from cairnfs.metadata.ops.resolve import place, text, there
from cairnfs.metadata.ops.trace import physical
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import names
from cairnfs.wire.directory import Entry
from cairnfs.wire.history import Difference, DiffReply, DiffRequest

#: So often one request reads on where there was nothing to tell.
_SCANS_MAX = 4


class Cursor(NamedTuple):
    """The commits compared, and up to where the log between them was read."""

    incarnation: int
    a: int
    b: int
    commit: int
    told: int


def page(tx: Tx, person: Person, request: DiffRequest) -> DiffReply:
    """Raises NotFound for a path that leads nowhere at both, Forbidden, SymlinkLoop, BadCursor, NoSuchCommit,
    NoSuchSnapshot, BeforeHorizon, BadRequest."""
    asked = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    a, b = _moments(tx, request, cursor)
    who = b.people.now(person)
    first, last = (a, b) if a.commit <= b.commit else (b, a)
    path = _meant((last, first), who, asked)
    low, high = Side(first, who, path), Side(last, who, path)
    begin, told = _path_itself(low, high, path)
    position = Position(low.commit) if cursor is None else Position(CommitNumber(cursor.commit), cursor.told)
    found = begin if cursor is None else []
    more = True
    for _ in range(_SCANS_MAX):
        _, slices, after = take(tx, position, until=high.commit, limit=request.limit)
        found += differences(low, high, slices, told)
        more, position = after != position, after
        if found or not more:
            break
    clock = last.clock
    going_on = Cursor(clock.incarnation, a.commit, b.commit, *position)
    return DiffReply(
        a=a.commit,
        b=b.commit,
        incarnation=clock.incarnation,
        differences=_messages(low, high, found, backwards=a.commit > b.commit),
        cursor=cursors.write(tx, going_on) if more else None,
    )


def _moments(tx: Tx, request: DiffRequest, cursor: Cursor | None) -> tuple[Sight, Sight]:
    if cursor is None:
        return moment.look(tx, request.a), moment.look(tx, request.b)
    now = cursors.require_ours(tx, cursor.incarnation, cursor.a, cursor.b, cursor.commit)
    return moment.look_at(tx, now, cursor.a), moment.look_at(tx, now, cursor.b)


def _meant(sights: Sequence[Sight], person: Person, asked: Path) -> Path:
    """The path without symlinks, at the first of the two commits at which it leads anywhere."""
    errors: list[CairnError] = []
    for sight in sights:
        sight.view.prefetch([asked])
        try:
            at = place(sight.view, person, asked, follow=True)
            if not at.is_root:
                there(at)
            return physical(sight.view, person, asked, follow=True)
        except CairnError as error:
            errors.append(error)
    for refusal in errors:
        if isinstance(refusal, Forbidden):
            raise refusal
    raise NotFound("it leads nowhere at both moments", path=text(asked)) from errors[0]


def _path_itself(low: Side, high: Side, path: Path) -> tuple[list[Raw], set[InodeId]]:
    """What became of the path because of what happened above it, which no change names it for.

    With the inodes of which that tells all. Adds to both sides' scopes where the other side's is there.
    """
    if path == b"/":
        return [], set()
    tx = low.sight.view.tx
    before, after = _at(low, path), _at(high, path)
    came = went = None
    if after is not None:
        came = _elsewhere(low, origins(tx, [after.known], low.commit).get(after.known), after)
    if before is not None:
        went = _elsewhere(high, destinations(tx, [before.known], high.commit).get(before.known), before)
    low.scopes += [came.path] if came is not None else []
    high.scopes += [went.path] if went is not None else []
    found = []
    if after is not None and not _is_begun(low, high, after) and (came is None or came.path != path):
        found.append(Raw(came, after, came is not None))
    if before is not None and not _is_ended(high, before) and (went is None or went.path != path):
        found.append(Raw(before, went, went is not None))
    replaced = len(found) == 2 and came is None and went is None
    if replaced and before and after and DIRECTORY not in (before.dentry.kind, after.dentry.kind):
        found = [Raw(before, after)]
    return found, {one.dentry.inode for raw in found for one in raw[:2] if one is not None}


def _at(side: Side, path: Path) -> Thing | None:
    """What the path leads to on this side."""
    here: Key | None = None
    directory = None
    for name in rules.split(path):
        here = (ROOT if directory is None else directory, name)
        side.load([here])
        dentry = side.raw(here)
        if dentry is None:
            return None
        directory = dentry.inode
    return None if here is None else side.get(here)


def _elsewhere(side: Side, key: Key | None, thing: Thing) -> Thing | None:
    """The same thing on the other side, by the name that it has there."""
    if key is None:
        return None
    side.load([key])
    found = side.get(key)
    return found if found is not None and found.dentry.inode == thing.dentry.inode else None


def _is_begun(low: Side, high: Side, after: Thing) -> bool:
    """Whether the log tells, between the two, of how this name began."""
    known = after.known
    return low.commit < known.born and is_logged(high.sight.view.tx, known.born, known.key, end=False)


def _is_ended(high: Side, before: Thing) -> bool:
    """Whether the log tells, between the two, of how this name ended."""
    known, tx = before.known, high.sight.view.tx
    died = rows.ends(tx, [(*known.key, known.born)])[*known.key, known.born]
    return died <= high.commit and is_logged(tx, died, known.key, end=True)


def _messages(low: Side, high: Side, found: Sequence[Raw], *, backwards: bool) -> list[Difference]:
    """As they are told; what turns out to be no difference is left out."""
    pairs = {
        (raw.before.version.inode, raw.before.version.born, raw.after.version.inode, raw.after.version.born)
        for raw in found
        if raw.before is not None and raw.after is not None
    }
    same = rows.same_content(low.sight.view.tx, pairs)
    before = iter(_entries(low, [raw.before for raw in found if raw.before is not None]))
    after = iter(_entries(high, [raw.after for raw in found if raw.after is not None]))
    told = []
    for raw in found:
        was = next(before) if raw.before is not None else None
        now = next(after) if raw.after is not None else None
        alike = raw.before is not None and raw.after is not None and (
            raw.before.version.inode, raw.before.version.born,
            raw.after.version.inode, raw.after.version.born,
        ) in same  # fmt: skip
        one = _message(raw, was, now, alike, backwards=backwards)
        told += [] if one is None else [one]
    return told


def _message(
    raw: Raw, was: Entry | None, now: Entry | None, alike: bool, *, backwards: bool
) -> Difference | None:
    first, second = (raw.after, raw.before) if backwards else (raw.before, raw.after)
    was, now = (now, was) if backwards else (was, now)
    shown = second or first
    assert shown is not None, "it is there at one of the two"
    path, path_b64 = names.to_text(shown.path)
    origin, origin_b64 = names.to_text(first.path) if raw.moved and first is not None else (None, None)
    if first is None or second is None:
        what = "added" if first is None else "removed"
    elif raw.moved:
        what = "moved"
    elif first.dentry.kind == second.dentry.kind and not alike:
        what = "written"
    elif first.dentry.kind != second.dentry.kind or _attributes(first) != _attributes(second):
        what = "changed"
    else:
        return None
    return Difference(
        what=what,  # type: ignore[arg-type]
        path=path,
        path_b64=path_b64,
        from_path=origin,
        from_path_b64=origin_b64,
        before=was,
        after=now,
        written=raw.moved and not alike,
    )


def _attributes(thing: Thing) -> tuple[object, ...]:
    v = thing.version
    return v.mode, v.owner, v.owner_group, v.mtime_us, v.mtime_sub_ns, v.xattrs, v.policy


def _entries(side: Side, things: Sequence[Thing]) -> list[Entry]:
    return entries.build(
        side.sight,
        [Found(one.dentry.name, one.dentry.kind, one.version, one.told, one.dentry.traced) for one in things],
    )
