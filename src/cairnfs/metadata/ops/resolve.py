"""Walking a path: from the root down, one name at a time, with the right to do so.

What belongs here: what POSIX says about each step, for changes (on the living tree) and reads (at a
commit) alike. Symlinks on the way are always followed, the last name's where the caller says so, all of
it here, so that every door agrees. What does not: loading (`view`). A directory that may not be walked
answers before it says what is in it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cairnfs.core import names as rules
from cairnfs.core.permissions import WALK, Person, allowed, may_follow
from cairnfs.errors import Forbidden, NotADirectory, NotFound, SymlinkLoop
from cairnfs.ids import ROOT, InodeId, Name, Path
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.view import DIRECTORY, SYMLINK, View
from cairnfs.wire import names

#: Symlinks followed in one resolution, and names walked behind them: a target may be long, and the clock
#: is held meanwhile.
SYMLINKS_MAX = 40
BEHIND_MAX = 2048
_NO_NAMES = (b"", b".", b"..")
#: Makes a directory of this name in the last directory of the chain.
MakeMissing = Callable[[tuple[InodeId, ...], Name], InodeId]


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a path's last name is, or would be: below the last directory of `chain`, the root first.

    The chain is that of the directories themselves, whatever symlinks led there. The root's own place has
    an empty chain and an empty name.
    """

    path: Path
    chain: tuple[InodeId, ...]
    name: Name
    dentry: Dentry | None

    @property
    def parent(self) -> InodeId:
        """The directory that holds the name."""
        return self.chain[-1]

    @property
    def is_root(self) -> bool:
        """Whether it is the root's."""
        return not self.chain


def text(path: Path) -> str:
    """A path as errors show it."""
    return names.to_text(path)[0]


def require(person: Person, version: Version, want: int, path: Path) -> None:
    """Raises Forbidden unless `person` has the rights `want` on this version of `path`."""
    if not allowed(person, version.owner, version.owner_group, version.mode, want):
        raise Forbidden(f"{person.name} may not do this here", path=text(path))


def place(
    view: View, person: Person, path: Path, *, follow: bool = False, make: MakeMissing | None = None
) -> Place:
    """Walk to the last name of a path; with `follow`, on to where it leads if it is a symlink.

    `make` makes directories that are missing on the way. Raises NotFound or NotADirectory for what is on
    the way, Forbidden where a directory may not be walked, SymlinkLoop; what the last name leads to is
    the caller's question.
    """
    at = _place(view, person, path, follow=follow, make=make)
    if view.walked is not None and at.chain:
        view.walked[at.parent, at.name] = path
    return at


def _place(view: View, person: Person, path: Path, *, follow: bool, make: MakeMissing | None) -> Place:
    if len(path) == 1:
        return Place(path, (), Name(b""), None)
    up, _, name = path.rpartition(b"/")
    walked = view.walks.get((person, up))
    if walked is None:
        walk = _Walk(view, person, path, make)
        walked = view.walks[person, up] = walk.directories(rules.split(Path(up))), walk.left
    chain, left = walked
    dentry = view.lookup(chain[-1], Name(name))
    if not follow or dentry is None or dentry.kind != SYMLINK:
        return Place(path, chain, Name(name), dentry)
    return _Walk(view, person, path, make, left).beyond(chain, dentry)


def found(view: View, person: Person, path: Path, *, follow: bool = False) -> Version:
    """The version that a path leads to, which may be the root. Raises as `place`, and NotFound."""
    at = place(view, person, path, follow=follow)
    return view.version(ROOT if at.is_root else there(at).inode)


def there(at: Place) -> Dentry:
    """The dentry of a place. Raises NotFound."""
    if at.dentry is None:
        raise NotFound("no such file or directory", path=text(at.path))
    return at.dentry


