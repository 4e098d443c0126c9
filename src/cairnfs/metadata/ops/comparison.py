"""comparison: what some of the log made of a tree between two commits, as one can see it at both ends.

What belongs here: of a name that was begun, whether it is there at the later commit, and where what it leads
to was before; of one that was ended, the same the other way round; of a version, whether it is there. Each of
these is one event in the log, so nothing is told twice and nothing has to be remembered from page to page.
What does not: the verb (`ops/diff`). A bounded number of statements for any number of changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.ids import ROOT, CommitNumber, InodeId, Name, Path
from cairnfs.metadata.ops.changes import Slice
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.renamings import Key, Known, destinations, origins
from cairnfs.metadata.ops.trace import Traced, trace, within_path
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows import nodes
from cairnfs.metadata.rows.nodes import Dentry, Told, Version
from cairnfs.metadata.state.changes import CREATED, MOVED, REMOVED, Change
from cairnfs.metadata.view import DIRECTORY

#: Where the root is kept: no directory holds it.
ROOT_KEY: Key = (InodeId(0), Name(b""))


class Thing(NamedTuple):
    """What a name leads to at one of the two commits, and its path."""

    dentry: Dentry
    version: Version
    told: Told
    path: Path

    @property
    def known(self) -> Known:
        """By which name it is known."""
        return Known.by(self.dentry)


class Raw(NamedTuple):
    """One difference, in the order of time. `moved`: the paths differ because it was renamed."""

    before: Thing | None
    after: Thing | None
    moved: bool = False


class Side:
    """The tree at one of the two commits, as one person sees it. `scopes`: the paths that are compared."""

    def __init__(self, sight: Sight, person: Person, path: Path) -> None:
        self.sight = sight
        self.commit = sight.commit
        self.scopes = [path]
        self._person = person
        self._asked: set[InodeId] = set()
        self._traced: dict[InodeId, Traced] = {}
        self._found: dict[Key, tuple[Dentry, Version, Told] | None] = {ROOT_KEY: self._root()}

    def _root(self) -> tuple[Dentry, Version, Told]:
        view = self.sight.view
        assert view.told is not None, "a view for people"
        version = view.version(ROOT)
        return Dentry(*ROOT_KEY, version.born, ROOT, DIRECTORY, 1), version, view.told[ROOT]

    def load(self, keys: Iterable[Key], directories: Iterable[InodeId] = ()) -> None:
        """Look up what these names lead to, and where these directories and the names' are."""
        keys = dict.fromkeys(keys)
        wanted = [key for key in keys if key not in self._found]
        self._found.update(dict.fromkeys(wanted))
        for found in nodes.find_told(self.sight.view.tx, wanted, self.sight.view.at):
            self._found[found[0].parent, found[0].name] = found
        missing = {*directories, *(parent for parent, _ in keys if parent)} - self._asked
        self._asked |= missing
        places = [(one, self.commit) for one in missing]
        for (inode, _), traced in trace(self.sight.view.tx, self._person, places).items():
            self._traced[inode] = traced

    def raw(self, key: Key) -> Dentry | None:
        """The row of a name, whoever may see it."""
        found = self._found[key]
        return None if found is None else found[0]

    def get(self, key: Key) -> Thing | None:
        """What a name leads to, if the person may see it."""
        found = self._found[key]
        path = self._path(key)
        return None if found is None or path is None else Thing(*found, path)

    def _path(self, key: Key) -> Path | None:
        if key == ROOT_KEY:
            return Path(b"/")
        up = self._traced.get(key[0])
        if up is None:
            return None
        path = up.below(key[1])
        return path if any(up.shows(path, one) for one in self.scopes) else None

    def has(self, directory: InodeId) -> bool:
        """Whether the directory was in the tree."""
        return directory in self._traced or not directory

    def inside(self, path: Path) -> bool:
        """Whether it is compared."""
        return any(within_path(one, path) for one in self.scopes)

    def covers(self, directory: InodeId) -> bool:
        """Whether the directory is compared, so that it can stand for what is in it."""
        up = self._traced.get(directory)
        return up is not None and self.inside(up.path)


class _Events(NamedTuple):
    """What is still to be seen: names begun before the later commit, ended after the earlier; versions."""

    begun: list[Known]
    ended: list[Known]
    touched: list[tuple[InodeId, CommitNumber, Key]]


