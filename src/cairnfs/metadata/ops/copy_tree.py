"""copy_tree: reading a tree as of one commit, page by page, and what its copy is to be.

What belongs here: the walk, outside the clock: whose rights are asked, what is kept of each thing, the rows
of the copy. What does not: writing them (`ops/detached`), the order of it all (`control/transactions`).
A page holds so many rows that nobody waits long for one; between pages there is a stack of the directories
that the walk is in, with what it has yet to enter of a page of each, and the files that have several names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from cairnfs.core import moment as moment_rules
from cairnfs.core import xattrs as xattr_rules
from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.core.permissions import (
    READ,
    SET_GROUP,
    WALK,
    WRITE,
    Person,
    heirs_group,
    mode_after_chmod,
    mode_after_chown,
)
from cairnfs.errors import BadRequest, Exists, IncarnationChanged, NotADirectory, RootIsFixed, TooLarge
from cairnfs.ids import CommitNumber, Hash, Incarnation, InodeId, Name, Path, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.entries import changes_then
from cairnfs.metadata.ops.resolve import place, require, text
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.rows import clock, nodes, versions
from cairnfs.metadata.rows import xattrs as xattr_rows
from cairnfs.metadata.rows.nodes import Dentry, Listed, Told, Version
from cairnfs.metadata.state.content import leaf_hashes
from cairnfs.metadata.view import DIRECTORY, FILE, SYMLINK, View
from cairnfs.wire.commits import MESSAGE_MAX_BYTES

#: Rows of a page; a file counts once more for each so many bytes, for it has more leaves.
PAGE_WEIGHT = 500
WEIGH_BYTES = 2 * 1024**3
#: What has extended attributes counts for so many: sets of them may be large.
WEIGHT_OF_XATTRS = 8
#: Directories in directories: more than a path can name.
DEPTH_MAX = PATH_MAX_BYTES // 2
#: Files with several names that one copy remembers: some 30 MB.
LINKED_MAX = 250_000


class Asked(NamedTuple):
    """What was asked for, checked."""

    path: Path
    at: str | None
    target: Path
    preserve: bool
    replace: bool
    message: str


class Source(msgspec.Struct, frozen=True):
    """What is copied: a directory, as of one commit, and as whom. `mtime` is (us, ns beyond them).

    `owner_group`, `set_group`: what is made at the target belongs to this group, and directories hand it on.
    """

    person: Person
    commit: CommitNumber
    incarnation: Incarnation
    path: Path
    version: Version
    mtime: tuple[int, int]
    xattrs: _Xattrs
    preserve: bool
    owner_group: int
    set_group: bool


class Begun(NamedTuple):
    """A copy under way: its source, its top, when everything in it was born, and the next free inode."""

    source: Source
    top: InodeId
    born: CommitNumber
    at_us: int
    next_inode: InodeId


class Frame(NamedTuple):
    """A directory that the walk is in: names up to `after` are taken, `entering` are directories of those."""

    source: InodeId
    copy: InodeId
    path: bytes
    after: bytes = b""
    whole: bool = False
    entering: tuple[tuple[InodeId, InodeId, Name], ...] = ()


class _Xattrs(NamedTuple):
    """A set of attributes that a version is to name; `entries` where it may have to be made."""

    name: Hash | None
    entries: bytes = b""


class Page(msgspec.Struct):
    """Rows of the copy to be written, and where the walk is after them."""

    names: list[Dentry]
    versions: list[tuple[Version, bytes]]
    kinds: dict[InodeId, str]
    links: Counter[InodeId]
    xattrs: dict[Hash, bytes]
    linked: dict[InodeId, InodeId]  #: files with several names: their inodes in the source, in the copy
    next_inode: InodeId
    bytes: int = 0
    frames: tuple[Frame, ...] = ()

    def counts(self) -> Counter[str]:
        """How many of each kind, and bytes of files."""
        return Counter(self.kinds.values()) + Counter({"bytes": self.bytes})


def find_source(tx: Tx, asker: Person, asked: Asked) -> Source:
    """Look at both ends. Raises what resolving raises, NotADirectory, Forbidden, Exists, RootIsFixed,
    NoSuchCommit, NoSuchSnapshot, BeforeHorizon."""
    sight = moment.look(tx, asked.at)
    person = sight.people.now(asker)
    sight.view.prefetch([asked.path])
    found = find(sight.view, person, asked.path, follow=False)
    if found.kind != DIRECTORY:
        raise NotADirectory(f"a {found.kind} is no tree", path=text(asked.path), hint="copy it as a file")
    require(person, found.version, READ | WALK, asked.path)
    parent = _check_target(tx, person, asked)
    times = _times(tx, sight.commit, {found.version.inode: (found.version, found.told)})
    return Source(
        person=person,
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        path=asked.path,
        version=found.version,
        mtime=times[found.version.inode],
        xattrs=_kept(tx, person, {found.version.xattrs}, asked.preserve)[found.version.xattrs],
        preserve=asked.preserve,
        owner_group=heirs_group(person, parent.owner_group, parent.mode),
        set_group=bool(parent.mode & SET_GROUP),
    )


def _check_target(tx: Tx, person: Person, asked: Asked) -> Version:
    """What would be refused at the end is better refused now. Gives the directory that will hold the copy."""
    view = View(tx)
    view.prefetch([asked.target])
    at = place(view, person, asked.target)
    if at.is_root:
        raise RootIsFixed("the root cannot be replaced", path="/")
    if at.dentry is not None and not asked.replace:
        raise Exists("something already has that name", path=text(asked.target))
    parent = view.version(at.parent)
    require(person, parent, WRITE | WALK, asked.target)
    return parent


def top_of(source: Source, inode: InodeId, born: CommitNumber, at_us: int) -> Version:
    """The copy of the directory that is copied."""
    return _version(source, born, at_us, DIRECTORY, source.version, source.mtime, inode, source.xattrs)


def first_frames(begun: Begun) -> tuple[Frame, ...]:
    """Where the walk begins."""
    source = begun.source
    return (Frame(source.version.inode, begun.top, b"" if source.path == b"/" else source.path),)


def next_page(
    tx: Tx, begun: Begun, frames: tuple[Frame, ...], linked: Mapping[InodeId, InodeId], first: InodeId
) -> Page:
    """Read on. `first` is the first of PAGE_WEIGHT free inode numbers. After the last page no frame is left.

    Raises Forbidden, naming the path; TooLarge, BeforeHorizon, IncarnationChanged.
    """
    now = clock.read(tx)
    if now.incarnation != begun.source.incarnation:
        raise IncarnationChanged("history was cut while a tree was copied")
    moment.check(tx, now, begun.source.commit)
    walk = _Walk(tx, begun, frames, linked, first)
    walk.run()
    return walk.page()


class _Walk:
    """One page's."""

    def __init__(
        self,
        tx: Tx,
        begun: Begun,
        frames: tuple[Frame, ...],
        linked: Mapping[InodeId, InodeId],
        first: InodeId,
    ) -> None:
        self._tx = tx
        self._begun = begun
        self._source = begun.source
        self._frames = list(frames)
        self._linked = linked
        self._next = first
        self._weight = 0
        self._found: list[tuple[InodeId, InodeId, Listed, bool]] = []  # in which copy, as what, is it new
        self._new_linked: dict[InodeId, InodeId] = {}

    def run(self) -> None:
        """Walk until the page is full or nothing is left."""
        while self._frames and self._weight < PAGE_WEIGHT:
            frame = self._frames.pop()
            if frame.entering:
                *rest, (source, copy, name) = frame.entering
                path = frame.path + b"/" + name
                self._frames += [frame._replace(entering=tuple(rest)), Frame(source, copy, path)]
                if len(self._frames) > DEPTH_MAX:
                    raise TooLarge(f"directories are over {DEPTH_MAX} deep", path=text(Path(path)))
            elif not frame.whole:
                self._frames.append(self._look(frame))

    def _look(self, frame: Frame) -> Frame:
        """Take more names of a directory."""
        left = PAGE_WEIGHT - self._weight
        listed = nodes.page(self._tx, frame.source, frame.after, left, self._source.commit)
        entering: list[tuple[InodeId, InodeId, Name]] = []
        after = frame.after
        for one in listed:
            if self._weight >= PAGE_WEIGHT:
                return frame._replace(after=after, entering=tuple(entering))
            path = frame.path + b"/" + one.dentry.name
            copy = self._take(frame, one, Path(path))
            if one.dentry.kind == DIRECTORY:
                entering.append((one.dentry.inode, copy, one.dentry.name))
            after = one.dentry.name
        return frame._replace(after=after, whole=len(listed) < left, entering=tuple(entering))

    def _take(self, frame: Frame, one: Listed, path: Path) -> InodeId:
        """One name, and what it leads to unless that was taken under another name. Gives its inode there."""
        dentry, version = one.dentry, one.version
        if dentry.kind != SYMLINK:
            want = READ if dentry.kind == FILE else READ | WALK
            require(self._source.person, version, want, path)
        known = self._new_linked.get(dentry.inode) or self._linked.get(dentry.inode)
        self._weight += 1
        if known is None:
            copy, self._next = self._next, InodeId(self._next + 1)
            self._weight += version.size // WEIGH_BYTES + (WEIGHT_OF_XATTRS if version.xattrs else 0)
        else:
            copy = known
        if dentry.traced and dentry.kind != DIRECTORY and known is None:
            if len(self._linked) + len(self._new_linked) >= LINKED_MAX:
                raise TooLarge(f"over {LINKED_MAX} files have several names", path=text(path))
            self._new_linked[dentry.inode] = copy
        self._found.append((frame.copy, copy, one, known is None))
        return copy

    def page(self) -> Page:
        """The rows."""
        begun, source = self._begun, self._source
        new = {copy: one for _, copy, one, is_new in self._found if is_new}
        manifests = versions.manifests(
            self._tx, [(one.version.inode, one.version.born) for one in new.values() if one.version.size]
        )
        kept = _kept(self._tx, source.person, {one.version.xattrs for one in new.values()}, source.preserve)
        directories = {
            one.version.inode: (one.version, one.told) for one in new.values() if one.dentry.kind == DIRECTORY
        }
        times = _times(self._tx, source.commit, directories) if source.preserve else {}
        made = []
        for copy, one in new.items():
            version, kind = one.version, one.dentry.kind
            mtime = times.get(version.inode) or (version.mtime_us, version.mtime_sub_ns)
            copied = _version(
                source, begun.born, begun.at_us, kind, version, mtime, copy, kept[version.xattrs]
            )
            made.append((copied, manifests.get(version.inode, b"") if kind == FILE else b""))
        return Page(
            names=[
                Dentry(parent, one.dentry.name, begun.born, copy, one.dentry.kind, one.dentry.traced)
                for parent, copy, one, _ in self._found
            ],
            versions=made,
            kinds={copy: one.dentry.kind for copy, one in new.items()},
            links=Counter(copy for _, copy, _, _ in self._found),
            xattrs={one.name: one.entries for one in kept.values() if one.name is not None},
            linked=self._new_linked,
            next_inode=self._next,
            bytes=sum(one.version.size for one in new.values() if one.dentry.kind == FILE),
            frames=tuple(self._frames),
        )


