"""A tree as seen at one commit, or alive: what was loaded of it, and loading more of it.

What belongs here: which names lead where, and versions, kept for the length of one tx. What does
not: permissions and errors (`ops/resolve`), changes (`state/tree`, which keeps them in a live view).
Paths are loaded together, one statement a level; what was not asked for beforehand is loaded singly.
A view belongs to one tx and one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cairnfs.core import names
from cairnfs.core.permissions import Person
from cairnfs.ids import ROOT, CommitNumber, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import nodes
from cairnfs.metadata.rows.nodes import Dentry, Told, Version

DIRECTORY = "directory"
FILE = "file"
SYMLINK = "symlink"


#: A chain of directories, the root first.
Chain = tuple[InodeId, ...]
_NO_NAMES = (b"", b".", b"..")
#: Symlinks that loading follows in one path. What is behind more of them is loaded when it is asked for.
_HOPS_MAX = 8


class _Walker:
    """Where loading has come to on one way: `way` is left to walk, `last` is to be looked up there."""

    __slots__ = ("chain", "hops", "last", "way")

    def __init__(self, chain: Chain, way: tuple[Name, ...], last: list[Name], hops: int = 0) -> None:
        self.chain = chain
        self.way = way
        self.last = last
        self.hops = hops


class View:
    """Loaded facts. `names[parent][name]` is a dentry, or None where it is known that none is."""

    __slots__ = (
        "above", "at", "fresh", "linked", "misses", "names", "policies", "told", "tx", "versions", "walked",
        "walks"
    )  # fmt: skip

    def __init__(self, tx: Tx, at: CommitNumber | None = None) -> None:
        """`at` None: alive rows."""
        self.tx = tx
        self.at = at
        self.names: dict[InodeId, dict[Name, Dentry | None]] = {}
        self.versions: dict[InodeId, Version] = {}
        #: The directory that a directory is in, of those that have a name.
        self.above: dict[InodeId, InodeId] = {}
        #: Where an operation walked to, and by which path, kept by `ops/resolve`. None: nobody will ask.
        self.walked: dict[tuple[InodeId, Name], Path] | None = None
        #: Directories of which every name is known: those made in this tx.
        self.fresh: dict[InodeId, bool] = {}
        #: Directories walked by whom to which directory's path, and how many more symlinks may be followed
        #: from there; kept by `ops/resolve`, true until a directory or symlink moves or ends, or a
        #: directory changes its rights.
        self.walks: dict[tuple[Person, bytes], tuple[tuple[InodeId, ...], int]] = {}
        #: The durability that is asked for at the end of a chain, kept by `ops/durable` as long as walks.
        self.policies: dict[Chain, str] = {}
        self.linked = False  #: whether a file was loaded that has, or had, several names
        self.misses = 0  #: how often something had to be loaded singly
        #: For reads by people: what they are told of each version, by inode. None: nobody asks.
        self.told: dict[InodeId, Told] | None = None

    def forget_ways(self) -> None:
        """A directory or symlink moved or ended, or a directory has other rights or another policy."""
        self.walks.clear()
        self.policies.clear()

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
        """What a path leads to, behind symlinks, as far as it was loaded; None for the root."""
        chain: Chain = (ROOT,)
        way = [*reversed(names.split(path))]
        found, hops = None, 0
        while way:
            name = way.pop()
            if name in _NO_NAMES:
                chain, found = (chain[:-1] or (ROOT,)) if name == b".." else chain, None
                continue
            found = self.names.get(chain[-1], {}).get(name)
            if found is None:
                return None
            if found.kind == SYMLINK:
                hops += 1
                if hops > _HOPS_MAX or (target := self._target(found)) is None:
                    return None
                chain = (ROOT,) if target.startswith(b"/") else chain
                way += reversed(target.split(b"/"))  # type: ignore[arg-type]
            elif found.kind == DIRECTORY:
                chain = (*chain, found.inode)
            elif way:
                return None
        return found

    def all_known(self, paths: Iterable[Path]) -> Iterator[Dentry]:
        """What is `known` of these paths, each way to a directory walked once; what is not is left out."""
        inside: dict[bytes, dict[Name, Dentry | None]] = {}
        for path in paths:
            up, _, name = path.rpartition(b"/")
            known = inside.get(up)
            if known is None:
                directory = self.known(Path(up)) if up else None
                inode = directory.inode if directory is not None else InodeId(0) if up else ROOT
                known = inside[up] = self.names.get(inode, {})
            found = known.get(Name(name))
            if found is not None and found.kind == SYMLINK:
                found = self.known(path)
            if found is not None:
                yield found

    def prefetch(self, paths: Iterable[Path]) -> None:
        """Load what these paths lead to and every directory on the way, one statement a level.

        Symlinks are followed, at the end too: what is not needed then does no harm.
        """
        inside: dict[bytes, list[Name]] = {}
        for path in paths:
            if len(path) > 1:
                directory, _, name = path.rpartition(b"/")
                inside.setdefault(directory, []).append(Name(name))
        if not inside:
            return
        self.version(ROOT)
        walkers = [_Walker((ROOT,), names.split(Path(up)), last) for up, last in inside.items()]
        while walkers:
            missing: dict[tuple[InodeId, Name], None] = {}
            waiting = []
            for walker in walkers:
                if not self._advance(walker):
                    continue
                here = walker.chain[-1]
                if walker.way:
                    missing[here, walker.way[0]] = None
                    waiting.append(walker)
                    continue
                known = self.names.get(here, {})
                missing.update(((here, name), None) for name in walker.last if name not in known)
                waiting.append(walker)
            if missing:
                self._load(list(missing))
            walkers = [on for walker in waiting for on in self._go_on(walker)]

    def _advance(self, walker: _Walker) -> bool:
        """Walk as far as is known; whether there is something to load there."""
        while walker.way:
            name = walker.way[0]
            if name in _NO_NAMES:
                walker.chain = (walker.chain[:-1] or (ROOT,)) if name == b".." else walker.chain
                walker.way = walker.way[1:]
                continue
            known = self.names.get(walker.chain[-1])
            if known is None or name not in known:
                break
            dentry = known[name]
            if dentry is None or dentry.kind == FILE:
                return False
            walker.way = walker.way[1:]
            if dentry.kind == DIRECTORY:
                walker.chain = (*walker.chain, dentry.inode)
            elif not self._follow(walker, dentry):
                return False
        return walker.chain[-1] not in self.fresh

    def _go_on(self, walker: _Walker) -> Iterator[_Walker]:
        """Who walks on after a load: the walker itself, or one for each symlink at the end of its way."""
        if walker.way:
            yield walker
            return
        known = self.names.get(walker.chain[-1], {})
        for name in walker.last:
            dentry = known.get(name)
            if dentry is not None and dentry.kind == SYMLINK:
                on = _Walker(walker.chain, (), [], walker.hops)
                if self._follow(on, dentry):
                    on.way, on.last = on.way[:-1], [one for one in on.way[-1:] if one not in _NO_NAMES]
                    yield on

    def _follow(self, walker: _Walker, symlink: Dentry) -> bool:
        """Put a symlink's target before what is left of the way, unless there were too many."""
        target = self._target(symlink)
        if target is None or walker.hops == _HOPS_MAX:
            return False
        walker.hops += 1
        walker.chain = (ROOT,) if target.startswith(b"/") else walker.chain
        walker.way = (*map(Name, target.split(b"/")), *walker.way)
        return True

    def _target(self, symlink: Dentry) -> bytes | None:
        version = self.versions.get(symlink.inode)
        return None if version is None else version.target

    def load(self, wanted: Iterable[tuple[InodeId, Name]]) -> None:
        """Load what these names in directories lead to, as far as it is not known, in one statement."""
        missing = [
            (parent, name)
            for parent, name in wanted
            if parent not in self.fresh and name not in self.names.get(parent, {})
        ]
        if missing:
            self._load(missing)

    def load_children(self, directories: list[InodeId]) -> list[InodeId]:
        """Load all that is in these directories; give the directories among it."""
        found = []
        for dentry, version in nodes.children(self.tx, directories, self.at):
            known = self.names.setdefault(dentry.parent, {})
            if dentry.name not in known:
                known[dentry.name] = dentry
                self.versions.setdefault(version.inode, version)
                self._note(dentry)
            if dentry.kind == DIRECTORY:
                found.append(dentry.inode)
        return found

    def _note(self, dentry: Dentry) -> None:
        """What is known by a dentry that was loaded."""
        if dentry.kind == DIRECTORY:
            self.above[dentry.inode] = dentry.parent
        elif dentry.traced:
            self.linked = True

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
            self._note(dentry)