def differences(low: Side, high: Side, slices: Sequence[Slice], told: set[InodeId]) -> Iterator[Raw]:
    """What these changes come to. `told`: inodes of which all is told already."""
    tx = low.sight.view.tx
    keys = {key for one in slices for change in one.changes for key in _keys(change)}
    low.load(keys)
    high.load(keys)
    events = _sort(low, high, slices)
    there = [one for known in events.ended if (one := high.raw(known.key)) is not None]
    here = [one for known in events.begun if (one := low.raw(known.key)) is not None]
    came = origins(tx, {*events.begun, *map(Known.by, there)}, low.commit)
    went = destinations(tx, {*events.ended, *map(Known.by, here)}, high.commit)
    names = _names(low, high, events.touched)
    parents = {parent for parent, _ in {*keys, *came.values(), *went.values()} if parent}
    low.load({*came.values(), *names}, parents)
    high.load({*went.values(), *names}, parents)
    ends = _Ends(low, high, came, went)
    yield from filter(None, map(ends.begun, events.begun))
    yield from filter(None, map(ends.ended, events.ended))
    for key in names:
        before, after = low.get(key), high.get(key)
        if before is None or after is None or before.dentry.inode in told:
            continue
        if low.inside(before.path) or high.inside(after.path):
            yield Raw(before, after)


class _Ends:
    """From one end to the other: `came` and `went` say by which names things were, and are, known."""

    def __init__(self, low: Side, high: Side, came: dict[Known, Key], went: dict[Known, Key]) -> None:
        self._low, self._high, self._came, self._went = low, high, came, went

    def before(self, known: Known) -> Thing | None:
        """What was known by another name at the earlier commit."""
        return _same(self._low, self._came.get(known), known)

    def after(self, known: Known) -> Thing | None:
        """What is known by another name at the later commit."""
        return _same(self._high, self._went.get(known), known)

    def begun(self, known: Known) -> Raw | None:
        """Of a name that is there at the later commit."""
        after, before = self._high.get(known.key), self.before(known)
        if after is None:
            return None
        if before is not None:
            concerned = self._high.inside(after.path) or self._low.inside(before.path)
            return Raw(before, after, before.path != after.path) if concerned else None
        parent = known.key[0]
        if not self._high.inside(after.path) or (self._high.covers(parent) and not self._low.has(parent)):
            return None
        replaced = self._low.get(known.key)
        if replaced is not None and self._is_replaced(replaced, after):
            return Raw(replaced, after)
        return Raw(None, after)

    def ended(self, known: Known) -> Raw | None:
        """Of a name that was there at the earlier commit."""
        before = self._low.get(known.key)
        if before is None or not self._low.inside(before.path) or self.after(known) is not None:
            return None
        parent = known.key[0]
        if self._low.covers(parent) and not self._high.has(parent):
            return None
        replacing = self._high.get(known.key)
        if replacing is not None and self._is_replaced(before, replacing):
            return None  # told of by what took its place
        return Raw(before, None)

    def _is_replaced(self, before: Thing, after: Thing) -> bool:
        """Whether one thing is gone and another, that was not there, has its name."""
        if DIRECTORY in (before.dentry.kind, after.dentry.kind):
            return False
        return self.after(before.known) is None and self.before(after.known) is None


def _same(side: Side, key: Key | None, known: Known) -> Thing | None:
    thing = None if key is None else side.get(key)
    return thing if thing is not None and thing.dentry.inode == known.inode else None


def _keys(change: Change) -> Iterator[Key]:
    yield change.parent, change.name
    if change.what == MOVED:
        yield change.from_parent, change.from_name


def _sort(low: Side, high: Side, slices: Sequence[Slice]) -> _Events:
    """What of these changes can be seen at one of the ends."""
    events = _Events([], [], [])
    maybe: list[tuple[Known, CommitNumber]] = []
    for one in slices:
        for change in one.changes:
            key = (change.parent, change.name)
            now = high.raw(key)
            if change.what in (CREATED, MOVED):
                if now is not None and now.inode == change.inode and now.born == one.number:
                    events.begun.append(Known.by(now))
            elif change.what != REMOVED:
                events.touched.append((change.inode, one.number, key))
            if change.what in (REMOVED, MOVED):
                before = low.raw((change.from_parent, change.from_name) if change.what == MOVED else key)
                if before is not None and before.inode == change.inode:
                    maybe.append((Known.by(before), one.number))
    died = rows.ends(low.sight.view.tx, {(*known.key, known.born) for known, _ in maybe})
    events.ended.extend(known for known, number in maybe if died[*known.key, known.born] == number)
    return events


def _names(low: Side, high: Side, touched: Sequence[tuple[InodeId, CommitNumber, Key]]) -> list[Key]:
    """The names, unchanged between the commits, of versions that are there at the later one."""
    tx = low.sight.view.tx
    versions = rows.versions_then(tx, {(inode, high.commit) for inode, _, _ in touched})
    last = {
        inode: key
        for inode, number, key in touched
        if (version := versions.get((inode, high.commit))) is not None and version.born == number
    }
    found = dict.fromkeys(
        (dentry.parent, dentry.name)
        for _, dentry in rows.names_then(tx, {(inode, high.commit) for inode in last})
        if dentry.born <= low.commit
    )
    for inode, key in last.items():
        before, after = low.raw(key), high.raw(key)
        if before is None or after is None or not before.inode == after.inode == inode:
            continue
        if before.born == after.born or key == ROOT_KEY:
            found[key] = None
    return list(found)
