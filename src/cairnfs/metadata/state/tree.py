"""The living tree under change: names that begin and end, versions that begin and end.

What belongs here: the bookkeeping of spans, so that a row born and ended in one commit is never
written, and one that lived between two commits of a batch is. What does not: whether a change is
allowed (`ops`), writing (`state/flushing`). Every change goes through the journal. One tx, one
thread.
"""

from __future__ import annotations

import msgspec

from cairnfs.ids import NEVER, CommitNumber, Incarnation, InodeId, Name
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import dentries
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state.journal import Journal
from cairnfs.metadata.state.links import Links
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
    """What a commit did to an inode that was there before: to its content, or to its attributes alone.

    The name is one of those that lead to it when the commit is done; 0 and empty stand for the root.
    """

    content: bool
    kind: str
    parent: InodeId
    name: Name


class Tree:
    """The live view, and what is to be written of it."""

    __slots__ = (
        "_emptied",
        "_journal",
        "_some_name",
        "attached",
        "born_inodes",
        "born_names",
        "born_versions",
        "died_names",
        "died_versions",
        "links",
        "names",
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
        #: Tops of detached trees that got their name here: detached no more.
        self.attached: dict[InodeId, bool] = {}
        self.notes: dict[VersionKey, Note] = {}
        #: Live names of before that are to be traced from now on.
        self.retraced: dict[NameKey, bool] = {}
        #: Live names that are traced and that the database does not give as traced: begun here, or retraced.
        self.traced: dict[InodeId, tuple[Dentry, ...]] = {}
        self.names = Links(tx, self.born_inodes, self.died_names, self.traced)
        self._emptied: CommitNumber | None = None  #: the commit that removed a directory with all below it

    def add(
        self, parent: InodeId, name: Name, inode: InodeId, kind: str, stamp: Stamp, *, traced: bool = False
    ) -> Dentry:
        """Begin a name; there is none of that name now. A directory's is always traced."""
        dentry = Dentry(parent, name, stamp.number, inode, kind, int(traced or kind == DIRECTORY))
        put = self._journal.put
        if dentry.traced:
            put(self.traced, inode, (*self.traced.get(inode, ()), dentry))
        if kind == DIRECTORY:
            put(self.view.above, inode, parent)
        put(self.born_names, (parent, name, stamp.number), NameSpan(dentry, NEVER))
        put(self.view.names.setdefault(parent, {}), name, dentry)
        put(self.links, inode, self.links.get(inode, 0) + 1)
        return dentry

    def attach(self, parent: InodeId, name: Name, top: InodeId, stamp: Stamp) -> Dentry:
        """Begin the name of a detached tree, which counted one link while it had none."""
        dentry = self.add(parent, name, top, DIRECTORY, stamp)
        self._journal.put(self.links, top, self.links[top] - 1)
        self._journal.put(self.attached, top, True)
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
        if dentry.kind == DIRECTORY:
            self._journal.drop(self.view.above, dentry.inode)
        if dentry.kind != FILE:
            self.view.forget_ways()

    def move(self, dentry: Dentry, parent: InodeId, name: Name, stamp: Stamp) -> Dentry:
        """End a name and begin another for the same inode."""
        self.end(dentry, stamp)
        moved = self.add(parent, name, dentry.inode, dentry.kind, stamp, traced=bool(dentry.traced))
        self._note_at(dentry, moved, stamp)
        return moved

    def trace(self, dentry: Dentry) -> None:
        """Let a name be found from its inode, for which another one is about to begin."""
        if dentry.traced:
            return
        self.names.is_single(dentry.inode)
        put, key = self._journal.put, (dentry.parent, dentry.name, dentry.born)
        traced = msgspec.structs.replace(dentry, traced=1)
        if key in self.born_names:
            put(self.born_names, key, NameSpan(traced, NEVER))
        else:
            put(self.retraced, key, True)
        put(self.traced, dentry.inode, (*self.traced.get(dentry.inode, ()), traced))
        put(self.view.names[dentry.parent], dentry.name, traced)

    def other_name(self, dentry: Dentry) -> Dentry | None:
        """Another live name, from which a way leads up to the root, of what this one leads to."""
        if not dentry.traced or dentry.kind == DIRECTORY:
            return None
        return self.names.elsewhere(dentry.inode, dentry.parent, dentry.name)

    def count_names(self, dentry: Dentry) -> int:
        """How many live names there are of the file that this one leads to, below orphans too."""
        if not dentry.traced:
            return 1
        return self.names.count(dentry.inode) + self.links.get(dentry.inode, 0)

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
            self.view.forget_ways()

    def amend(self, version: Version) -> None:
        """Give an inode another version in place of the one that this very commit gave it, by the same name
        and with the same content: nobody has walked by the other yet."""
        key = (version.inode, version.born)
        born = BornVersion(version, self.born_versions[key].manifest, NEVER)
        self._journal.put(self.born_versions, key, born)
        self._journal.put(self.view.versions, version.inode, version)

    def note(self, dentry: Dentry | None, version: Version, *, content: bool) -> None:
        """Remember for the log of changes what a commit did to what this name leads to; None: the root."""
        key = (version.inode, version.born)
        before = self.notes.get(key)
        content = content or (before is not None and before.content)
        if dentry is None:
            note = Note(content, DIRECTORY, InodeId(0), Name(b""))
        else:
            note = Note(content, dentry.kind, dentry.parent, dentry.name)
        self._journal.put(self.notes, key, note)

    def _note_at(self, dentry: Dentry, other: Dentry, stamp: Stamp) -> None:
        """Let what was noted under a name that ends stand under another of the same inode."""
        key = (dentry.inode, stamp.number)
        note = self.notes.get(key)
        if note is not None and (note.parent, note.name) == (dentry.parent, dentry.name):
            moved = msgspec.structs.replace(note, parent=other.parent, name=other.name)
            self._journal.put(self.notes, key, moved)

    def remove(self, dentry: Dentry, stamp: Stamp) -> None:
        """End a name, and the file or empty directory that it leads to unless it has other names."""
        other = self.other_name(dentry)
        self.end(dentry, stamp)
        if other is not None:
            self._note_at(dentry, other, stamp)
            return
        self.end_version(dentry.inode, stamp)
        self._journal.drop(self.notes, (dentry.inode, stamp.number))
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
        self._emptied = stamp.number

    def commit_done(self) -> None:
        """The commit before is done, and will not be undone: let its notes stand where they can be found.

        A file that lives on may have been noted under a name that is below a removed directory.
        """
        emptied, self._emptied = self._emptied, None
        for (inode, number), note in list(self.notes.items()) if emptied is not None else ():
            if number != emptied or note.kind == DIRECTORY:
                continue
            dentry = self.view.names.get(note.parent, {}).get(note.name)
            if dentry is not None and not dentry.traced:
                continue  # it has no other name: a commit may write and remove much, and this is for each
            if not self.names.is_reachable(note.parent):
                other = self.names.elsewhere(inode, note.parent, note.name)
                if other is not None:
                    moved = msgspec.structs.replace(note, parent=other.parent, name=other.name)
                    self.notes[inode, number] = moved

    def is_empty(self, directory: InodeId) -> bool:
        """Whether no name is alive in the directory."""
        known = self.view.names.get(directory, {})
        if any(dentry is not None for dentry in known.values()):
            return False
        if directory in self.view.fresh:
            return True
        self.look_inside([directory])
        name = self._some_name[directory]
        if name is None or name not in known:
            return name is None
        # What is known of a name is newer than what the database says of it: one more tells.
        first = dentries.first_names(self.view.tx, directory, len(known) + 1)
        return all(name in known for name in first)

    def look_inside(self, directories: list[InodeId]) -> None:
        """Load one name of each of these directories, in one statement."""
        wanted = [i for i in directories if i not in self._some_name and i not in self.view.fresh]
        self._some_name.update(dict.fromkeys(wanted))
        self._some_name.update(dentries.some_names(self.view.tx, wanted))

    def written(self) -> None:
        """What was to be written is in the database now."""
        for table in (
            self.born_names, self.died_names, self.born_versions, self.died_versions, self.born_inodes,
            self.links, self.orphans, self.notes, self.retraced, self.traced, self.attached,
        ):  # fmt: skip
            table.clear()
        self.names.forget()
