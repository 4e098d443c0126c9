"""vouching: chunks that need no receipts because they are in files that the caller may read.

    read(bases) -> list[Basis]                     checked, before any tx
    look(tx, person, session, bases, chunks)       before the clock: which of these chunks bases have

What belongs here: finding the files and looking through their leaves, with the rights that reading takes.
What is found holds as long as the session lives and needs the commit at which it was found, for until then
nothing of it may be thrown away; whether copies are certain is judged with the clock held (`durable`). A
base that is not there, or may not be read, vouches for nothing. Any thread, inside a tx.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from cairnfs.core import manifest
from cairnfs.core import names as rules
from cairnfs.core.manifest import Chunk
from cairnfs.core.permissions import READ, Person, allowed
from cairnfs.errors import (
    BadRequest,
    BeforeHorizon,
    CairnError,
    NoSuchCommit,
    NoSuchTree,
    SessionEnded,
    TooManyOperations,
)
from cairnfs.ids import CommitNumber, Hash, Incarnation, InodeId, Name, Path, SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.detached_handle import open_handle
from cairnfs.metadata.ops.resolve import place
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, leaves, nodes, sessions, versions
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.state.content import leaf_hashes
from cairnfs.metadata.state.tree import VersionKey
from cairnfs.metadata.view import FILE, View
from cairnfs.wire import names
from cairnfs.wire.commits import BASES_MAX, Base

#: Different commits and trees that the bases of one request may be of.
PLACES_MAX = 64
#: Leaves that are looked through for one request: four million chunks. What is in more counts for nothing.
LEAVES_MAX = 16_384
_LEAVES_AT_ONCE = 256


class Basis(NamedTuple):
    """A file as of a commit (None: the newest), or inside a detached tree."""

    path: Path
    at: CommitNumber | None
    tree: str | None


class Vouched(NamedTuple):
    """Chunks that bases have, as `person` could read them in this incarnation.

    `at`: the earliest commit that the session has to need still. `trees`: the tops of detached trees that
    have to be there still.
    """

    person: Person
    incarnation: Incarnation
    at: CommitNumber
    trees: frozenset[InodeId]
    chunks: frozenset[Chunk]

    def add(self, other: Vouched) -> Vouched:
        """Both together: they were found for the same person in the same incarnation."""
        assert (self.person, self.incarnation) == (other.person, other.incarnation)
        return self._replace(
            at=min(self.at, other.at), trees=self.trees | other.trees, chunks=self.chunks | other.chunks
        )


def read(bases: Sequence[Base]) -> list[Basis]:
    """Check the bases of a request. Raises TooManyOperations, BadRequest, BadName, PathTooLong."""
    if len(bases) > BASES_MAX:
        raise TooManyOperations(f"at most {BASES_MAX} bases in one request")
    for one in bases:
        if one.at is not None and one.tree is not None:
            raise BadRequest("what is in a detached tree is there at no commit")
    if len({(one.at, one.tree) for one in bases}) > PLACES_MAX:
        raise TooManyOperations(f"bases of at most {PLACES_MAX} commits and trees in one request")
    return [
        Basis(
            names.to_path(one.path, one.path_b64), None if one.at is None else CommitNumber(one.at), one.tree
        )
        for one in bases
    ]


def look(
    tx: Tx, person: Person, session: SessionId, bases: Iterable[Basis], chunks: Collection[Chunk]
) -> Vouched:
    """Which of these chunks are in the bases.

    Raises Unauthenticated, SessionEnded, BadCursor, IncarnationChanged.
    """
    now = clock.read(tx)
    who = People(tx, now).now(person)
    held = sessions.find(tx, [session]).get(session)
    if held is None or held.user_id != who.user_id:
        raise SessionEnded(f"the session {session[:40]} is not alive")
    by_commit: defaultdict[CommitNumber, list[Path]] = defaultdict(list)
    by_tree: defaultdict[str, list[Path]] = defaultdict(list)
    for one in bases:
        if one.tree is not None:
            by_tree[one.tree].append(one.path)
        else:
            by_commit[now.commit_number if one.at is None else one.at].append(one.path)
    search, earliest, trees = _Search(chunks), now.commit_number, set()
    for at, paths in sorted(by_commit.items(), reverse=True):
        if at >= held.needs and search.through(tx, _files(tx, now, at, who, paths)):
            earliest = min(earliest, at)
    for tree, paths in by_tree.items():
        try:
            top = open_handle(tx, who, tree).top
        except NoSuchTree:
            continue
        if search.through(tx, _inside(tx, top, paths)):
            trees.add(top)
    return Vouched(who, now.incarnation, earliest, frozenset(trees), frozenset(search.found()))


class _Search:
    """Looks through leaves for chunks, each leaf once."""

    def __init__(self, chunks: Collection[Chunk]) -> None:
        self._missing = set(map(manifest.entry, chunks))
        self._found: set[bytes] = set()
        self._looked: set[Hash] = set()

    def through(self, tx: Tx, files: Sequence[VersionKey]) -> bool:
        """Look through the leaves of these versions; whether anything was found."""
        before = len(self._found)
        if self._missing and files:
            manifests = versions.manifests(tx, files).values()
            hashes = dict.fromkeys(leaf for one in manifests for leaf in leaf_hashes(one))
            new = [leaf for leaf in hashes if leaf not in self._looked]
            for start in range(0, len(new), _LEAVES_AT_ONCE):
                if self._missing and len(self._looked) < LEAVES_MAX:
                    self._take(tx, new[start : start + _LEAVES_AT_ONCE])
        return len(self._found) > before

    def found(self) -> Iterable[Chunk]:
        """What was found."""
        return map(manifest.chunk, self._found)

    def _take(self, tx: Tx, hashes: Sequence[Hash]) -> None:
        self._looked.update(hashes)
        for leaf in leaves.load(tx, hashes).values():
            inside = self._missing.intersection(manifest.cut(leaf.entries))
            self._found |= inside
            self._missing -= inside


def _files(
    tx: Tx, now: ClockRow, at: CommitNumber, person: Person, paths: Sequence[Path]
) -> list[VersionKey]:
    """The versions of those of these paths that are files at a commit which `person` may read."""
    try:
        moment.check(tx, now, at)
    except (NoSuchCommit, BeforeHorizon):
        return []
    view = View(tx, None if at == now.commit_number else at)
    view.prefetch(paths)
    found = []
    for path in paths:
        try:
            dentry = place(view, person, path, follow=True).dentry
        except CairnError:
            continue
        if dentry is None or dentry.kind != FILE:
            continue
        version = view.version(dentry.inode)
        if allowed(person, version.owner, version.owner_group, version.mode, READ):
            found.append((version.inode, version.born))
    return found


def _inside(tx: Tx, top: InodeId, paths: Sequence[Path]) -> list[VersionKey]:
    """The versions of those of these paths that are files in a detached tree: a statement a level."""
    found: list[VersionKey] = []
    walking: list[tuple[InodeId, tuple[Name, ...]]] = [(top, rules.split(path)) for path in paths]
    while walking := [(inode, way) for inode, way in walking if way]:
        asked = dict.fromkeys((inode, way[0]) for inode, way in walking)
        there = {(one.parent, one.name): (one, version) for one, version in nodes.find(tx, list(asked), None)}
        on = []
        for inode, way in walking:
            met = there.get((inode, way[0]))
            if met is None:
                continue
            dentry, version = met
            if len(way) > 1:
                on.append((dentry.inode, way[1:]))
            elif dentry.kind == FILE:
                found.append((version.inode, version.born))
        walking = on
    return found
