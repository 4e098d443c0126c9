"""history: what a path led to over time, newest first, also before its directories were put where they are.

What belongs here: the verb. A path is looked up as of a commit; what was found held since the newest of the
names and directories on the way were there, so the look before is just before that. Where nothing was, the
look before is just before the missing name ended, or before its directory came. Each look is bounded by the
path's length, each page by a number of looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from cairnfs.core import names as rules
from cairnfs.core.permissions import WALK, Person, allowed
from cairnfs.errors import NotFound
from cairnfs.ids import ROOT, CommitNumber, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, entries, moment
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.resolve import text
from cairnfs.metadata.ops.trace import physical, trace
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state.changes import CREATED, MOVED, REMOVED, Change, decode
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import names
from cairnfs.wire.directory import Entry
from cairnfs.wire.history import HistoryItem, HistoryReply, HistoryRequest

#: So often one request looks a path up.
_LOOKS_MAX = 32
_What = Literal["created", "removed", "moved", "written", "changed", "present"]


class Cursor(NamedTuple):
    """`commit`: as of which the path is meant; all that happened after `until` has been told."""

    incarnation: int
    commit: int
    until: int


class _Item(NamedTuple):
    """What one commit did; `place` is where it came from, or went to."""

    commit: CommitNumber
    what: _What
    entry: Entry | None = None
    place: Path | None = None


class _Stand(NamedTuple):
    """What a path was as of a commit.

    `way`: the names walked, `found`: whether to the last. It stands so since `since`; the last of its names
    was put there at `arrived`. `hidden`: the person may not walk there. `missing`: the name not there.
    """

    sight: Sight
    way: tuple[Dentry, ...]
    found: bool
    since: CommitNumber
    arrived: CommitNumber
    hidden: bool
    missing: tuple[InodeId, Name] | None = None


def page(tx: Tx, person: Person, request: HistoryRequest) -> HistoryReply:
    """Raises NotFound where there never was anything, Forbidden, SymlinkLoop, BadCursor, BeforeHorizon."""
    asked = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    sight = moment.look(tx, request.at) if cursor is None else cursors.go_on(tx, cursor)
    past = _Past(sight, sight.people.now(person), asked)
    if cursor is not None:
        past.until = CommitNumber(min(cursor.until, sight.commit))
    items: list[_Item] = []
    for _ in range(_LOOKS_MAX):
        if past.until < sight.clock.horizon or len(items) >= request.limit:
            break
        items += past.back(request.limit - len(items))
    more = past.until >= sight.clock.horizon
    if not items and not more and cursor is None:
        raise NotFound("there is no such file or directory, and there was none", path=text(asked))
    going_on = Cursor(sight.clock.incarnation, sight.commit, past.until)
    return HistoryReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        items=_messages(sight, past.path, items),
        cursor=cursors.write(tx, going_on) if more else None,
    )


class _Past:
    """One path followed back by one person. All that happened after `until` has been told."""

    def __init__(self, sight: Sight, person: Person, path: Path) -> None:
        self.until = sight.commit
        self._tx = sight.view.tx
        self._sight = sight
        self._person = person
        self._horizon = sight.clock.horizon
        self.path = physical(sight.view, person, path, follow=False)
        self._names = rules.split(self.path)

    def back(self, limit: int) -> list[_Item]:
        """Look once, and tell up to `limit` items of what is found."""
        stand = self._look(self.until)
        return self._of_what_was(stand, limit) if stand.found else self._of_nothing(stand)

    def _look(self, at: CommitNumber) -> _Stand:
        sight = moment.look_at(self._tx, self._sight.clock, at)
        view = sight.view
        view.prefetch([self.path])
        here, root = ROOT, view.version(ROOT)
        since, arrived = (root.born if self._names else CommitNumber(0)), CommitNumber(0)
        hidden = bool(self._names) and not self._may_walk(root)
        way: list[Dentry] = []
        for depth, name in enumerate(self._names):
            dentry = view.lookup(here, name)
            last = depth == len(self._names) - 1
            if dentry is None or (not last and dentry.kind != DIRECTORY):
                since = max(since, CommitNumber(0) if dentry is None else dentry.born)
                return _Stand(sight, tuple(way), False, since, arrived, hidden, (here, name))
            way.append(dentry)
            arrived = max(arrived, dentry.born)
            here = dentry.inode
            if not last:
                directory = view.version(here)
                since = max(since, directory.born)
                hidden = hidden or not self._may_walk(directory)
            since = max(since, arrived)
        return _Stand(sight, tuple(way), True, since, arrived, hidden)

    def _may_walk(self, directory: Version) -> bool:
        return allowed(self._person, directory.owner, directory.owner_group, directory.mode, WALK)

    def _of_nothing(self, stand: _Stand) -> list[_Item]:
        """The end of what was there before, if anything was."""
        assert stand.missing is not None
        end = rows.last_end(self._tx, *stand.missing, self.until) or CommitNumber(0)
        since = max(stand.since, end if end <= self.until else CommitNumber(0))
        self.until = CommitNumber(since - 1)
        if self.until < self._horizon:
            return []
        before = self._look(self.until)
        if not before.found or before.hidden:
            return []
        gone = self._change_of(before, since, REMOVED)
        if gone is None or gone[1].what != MOVED:
            return [_Item(since, "removed")]
        depth, change = gone
        return [_Item(since, "moved", None, self._place(change.parent, change.name, since, depth))]

    def _of_what_was(self, stand: _Stand, limit: int) -> list[_Item]:
        """The versions of what was there, and how it came there."""
        above = max(CommitNumber(stand.since - 1), stand.arrived, self._horizon)
        inode = stand.way[-1].inode if stand.way else ROOT
        versions = [] if stand.hidden else rows.versions_back(self._tx, inode, self.until, above, limit)
        told: list[tuple[_What, CommitNumber, Version, Path | None]] = [
            ("changed" if same else "written", version.born, version, None) for version, same in versions
        ]
        if len(versions) >= limit:
            self.until = CommitNumber(versions[-1][0].born - 1)
        else:
            self.until = CommitNumber(stand.since - 1)
            if not stand.hidden:
                told += self._beginning(stand, inode)
        return self._with_entries(stand, told)

    def _beginning(
        self, stand: _Stand, inode: InodeId
    ) -> Iterator[tuple[_What, CommitNumber, Version, Path | None]]:
        """How it came there; or that it was there when the history that is kept begins."""
        first = max(stand.since, self._horizon)
        version = rows.versions_then(self._tx, [(inode, first)])[inode, first]
        if stand.since <= self._horizon:
            yield "present", version.born, version, None
        elif stand.arrived == stand.since:
            came = self._change_of(stand, stand.since, CREATED)
            if came is None or came[1].what != MOVED:
                yield "created", stand.since, version, None
            else:
                depth, change = came
                before = CommitNumber(stand.since - 1)
                place = self._place(change.from_parent, change.from_name, before, depth)
                yield "moved", stand.since, version, place

    def _change_of(self, stand: _Stand, commit: CommitNumber, what: int) -> tuple[int, Change] | None:
        """What a commit did to the last of the names walked that it ended (or, CREATED, that it began).

        With how many names there are up to that one.
        """
        found = rows.commits(self._tx, [commit])
        made = decode(found[commit].entries) if commit in found and found[commit].entries else []
        if what == REMOVED:
            known = {(one.from_parent, one.from_name): one for one in made if one.what == MOVED}
        else:
            known = {(one.parent, one.name): one for one in made if one.what == MOVED}
        known |= {(one.parent, one.name): one for one in made if one.what == what}
        for depth in range(len(stand.way), 0, -1):
            dentry = stand.way[depth - 1]
            if (dentry.parent, dentry.name) in known:
                return depth, known[dentry.parent, dentry.name]
        return None

    def _place(self, parent: InodeId, name: Name, at: CommitNumber, depth: int) -> Path | None:
        """The path by this name, then what is behind the first `depth` names; None where it is not seen."""
        up = trace(self._tx, self._person, [(parent, at)]).get((parent, at))
        if up is None:
            return None
        path = up.below(name)
        return Path(b"/".join((path, *self._names[depth:]))) if up.shows(path, self.path) else None

    def _with_entries(
        self, stand: _Stand, told: Sequence[tuple[_What, CommitNumber, Version, Path | None]]
    ) -> list[_Item]:
        if not told:
            return []
        view = stand.sight.view
        assert view.told is not None, "a view for people"
        inode, kind, traced = ROOT, DIRECTORY, 1
        if stand.way:
            inode, kind, traced = stand.way[-1].inode, stand.way[-1].kind, stand.way[-1].traced
        name = rules.base(self.path)
        found = [Found(name, kind, version, view.told[inode], traced) for _, _, version, _ in told]
        built = entries.build(stand.sight, found)
        return [
            _Item(commit, what, entry, place)
            for (what, commit, _, place), entry in zip(told, built, strict=True)
        ]


def _messages(sight: Sight, path: Path, items: Sequence[_Item]) -> list[HistoryItem]:
    called, called_b64 = names.to_text(path)
    heads = rows.heads(sight.view.tx, {one.commit for one in items})
    users = sight.people.names(one.user_id for one in heads.values())
    told = []
    for one in items:
        # Before the first commit there was the bare root, made by nobody.
        head = heads.get(one.commit)
        if head is None:
            continue
        place, place_b64 = (None, None) if one.place is None else names.to_text(one.place)
        came = one.entry is not None
        told.append(
            HistoryItem(
                commit=one.commit,
                at_us=head.at_us,
                user=users[head.user_id],
                message=head.message,
                what=one.what,
                path=called,
                path_b64=called_b64,
                entry=one.entry,
                from_path=place if came else None,
                from_path_b64=place_b64 if came else None,
                to_path=None if came else place,
                to_path_b64=None if came else place_b64,
            )
        )
    return told
