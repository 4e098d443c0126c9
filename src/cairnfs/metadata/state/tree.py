"""The living tree under change: names that begin and end, versions that begin and end.

What belongs here: the bookkeeping of spans, so that a row born and ended in one commit is never
written, and one that lived between two commits of a batch is. What does not: whether a change is
allowed (`ops`), writing (`state/flushing`). Every change goes through the journal. One tx, one
thread.
"""

from __future__ import annotations

import msgspec

from cairnfs.ids import NEVER, ROOT, CommitNumber, Incarnation, InodeId, Name
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import dentries, names
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state.journal import Journal
from cairnfs.metadata.view import DIRECTORY, FILE, View

NameKey = tuple[InodeId, Name, CommitNumber]  # parent, name, born
VersionKey = tuple[InodeId, CommitNumber]  # inode, born


class Stamp(msgspec.Struct, frozen=True):
    """The commit that is being made: its number, time and incarnation."""

    number: CommitNumber
    at_us: int
    incarnation: Incarnation


class NameSpan(msgspec.Struct, frozen=True, gc=False):
    """A dentry to insert, which may have died in a later commit of the same batch; or one to end."""

    dentry: Dentry
    died: CommitNumber


class BornVersion(msgspec.Struct, frozen=True, gc=False):
    """A version to insert, with its manifest: the hashes of its leaves, 32 bytes each."""

    version: Version
    manifest: bytes
    died: CommitNumber


class BornInode(msgspec.Struct, frozen=True, gc=False):
    """An inode to insert, and the commit that makes it."""

    kind: str
    made: CommitNumber


class Note(msgspec.Struct, frozen=True, gc=False):
    """What a commit did to something that keeps its name: to its content, or to its attributes alone."""

    content: bool
    inode: InodeId
    kind: str