def _version(
    source: Source,
    born: CommitNumber,
    at_us: int,
    kind: str,
    old: Version,
    mtime: tuple[int, int],
    inode: InodeId,
    xattrs: _Xattrs,
) -> Version:
    """The copy of a version: the person's own, made now, unless what it was is to be preserved."""
    person = source.person
    made = replace(
        old,
        inode=inode,
        born=born,
        mtime_set=born,
        xattrs=xattrs.name or b"",
        mode=old.mode if kind == SYMLINK else old.mode & 0o777,
        owner=UserId(person.user_id),
        owner_group=source.owner_group,
    )
    if kind == DIRECTORY and source.set_group:
        made = replace(made, mode=made.mode | SET_GROUP)
    if not source.preserve:
        return replace(made, mtime_us=at_us, mtime_sub_ns=0, policy="")
    made = replace(made, mtime_us=mtime[0], mtime_sub_ns=mtime[1])
    if person.role == "admin":
        return replace(made, mode=old.mode, owner=old.owner, owner_group=old.owner_group)
    group = old.owner_group if person.is_in(old.owner_group) else source.owner_group
    mode = mode_after_chmod(person, group, old.mode, directory=kind == DIRECTORY)
    if (person.user_id, group) != (old.owner, old.owner_group):
        mode = mode_after_chown(mode, directory=kind == DIRECTORY)
    return replace(made, mode=mode, owner_group=group)


