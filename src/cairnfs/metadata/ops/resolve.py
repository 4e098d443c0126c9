"""Walking a path: from the root down, one name at a time, with the right to do so.

What belongs here: what POSIX says about each step, for changes (on the living tree) and reads (at a
commit) alike. What does not: loading (`view`). A directory that may not be walked answers before
it says what is in it.
"""

from __future__ import annotations

import msgspec

from cairnfs.core import names as rules
from cairnfs.core.permissions import WALK, Person, allowed
from cairnfs.errors import Forbidden, NotADirectory, NotFound
from cairnfs.ids import ROOT, InodeId, Name, Path
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire import names


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a path's last name is, or would be. `chain`: the directories walked, the root first."""

    path: Path
    chain: tuple[InodeId, ...]
    name: Name
    dentry: Dentry | None

    @property
    def parent(self) -> InodeId:
        """The directory that holds the name."""
        return self.chain[-1]


def text(path: Path) -> str:
    """A path as errors show it."""
    return names.to_text(path)[0]


def require(person: Person, version: Version, want: int, path: Path) -> None:
    """Raises Forbidden unless `person` has the rights `want` on this version of `path`."""
    if not allowed(person, version.owner, version.owner_group, version.mode, want):
        raise Forbidden(f"{person.name} may not do this here", path=text(path))


def place(view: View, person: Person, path: Path) -> Place:
    """Walk to the last name of a path other than the root.

    Raises NotFound or NotADirectory for what is on the way, Forbidden where a directory may not be
    walked; what the last name leads to is the caller's question.
    """
    up, _, name = path.rpartition(b"/")
    chain = view.walks.get((person, up))
    if chain is None:
        chain = _walk(view, person, path, rules.split(Path(up)))
        view.walks[person, up] = chain
    return Place(path, chain, Name(name), view.lookup(chain[-1], Name(name)))


def found(view: View, person: Person, path: Path) -> Version:
    """The version that a path leads to, which may be the root. Raises as `place`, and NotFound."""
    if len(path) == 1:
        return view.version(ROOT)
    return view.version(there(place(view, person, path)).inode)


def there(at: Place) -> Dentry:
    """The dentry of a place. Raises NotFound."""
    if at.dentry is None:
        raise NotFound("no such file or directory", path=text(at.path))
    return at.dentry


def _walk(view: View, person: Person, path: Path, way: tuple[Name, ...]) -> tuple[InodeId, ...]:
    here, chain = ROOT, [ROOT]
    require(person, view.version(here), WALK, path)
    for name in way:
        dentry = view.lookup(here, name)
        if dentry is None:
            raise NotFound("no such file or directory", path=text(path))
        if dentry.kind != DIRECTORY:
            raise NotADirectory("a file is on the way", path=text(path))
        here = dentry.inode
        chain.append(here)
        require(person, view.version(here), WALK, path)
    return tuple(chain)