class Tree:
    """The live view, and what is to be written of it."""

    __slots__ = (
        "_journal",
        "_some_name",
        "born_inodes",
        "born_names",
        "born_versions",
        "died_names",
        "died_versions",
        "links",
        "notes",
        "orphans",
        "retraced",
        "traced",
        "view",
    )

    def __init__(self, tx: Tx, journal: Journal) -> None:
        """An unchanged tree."""
        self._journal = journal
        self._some_name: dict[InodeId, bytes | None] = {}
        self.view = View(tx)
        self.born_names: dict[NameKey, NameSpan] = {}
        self.died_names: dict[NameKey, NameSpan] = {}
        self.born_versions: dict[VersionKey, BornVersion] = {}
        self.died_versions: dict[VersionKey, CommitNumber] = {}
        self.born_inodes: dict[InodeId, BornInode] = {}
        self.links: dict[InodeId, int] = {}  #: by how much the links of an inode grew
        self.orphans: dict[InodeId, CommitNumber] = {}
        self.notes: dict[NameKey, Note] = {}
        self.traced: dict[InodeId, tuple[Dentry, ...]] = {}  #: names begun here that are traced
        self.retraced: dict[NameKey, bool] = {}  #: names of before that are to be traced from now on

    def add(
        self, parent: InodeId, name: Name, inode: InodeId, kind: str, stamp: Stamp, *, traced: bool = False
    ) -> Dentry:
        """Begin a name; there is none of that name now. A directory's is always traced."""
        dentry = Dentry(parent, name, stamp.number, inode, kind, int(traced or kind == DIRECTORY))
        put = self._journal.put
        if dentry.traced:
            put(self.traced, inode, (*self.traced.get(inode, ()), dentry))
        put(self.born_names, (parent, name, stamp.number), NameSpan(dentry, NEVER))
        put(self.view.names.setdefault(parent, {}), name, dentry)
        put(self.links, inode, self.links.get(inode, 0) + 1)
        return dentry

    def end(self, dentry: Dentry, stamp: Stamp) -> None:
        """End a name. What it leads to stays as it is."""
        put, key = self._journal.put, (dentry.parent, dentry.name, dentry.born)
        if dentry.born == stamp.number:
            self._journal.drop(self.born_names, key)
        elif key in self.born_names:
            put(self.born_names, key, NameSpan(dentry, stamp.number))
        else:
            put(self.died_names, key, NameSpan(dentry, stamp.number))
        put(self.view.names[dentry.parent], dentry.name, None)
        put(self.links, dentry.inode, self.links.get(dentry.inode, 0) - 1)
        if dentry.inode in self.traced:
            left = tuple(one for one in self.traced[dentry.inode] if one != dentry)
            put(self.traced, dentry.inode, left)
        if dentry.kind != FILE:
            self.view.walks.clear()

    def move(self, dentry: Dentry, parent: InodeId, name: Name, stamp: Stamp) -> Dentry:
        """End a name and begin another for the same inode."""
        self.end(dentry, stamp)
        return self.add(parent, name, dentry.inode, dentry.kind, stamp, traced=bool(dentry.traced))

    def trace(self, dentry: Dentry) -> None:
        """Let a name be found from its inode, for which another one is about to begin."""
        if dentry.traced:
            return
        put, key = self._journal.put, (dentry.parent, dentry.name, dentry.born)
        traced = msgspec.structs.replace(dentry, traced=1)
        if key in self.born_names:
            put(self.born_names, key, NameSpan(traced, NEVER))
            put(self.traced, dentry.inode, (*self.traced.get(dentry.inode, ()), traced))
        else:
            put(self.retraced, key, True)
        put(self.view.names[dentry.parent], dentry.name, traced)

    def other_names(self, dentry: Dentry) -> list[Dentry]:
        """The other live names, from which a way leads up to the root, of what this one leads to."""
        if not dentry.traced or dentry.kind == DIRECTORY:
            return []
        return [one for one in self._names(dentry.inode) if one != dentry and self._is_reachable(one)]

    def _names(self, inode: InodeId) -> list[Dentry]:
        """The live names of an inode as this tx has them, if they are traced."""
        stored = names.live(self.view.tx, inode, self.retraced)
        return [
            *(one for one in stored if (one.parent, one.name, one.born) not in self.died_names),
            *self.traced.get(inode, ()),
        ]

    def _is_reachable(self, dentry: Dentry) -> bool:
        """Whether the way up ends at the root, and not at an orphan."""
        at = dentry.parent
        while at != ROOT:
            above = self._names(at)
            if not above:
                return False
            at = above[0].parent
        return True

    def make_inode(self, inode: InodeId, kind: str, stamp: Stamp) -> None:
        """Begin an inode; its first name and version follow."""
        self._journal.put(self.born_inodes, inode, BornInode(kind, stamp.number))
        if kind == DIRECTORY:
            self._journal.put(self.view.fresh, inode, True)

    def begin_version(self, version: Version, leaves: bytes) -> None:
        """Give an inode that has no version now a new one."""
        born = BornVersion(version, leaves, NEVER)
        self._journal.put(self.born_versions, (version.inode, version.born), born)
        self._journal.put(self.view.versions, version.inode, version)

    def end_version(self, inode: InodeId, stamp: Stamp) -> Version:
        """End an inode's version and give it; the inode has none then."""
        version = self.view.version(inode)
        key = (inode, version.born)
        born = self.born_versions.get(key)
        if version.born == stamp.number:
            self._journal.drop(self.born_versions, key)
        elif born is not None:
            ended = BornVersion(version, born.manifest, stamp.number)
            self._journal.put(self.born_versions, key, ended)
        else:
            self._journal.put(self.died_versions, key, stamp.number)
        self._journal.drop(self.view.versions, inode)
        return version

    def change(self, kind: str, version: Version, leaves: bytes, stamp: Stamp) -> None:
        """Give an inode a new version in place of the one it has."""
        self.end_version(version.inode, stamp)
        self.begin_version(version, leaves)
        if kind == DIRECTORY:
            self.view.walks.clear()

    def note(self, dentry: Dentry | None, version: Version, *, content: bool) -> None:
        """Remember for the log of changes what a commit did to this name; None stands for the root."""
        parent, name = (InodeId(0), Name(b"")) if dentry is None else (dentry.parent, dentry.name)
        key = (parent, name, version.born)
        kind = DIRECTORY if dentry is None else dentry.kind
        content = content or (key in self.notes and self.notes[key].content)
        self._journal.put(self.notes, key, Note(content, version.inode, kind))

    def remove(self, dentry: Dentry, stamp: Stamp) -> None:
        """End a name, and the file or empty directory that it leads to unless it has other names."""
        others = self.other_names(dentry)
        self.end(dentry, stamp)
        if others:
            return
        self.end_version(dentry.inode, stamp)
        made = self.born_inodes.get(dentry.inode)
        if made is not None and made.made == stamp.number:
            self._journal.drop(self.born_inodes, dentry.inode)
            self._journal.drop(self.links, dentry.inode)

    def remove_tree(self, dentry: Dentry, stamp: Stamp) -> None:
        """End a directory with all below it: its own rows here, the rest by a duty (`orphans`).

        What was loaded or made in this tx ends here and now: the duty must never meet a row that
        was born by the very commit that ends it. Of a directory made here, that is everything.
        """
        pending = [dentry]
        while pending:
            top = pending.pop()
            self.remove(top, stamp)
            if top.kind == DIRECTORY:
                known = self.view.names.get(top.inode, {})
                pending.extend(child for child in known.values() if child is not None)
                if top.inode not in self.view.fresh:
                    self._journal.put(self.orphans, top.inode, stamp.number)

    def is_empty(self, directory: InodeId) -> bool:
        """Whether no name is alive in the directory."""
        known = self.view.names.get(directory, {})
        if any(dentry is not None for dentry in known.values()):
            return False
        if directory in self.view.fresh:
            return True
        self.look_inside([directory])
        name = self._some_name[directory]
        # What is known of a name is newer than what the database says of it.
        while name is not None and name in known:
            name = dentries.first_name(self.view.tx, directory, name)
        return name is None

    def look_inside(self, directories: list[InodeId]) -> None:
        """Load one name of each of these directories, in one statement."""
        wanted = [i for i in directories if i not in self._some_name and i not in self.view.fresh]
        self._some_name.update(dict.fromkeys(wanted))
        self._some_name.update(dentries.some_names(self.view.tx, wanted))

    def written(self) -> None:
        """What was to be written is in the database now."""
        for table in (
            self.born_names, self.died_names, self.born_versions, self.died_versions, self.born_inodes,
            self.links, self.orphans, self.notes, self.retraced, self.traced,
        ):  # fmt: skip
            table.clear()
