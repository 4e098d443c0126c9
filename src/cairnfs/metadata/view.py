"""A tree as seen at one commit, or alive: what was loaded of it, and loading more of it.

What belongs here: which names lead where, and versions, kept for the length of one tx. What does
not: permissions and errors (`ops/resolve`), changes (`state/tree`, which keeps them in a live view).
Paths are loaded together, one statement a level; what was not asked for beforehand is loaded singly.
A view belongs to one tx and one thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from cairnfs.core import names
from cairnfs.core.permissions import Person
from cairnfs.ids import ROOT, CommitNumber, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import nodes
from cairnfs.metadata.rows.nodes import Dentry, Told, Version

DIRECTORY = "directory"
FILE = "file"
SYMLINK = "symlink"


class View:
    """Loaded facts. `names[parent][name]` is a dentry, or None where it is known that none is."""

    __slots__ = ("at", "fresh", "misses", "names", "told", "tx", "versions", "walks")

    def __init__(self, tx: Tx, at: CommitNumber | None = None) -> None:
        """`at` None: alive rows."""
        self.tx = tx
        self.at = at
        self.names: dict[InodeId, dict[Name, Dentry | None]] = {}
        self.versions: dict[InodeId, Version] = {}
        #: Directories of which every name is known: those made in this tx.
        self.fresh: dict[InodeId, bool] = {}
        #: Directories walked by whom to which directory's path; kept by `ops/resolve`, true until a
        #: directory or symlink moves or ends, or a directory changes its rights.
        self.walks: dict[tuple[Person, bytes], tuple[InodeId, ...]] = {}
        self.misses = 0  #: how often something had to be loaded singly
        #: For reads by people: what they are told of each version, by inode. None: nobody asks.
        self.told: dict[InodeId, Told] | None = None

    def tell(self, version: Version, told: Told) -> None:
        """Begin with the root, and load from here on what people are told as well."""
        self.versions[version.inode] = version
        self.told = {version.inode: told}

    def lookup(self, parent: InodeId, name: Name) -> Dentry | None:
        """The dentry of this name, or None."""
        inside = self.names.get(parent)
        if inside is not None and name in inside:
            return inside[name]
        if parent in self.fresh:
            return None
        self.misses += 1
        self._load([(parent, name)])
        return self.names[parent][name]

    def name_of(self, parent: InodeId, inode: InodeId) -> Dentry:
        """The dentry by which a walk came from one directory to another."""
        inside = self.names[parent].values()
        return next(one for one in inside if one is not None and one.inode == inode)

    def version(self, inode: InodeId) -> Version:
        """The visible version of an inode that a visible dentry leads to, or of the root."""
        found = self.versions.get(inode)
        if found is None:
            found = nodes.version(self.tx, inode, self.at)
            assert found is not None, f"inode {inode} has no version"
            self.versions[inode] = found
        return found

    def known(self, path: Path) -> Dentry | None:
        """What a path leads to as far as it was loaded; None for the root."""
        inside, found = ROOT, None
        for name in names.split(path):
            found = self.names.get(inside, {}).get(name)
            if found is None:
                return None
            inside = found.inode
        return found

    def prefetch(self, paths: Iterable[Path]) -> None:
        """Load what these paths lead to and every directory on the way, one statement a level."""
        inside: dict[bytes, list[Name]] = {}
        for path in paths:
            if len(path) > 1:
                directory, _, name = path.rpartition(b"/")
                inside.setdefault(directory, []).append(Name(name))
        if not inside:
            return
        self.version(ROOT)
        walkers = [(ROOT, names.split(Path(up)), 0, last) for up, last in inside.items()]
        while walkers:
            missing: dict[tuple[InodeId, Name], None] = {}
            waiting = []
            for directory_inode, way, at, last in walkers:
                here, depth = self._advance(directory_inode, way, at)
                if here is None:
                    continue
                if depth < len(way):
                    missing[here, way[depth]] = None
                    waiting.append((here, way, depth, last))
                    continue
                known = self.names.get(here, {})
                missing.update(((here, name), None) for name in last if name not in known)
            if missing:
                self._load(list(missing))
            walkers = waiting

    def _advance(self, here: InodeId, way: tuple[Name, ...], at: int) -> tuple[InodeId | None, int]:
        """Walk as far as is known. Gives (directory, names walked), or None where the way ends."""
        while at < len(way):
            known = self.names.get(here)
            if known is None or way[at] not in known:
                return (None, at) if here in self.fresh else (here, at)
            dentry = known[way[at]]
            if dentry is None or dentry.kind != DIRECTORY:
                return None, at
            here, at = dentry.inode, at + 1
        return (None, at) if here in self.fresh else (here, at)

    def _load(self, wanted: list[tuple[InodeId, Name]]) -> None:
        for parent, name in wanted:
            self.names.setdefault(parent, {})[name] = None
        if self.told is not None:
            for dentry, version, told in nodes.find_told(self.tx, wanted, self.at):
                self.names[dentry.parent][dentry.name] = dentry
                self.versions[version.inode] = version
                self.told[version.inode] = told
            return
        for dentry, version in nodes.find(self.tx, wanted, self.at):
            self.names[dentry.parent][dentry.name] = dentry
            # A version changed in this tx is newer than the one in the database.
            self.versions.setdefault(version.inode, version)
