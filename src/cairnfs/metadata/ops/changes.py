"""changes: what commits did, in paths, for one person's eyes; and the pages of it that followers get.

What belongs here: from the log's inodes and names to paths as of the commit (as of the one before it for what
went away), and which of them concern a path: what is at or below it, and the directories on the way to it,
for what happens to them happens to it. What does not: waiting for more (`control/directory`). The work of a
page is bounded, however large the commits and however little of them may be seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from cairnfs.core.permissions import Person
from cairnfs.errors import BeforeHorizon, IncarnationChanged, NoSuchCommit
from cairnfs.ids import NEVER, CommitNumber, Incarnation, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.trace import Traced, trace, within_path
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows import inodes
from cairnfs.metadata.rows.changes import Commit, Then
from cairnfs.metadata.rows.clock import read as read_clock
from cairnfs.metadata.state.changes import CHANGED, CREATED, MOVED, REMOVED, WRITTEN, Change, decode
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import codec, names
from cairnfs.wire.history import EVENT_CHANGES_MAX, Changes, PathChange, What

#: What one page looks at, at most: commits, and bytes of their changes (but one commit at least).
COMMITS_MAX, SCAN_BYTES_MAX = 256, 128 * 1024
#: The changes of an event, as JSON: a quarter of what a line may have, for one change is never that long.
_EVENT_BYTES_MAX = 256 * 1024
_WORDS: Mapping[int, What] = {
    CREATED: "created", REMOVED: "removed", MOVED: "moved", WRITTEN: "written", CHANGED: "changed",
}  # fmt: skip
#: Of a file with more names none is looked for that may be told in place of the one written by: a page
#: may hold a thousand changes, and a file 65,000 names.
OTHER_NAMES_MAX = 64
#: One commit and some of its changes.
Part = tuple[CommitNumber, Sequence[Change]]


class Position(NamedTuple):
    """Up to where all is told: up to `commit`, or (unless `told` is 0) only so many of its changes."""

    commit: CommitNumber
    told: int = 0


class Page(NamedTuple):
    """Events with the position after each; and the position after the page, whether or not any came."""

    events: list[tuple[Position, Changes]]
    position: Position


class Seen(NamedTuple):
    """A change in paths. `origin`: where it was moved from."""

    what: What
    kind: str
    inode: InodeId
    path: Path
    origin: Path | None = None

    def message(self) -> PathChange:
        """As it is told."""
        text, base64 = names.to_text(self.path)
        origin, origin_b64 = (None, None) if self.origin is None else names.to_text(self.origin)
        return PathChange(
            what=self.what,
            kind=cast(Literal["file", "directory", "symlink"], self.kind),
            inode=self.inode,
            path=text,
            path_b64=base64,
            from_path=origin,
            from_path_b64=origin_b64,
        )


def page(tx: Tx, person: Person, path: Path, after: Position, incarnation: Incarnation) -> Page:
    """What comes after a position. Raises IncarnationChanged, BeforeHorizon, NoSuchCommit."""
    clock = read_clock(tx)
    if incarnation != clock.incarnation:
        raise IncarnationChanged(f"the incarnation is {clock.incarnation} now: begin anew")
    whole = CommitNumber(after.commit - 1) if after.told else after.commit
    if whole < clock.horizon:
        raise BeforeHorizon(f"changes are told from commit {clock.horizon} on")
    if after.commit > clock.commit_number:
        raise NoSuchCommit(f"the newest commit is {clock.commit_number}")
    people = People(tx, clock)
    person = people.now(person)
    commits, parts, position = take(tx, after)
    users = people.names(one.user_id for one in commits.values())
    events: list[tuple[Position, Changes]] = []
    for part, found in zip(parts, seen(tx, person, path, [one.piece for one in parts]), strict=True):
        commit = commits[part.number]
        for end, piece in _pieces(found):
            told = part.begin + end
            more = told < part.size
            event = Changes(
                commit=commit.number,
                incarnation=incarnation,
                at_us=commit.at_us,
                user=users[commit.user_id],
                message=commit.message,
                changes=piece,
                more=more,
            )
            events.append((Position(commit.number, told if more else 0), event))
    return Page(events, position)


class Slice(NamedTuple):
    """Changes of one commit, from the one numbered `begin` on, of `size` that it has."""

    number: CommitNumber
    begin: int
    size: int
    changes: list[Change]

    @property
    def piece(self) -> Part:
        return self.number, self.changes


def take(
    tx: Tx, after: Position, *, until: CommitNumber = NEVER, limit: int = EVENT_CHANGES_MAX
) -> tuple[dict[CommitNumber, Commit], list[Slice], Position]:
    """The next changes up to the commit `until`, within the bounds of a page; and the position after them."""
    whole = CommitNumber(after.commit - 1) if after.told else after.commit
    sizes = rows.sizes_after(tx, whole, COMMITS_MAX)
    numbers = within(one for one in sizes if one[0] <= until)
    commits = rows.commits(tx, numbers)
    parts: list[Slice] = []
    position = after
    for number in numbers:
        if not limit:
            break
        begin = after.told if number == after.commit else 0
        made = decode(commits[number].entries) if commits[number].entries else []
        piece = made[begin : begin + limit]
        limit -= len(piece)
        end = begin + len(piece)
        position = Position(number, end if end < len(made) else 0)
        if piece:
            parts.append(Slice(number, begin, len(made), piece))
    return commits, parts, position


def within(sizes: Iterable[tuple[CommitNumber, int]]) -> list[CommitNumber]:
    """The first of these commits whose changes have SCAN_BYTES_MAX together; one at least."""
    taken: list[CommitNumber] = []
    total = 0
    for number, size in sizes:
        total += size
        if taken and total > SCAN_BYTES_MAX:
            break
        taken.append(number)
    return taken


def _pieces(found: Sequence[Seen | None]) -> Iterator[tuple[int, list[PathChange]]]:
    """What is seen, in pieces that fit into an event, each with the number of changes up to its end."""
    piece: list[PathChange] = []
    size = 0
    for at, one in enumerate(found):
        if one is None:
            continue
        change = one.message()
        length = len(codec.encode(change)) + 1
        if piece and size + length > _EVENT_BYTES_MAX:
            yield at, piece
            piece, size = [], 0
        piece.append(change)
        size += length
    if piece:
        yield len(found), piece


def seen(tx: Tx, person: Person, path: Path, parts: Sequence[Part]) -> list[list[Seen | None]]:
    """The changes in paths; None for one that the person may not see, or that does not concern the path.

    `person` is as `People.now` gave them. A statement a level of the deepest directory, not a commit.
    """
    places = {place for number, made in parts for change in made for place in _places(change, number)}
    eye = _Eye(trace(tx, person, places), path)
    found = [[eye.look(change, number) for change in made] for number, made in parts]
    _other_names(tx, person, path, parts, found)
    return found


def _places(change: Change, number: CommitNumber) -> Iterator[Then]:
    """The directories of the names that the change is told by."""
    if change.parent and change.what != REMOVED:
        yield change.parent, number
    if change.what == REMOVED:
        yield change.parent, CommitNumber(number - 1)
    elif change.what == MOVED:
        yield change.from_parent, CommitNumber(number - 1)


class _Eye:
    """What one person may see of what concerns one path."""

    def __init__(self, traced: Mapping[Then, Traced], path: Path) -> None:
        self._traced = traced
        self._path = path

    def path(self, directory: InodeId, name: Name, at: CommitNumber) -> Path | None:
        """The path of a name that may be seen: listed, or walked through by who names the path."""
        if not directory:
            return Path(b"/")
        up = self._traced.get((directory, at))
        if up is None:
            return None
        path = up.below(name)
        return path if up.shows(path, self._path) else None

    def concerns(self, path: Path) -> bool:
        """Whether it is at or below the path, or on the way to it."""
        return within_path(self._path, path) or within_path(path, self._path)

    def look(self, change: Change, number: CommitNumber) -> Seen | None:
        """The change, if it may be seen and concerns the path."""
        now = then = None
        if change.what != REMOVED:
            now = self.path(change.parent, change.name, number)
        before = CommitNumber(number - 1)
        if change.what == REMOVED:
            then = self.path(change.parent, change.name, before)
        elif change.what == MOVED:
            then = self.path(change.from_parent, change.from_name, before)
        what = change.what
        if what == MOVED and (now is None or then is None):
            what = REMOVED if now is None else CREATED
        if not any(one is not None and self.concerns(one) for one in (now, then)):
            return None
        path = now if now is not None else then
        assert path is not None, "one of them concerns the path"
        return Seen(_WORDS[what], change.kind_name, change.inode, path, then if what == MOVED else None)


def _other_names(
    tx: Tx, person: Person, path: Path, parts: Sequence[Part], found: list[list[Seen | None]]
) -> None:
    """Tell of what was written by a name that is not seen, by another one that it has: the first that is.
    For a file that has over OTHER_NAMES_MAX of them now, that is left."""
    missed: dict[Then, list[tuple[int, int]]] = defaultdict(list)
    for at, (number, made) in enumerate(parts):
        for place, change in enumerate(made):
            if change.what in (WRITTEN, CHANGED) and change.kind_name != DIRECTORY and not found[at][place]:
                missed[change.inode, number].append((at, place))
    links = inodes.links(tx, {inode for inode, _ in missed}) if missed else {}
    dentries = rows.names_then(tx, [one for one in missed if links[one[0]] <= OTHER_NAMES_MAX])
    eye = _Eye(trace(tx, person, {(one.parent, at) for at, one in dentries}), path)
    best: dict[Then, Path] = {}
    for at, one in dentries:
        other = eye.path(one.parent, one.name, at)
        if other is not None and eye.concerns(other):
            best[one.inode, at] = min(other, best.get((one.inode, at), other))
    for key, other in best.items():
        at, place = missed[key][0]
        change = parts[at][1][place]
        found[at][place] = Seen(_WORDS[change.what], change.kind_name, change.inode, other)
