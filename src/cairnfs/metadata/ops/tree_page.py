"""tree_page: what a page of operations makes in a detached tree, worked out before the clock is taken.

    look = look_up(tx, person, handle, steps)       parents, what is there, who is called what
    page = make(look, steps, first_inode)           the rows

What belongs here: both. The rules are those of the verbs of a commit: what is made is the caller's, in the
user group that its directory hands on, attributes are as `setattr` settles them; but nothing is ever in the
way, and nobody is held up by modes. What does not: whether chunks are durable, writing (`extend_tree`).
`look_up` inside a tx; `make` in any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cairnfs.core import names as path_rules
from cairnfs.core import xattrs as xattr_rules
from cairnfs.core.manifest import Leaf
from cairnfs.core.permissions import SYMLINK_MODE, Person, may_link
from cairnfs.core.xattrs import Xattrs
from cairnfs.errors import (
    BadRequest,
    Exists,
    Forbidden,
    LinkToDirectory,
    NotADirectory,
    NotFound,
    TooManyLinks,
)
from cairnfs.ids import NEVER, Hash, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.detached_handle import Handle
from cairnfs.metadata.ops.link import LINKS_MAX
from cairnfs.metadata.ops.making import Content, first_version
from cairnfs.metadata.ops.resolve import text
from cairnfs.metadata.ops.setattr import settled
from cairnfs.metadata.ops.steps import LinkStep, MkdirStep, Settings, SymlinkStep, WriteStep
from cairnfs.metadata.ops.tree_rows import NameRow, Rows, xattr_rows
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import inodes, nodes, versions
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state import Stamp
from cairnfs.metadata.view import DIRECTORY, FILE, SYMLINK

TOP = Path(b"/")
Making = WriteStep | MkdirStep | SymlinkStep | LinkStep


class Names:
    """Who is called what, as it was looked up."""

    def __init__(self, people: People, wanted: Iterable[Settings | None]) -> None:
        """Look up all that these settings name."""
        asked = [one for one in wanted if one is not None]
        self.any = any(one.owner is not None or one.group is not None for one in asked)
        self._users = {one.owner: people.user(one.owner) for one in asked if one.owner is not None}
        self._groups = {one.group: people.user_group(one.group) for one in asked if one.group is not None}

    def user(self, name: str) -> int | None:
        """The id of the user of this name."""
        return self._users[name]

    def user_group(self, name: str) -> int | None:
        """The id of the user group of this name."""
        return self._groups[name]


class Sets:
    """Sets of extended attributes that are offered here."""

    def __init__(self) -> None:
        self.entries: dict[Hash, bytes] = {}

    def get(self, name: bytes) -> dict[bytes, bytes]:
        """The attributes of a set, whose name may be empty."""
        return xattr_rules.decode(self.entries[Hash(name)]) if name else {}

    def offer(self, xattrs: Xattrs) -> bytes:
        """The name of a set. Raises XattrTooLarge."""
        entries = xattr_rules.encode(xattrs)
        if not entries:
            return b""
        name = xattr_rules.name_of(entries)
        self.entries[name] = entries
        return name


class Known(NamedTuple):
    """What settings are read by (`setattr.Known`)."""

    people: Names
    xattrs: Sets


class There(NamedTuple):
    """What a path inside the tree leads to; the top has no dentry."""

    dentry: Dentry | None
    version: Version

    @property
    def kind(self) -> str:
        """file, directory or symlink."""
        return DIRECTORY if self.dentry is None else self.dentry.kind


class Look(NamedTuple):
    """What was looked up in one snapshot. `links`: how many names the sources of links have."""

    person: Person
    handle: Handle
    people_version: int
    names: Names
    there: dict[Path, There]
    links: dict[InodeId, int]
    at_us: int


class Page(NamedTuple):
    """What the page makes: `keys` are the names that nothing may have. `inodes`: how many it took."""

    rows: Rows
    leaves: Sequence[Leaf]
    manifests: Sequence[bytes]
    keys: Sequence[tuple[InodeId, Name]]
    inodes: int


def check(step: object) -> Making:
    """Raises BadRequest for what only makes sense where something may be in the way."""
    match step:
        case WriteStep() | MkdirStep() | SymlinkStep() if step.parents:
            raise BadRequest("in a detached tree each directory is made by an operation of its own")
        case WriteStep(expected=expected) if expected not in (None, "none"):
            raise BadRequest("in a detached tree nothing can be expected to be there")
        case SymlinkStep() | LinkStep() if step.replace:
            raise BadRequest("in a detached tree nothing gives way")
        case LinkStep() if step.follow:
            raise BadRequest("in a detached tree no symlink is followed")
        case WriteStep() | MkdirStep() | SymlinkStep() | LinkStep():
            return step
    raise BadRequest("this cannot be done in a detached tree")


def target_of(step: Making) -> Path:
    """The path that a step makes."""
    return step.target if isinstance(step, LinkStep) else step.path


def settings_of(step: Making) -> Settings | None:
    """The attributes that a step sets."""
    return None if isinstance(step, LinkStep) else step.attributes


def find(tx: Tx, top: InodeId, paths: Iterable[Path]) -> dict[Path, There]:
    """What these paths and those above them lead to, as far as they lead anywhere: a statement a level."""
    version = nodes.version(tx, top, None)
    assert version is not None, "a detached tree has a top"
    found: dict[Path, There] = {TOP: There(None, version)}
    levels: dict[int, set[Path]] = {}
    for path in paths:
        here, depth = path, path.count(b"/")
        while len(here) > 1 and here not in levels.setdefault(depth, set()):
            levels[depth].add(here)
            here, depth = path_rules.parent(here), depth - 1
    for depth in sorted(levels):
        asked: dict[tuple[InodeId, Name], Path] = {}
        for path in levels[depth]:
            above = found.get(path_rules.parent(path))
            if above is not None and above.kind == DIRECTORY:
                asked[above.version.inode, Name(path_rules.base(path))] = path
        for dentry, version in nodes.find(tx, list(asked), None):
            found[asked[dentry.parent, dentry.name]] = There(dentry, version)
    return found


def look_up(
    tx: Tx,
    person: Person,
    handle: Handle,
    steps: Sequence[Making],
    names: Names,
    people_version: int,
    at_us: int,
) -> Look:
    """Look up what a page is about. `person` as they are now; `at_us`: when the tree was last worked at."""
    sources = [step.path for step in steps if isinstance(step, LinkStep)]
    there = find(tx, handle.top, [*map(target_of, steps), *sources])
    linked = {found.version.inode for path in sources if (found := there.get(path)) is not None}
    return Look(person, handle, people_version, names, there, inodes.links(tx, linked), at_us)


class _Node:
    """Something that the page makes, or gives another name."""

    __slots__ = ("kind", "links", "manifest", "old", "version")

    def __init__(self, kind: str, version: Version, manifest: bytes = b"", old: Dentry | None = None) -> None:
        self.kind = kind
        self.version = version
        self.manifest = manifest
        self.old = old  #: its name where it was there before
        self.links = 0


def make(look: Look, steps: Sequence[Making], first: InodeId) -> Page:
    """Work out a page whose inodes are numbered from `first` on.

    Raises Exists, NotFound, NotADirectory, LinkToDirectory, TooManyLinks, Forbidden and what settings raise.
    """
    making = _Making(look, first)
    for step in steps:
        making.one(step)
    return making.page()


class _Making:
    """One page's."""

    def __init__(self, look: Look, first: InodeId) -> None:
        self._look = look
        self._first = self._next = first
        handle = look.handle
        self._stamp = Stamp(handle.born, handle.at_us, handle.incarnation)
        self._known = Known(look.names, Sets())
        self._nodes: dict[Path, _Node] = {}
        self._linked: dict[InodeId, _Node] = {}  # what was there before and gets other names
        self._made: list[_Node] = []
        self._names: list[tuple[InodeId, Name, _Node]] = []
        self._leaves: dict[Hash, Leaf] = {}

    def one(self, step: Making) -> None:
        """One operation."""
        path = target_of(step)
        node = self._source(step) if isinstance(step, LinkStep) else None
        directory = self._directory(path)
        if len(path) == 1 or path in self._nodes or path in self._look.there:
            raise Exists("something already has that name", path=text(path))
        if node is None:
            assert not isinstance(step, LinkStep)
            node = self._new(directory, step, path)
        node.links += 1
        self._nodes[path] = node
        self._names.append((directory.inode, Name(path_rules.base(path)), node))

    def _directory(self, path: Path) -> Version:
        """The directory that is to hold a path."""
        up = path_rules.parent(path)
        node: _Node | There | None = self._nodes.get(up) or self._look.there.get(up)
        if node is None:
            raise NotFound("no such directory in the detached tree", path=text(path))
        if node.kind != DIRECTORY:
            raise NotADirectory("a file is on the way", path=text(path))
        return node.version

    def _new(self, directory: Version, step: WriteStep | MkdirStep | SymlinkStep, path: Path) -> _Node:
        person, inode = self._look.person, self._next
        match step:
            case WriteStep():
                self._leaves.update((leaf.hash, leaf) for leaf in step.leaves)
                kind, content = FILE, Content(step.mode, step.size, step.manifest, mtime=step.mtime)
            case MkdirStep():
                kind, content = DIRECTORY, Content(step.mode)
            case SymlinkStep():
                kind, content = SYMLINK, Content(SYMLINK_MODE, len(step.target), target=step.target)
        version = first_version(person, self._stamp, directory, inode, kind, content)
        if step.attributes is not None:
            known = self._known
            version = settled(known, person, self._stamp, kind, version, step.attributes, path=path, new=True)
        self._next = InodeId(inode + 1)
        node = _Node(kind, version, content.manifest)
        self._made.append(node)
        return node

    def _source(self, step: LinkStep) -> _Node:
        """What gets another name."""
        node = self._nodes.get(step.path) or self._present(step.path)
        if node.kind == DIRECTORY:
            raise LinkToDirectory("a directory has one name only", path=text(step.path))
        version, file = node.version, node.kind == FILE
        if not may_link(self._look.person, version.owner, version.owner_group, version.mode, file=file):
            raise Forbidden("only its owner links what others may not read and write", path=text(step.path))
        if self._look.links.get(version.inode, 0) + node.links >= LINKS_MAX:
            raise TooManyLinks(f"a file has at most {LINKS_MAX} names", path=text(step.path))
        return node

    def _present(self, path: Path) -> _Node:
        found = self._look.there.get(path)
        if found is None:
            raise NotFound("no such file in the detached tree", path=text(path))
        if found.dentry is None:
            return _Node(DIRECTORY, found.version)
        inode = found.version.inode
        if inode not in self._linked:
            self._linked[inode] = _Node(found.kind, found.version, old=found.dentry)
        return self._linked[inode]

    def page(self) -> Page:
        """The rows."""
        born, at_us = self._stamp.number, self._stamp.at_us
        made, linked = self._made, self._linked.values()
        olds = [node.old for node in linked]
        names: list[NameRow] = [
            (parent, name, born, NEVER, node.version.inode, node.kind, _traced(node))
            for parent, name, node in self._names
        ]
        rows = Rows(
            inodes=[(node.version.inode, node.kind, node.links, born, at_us) for node in made],
            names=sorted(names),  # in the order of the table: what lies together is written together
            versions=[versions.row(node.version, NEVER, node.manifest) for node in made],
            xattrs=xattr_rows((node.version for node in made), self._known.xattrs.entries),
            more_links=[(node.version.inode, node.links) for node in linked],
            traced=[(one.parent, one.name, one.born) for one in olds if one and not one.traced],
        )
        return Page(
            rows=rows,
            leaves=list(self._leaves.values()),
            manifests=[node.manifest for node in made if node.manifest],
            keys=[(parent, name) for parent, name, _ in self._names],
            inodes=self._next - self._first,
        )


def _traced(node: _Node) -> int:
    """Whether a name has to be found from its inode: a directory's, and each of several."""
    return int(node.kind == DIRECTORY or node.old is not None or node.links > 1)