def _kept(tx: Tx, person: Person, names: set[bytes], preserve: bool) -> dict[bytes, _Xattrs]:
    """What becomes of these sets of extended attributes: what the person may set stays, if it is to."""
    kept: dict[bytes, _Xattrs] = {name: _Xattrs(None) for name in names}
    for name in names - {b""} if preserve else ():
        if person.role == "admin":
            kept[name] = _Xattrs(Hash(name))
            continue
        present = xattr_rules.decode(xattr_rows.load(tx, [Hash(name)])[Hash(name)])
        left = {one: value for one, value in present.items() if one.startswith(xattr_rules.USER)}
        entries = xattr_rules.encode(left)
        if len(left) == len(present):
            kept[name] = _Xattrs(Hash(name))
        elif entries:
            kept[name] = _Xattrs(xattr_rules.name_of(entries), entries)
    return kept


def _times(
    tx: Tx, at: CommitNumber, directories: Mapping[InodeId, tuple[Version, Told]]
) -> dict[InodeId, tuple[int, int]]:
    """The times of these directories as people were told them at a commit."""
    later = [inode for inode, (_, told) in directories.items() if told.changed > at]
    then = changes_then(tx, later, at)
    times = {}
    for inode, (version, told) in directories.items():
        changed, changed_us = then.get(inode) or (told.changed, told.changed_us)
        own = (version.mtime_us, version.mtime_sub_ns)
        times[inode] = (changed_us, 0) if changed > version.mtime_set else own
    return times


def leaves_of(page: Page) -> Counter[Hash]:
    """How many times the manifests of a page name each leaf."""
    return Counter(leaf for _, manifest in page.versions for leaf in leaf_hashes(manifest))


def check(asked: Asked) -> None:
    """Raises RootIsFixed, BadRequest for what no tree can answer."""
    if len(asked.target) == 1:
        raise RootIsFixed("the root cannot be replaced", path="/")
    if len(asked.message.encode(errors="replace")) > MESSAGE_MAX_BYTES or "\0" in asked.message:
        raise BadRequest(f"a message has at most {MESSAGE_MAX_BYTES} bytes and no NUL")
    if asked.at is not None:
        moment_rules.parse(asked.at)