class _Walk:
    """One resolution. `left`: how many symlinks it may still follow."""

    def __init__(
        self,
        view: View,
        person: Person,
        path: Path,
        make: MakeMissing | None,
        left: int = SYMLINKS_MAX,
    ) -> None:
        self._view = view
        self._person = person
        self._path = path
        self._make = make
        self._behind = BEHIND_MAX
        self.left = left

    def directories(self, way: tuple[Name, ...]) -> tuple[InodeId, ...]:
        """The chain of directories that these names lead through, from the root; all may be walked."""
        chain: tuple[InodeId, ...] = (ROOT,)
        self._require_walk(ROOT)
        for name in way:
            chain = self._down(chain, name, self._make)
        return chain

    def beyond(self, chain: tuple[InodeId, ...], symlink: Dentry) -> Place:
        """The place that a symlink, found below the chain, leads to."""
        directory = False  # whether some target ends with a slash or dots
        while True:
            self._require_following(chain, symlink)
            chain, way = self._begin(chain, symlink)
            directory = directory or way[-1] in _NO_NAMES
            while way and way[-1] in _NO_NAMES:
                if way.pop() == b"..":
                    return self._directory(self._through(chain, way)[:-1])
            if not way:
                return self._directory(chain)
            last = Name(way.pop())
            chain = self._through(chain, way)
            dentry = self._view.lookup(chain[-1], rules.name(last))
            if dentry is not None and dentry.kind == SYMLINK:
                symlink = dentry
                continue
            if directory and dentry is None:
                raise NotFound("no such directory", path=text(self._path))
            if directory and dentry is not None and dentry.kind != DIRECTORY:
                raise NotADirectory("a symlink asks for a directory there", path=text(self._path))
            return Place(self._path, chain, last, dentry)

    def _begin(self, chain: tuple[InodeId, ...], symlink: Dentry) -> tuple[tuple[InodeId, ...], list[bytes]]:
        """Where a symlink's target starts, and its names."""
        if self.left == 0:
            raise SymlinkLoop(f"over {SYMLINKS_MAX} symlinks in a row", path=text(self._path))
        self.left -= 1
        target = self._view.version(symlink.inode).target
        return ((ROOT,) if target.startswith(b"/") else chain), target.split(b"/")

    def _through(self, chain: tuple[InodeId, ...], way: list[bytes]) -> tuple[InodeId, ...]:
        """Walk names of a symlink's target, which may be empty, . or .. too."""
        self._behind -= len(way)
        if self._behind < 0:
            raise SymlinkLoop(f"over {BEHIND_MAX} names behind symlinks", path=text(self._path))
        for name in way:
            if name == b"..":
                chain = chain[:-1] or (ROOT,)
            elif name not in (b"", b"."):
                chain = self._down(chain, rules.name(name), None)
        return chain

    def _down(self, chain: tuple[InodeId, ...], name: Name, make: MakeMissing | None) -> tuple[InodeId, ...]:
        """Walk one name that has to be a directory, or a symlink that leads to one."""
        dentry = self._view.lookup(chain[-1], name)
        if dentry is not None and dentry.kind == SYMLINK:
            start, way = self._begin(chain, dentry)
            return self._through(start, way)
        if dentry is None and make is not None:
            if self._view.walked is not None:
                self._view.walked[chain[-1], name] = self._path
            inode = make(chain, name)
        elif dentry is None:
            raise NotFound("no such file or directory", path=text(self._path))
        elif dentry.kind != DIRECTORY:
            raise NotADirectory("a file is on the way", path=text(self._path))
        else:
            inode = dentry.inode
        self._require_walk(inode)
        return (*chain, inode)

    def _directory(self, chain: tuple[InodeId, ...]) -> Place:
        """The place of the last directory of a chain that was walked, by its own name."""
        if len(chain) <= 1:
            return Place(self._path, (), Name(b""), None)
        dentry = self._view.name_of(chain[-2], chain[-1])
        return Place(self._path, chain[:-1], dentry.name, dentry)

    def _require_following(self, chain: tuple[InodeId, ...], symlink: Dentry) -> None:
        directory, link = self._view.version(chain[-1]), self._view.version(symlink.inode)
        if not may_follow(self._person, directory.owner, directory.mode, link.owner):
            raise Forbidden("a symlink of somebody else in a directory for all", path=text(self._path))

    def _require_walk(self, inode: InodeId) -> None:
        require(self._person, self._view.version(inode), WALK, self._path)
