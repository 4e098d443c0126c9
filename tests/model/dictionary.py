"""A filesystem that is a dictionary: what the model of `test_filesystem_model` says must happen.

What belongs here: the verbs. What does not: finding paths (`walking`), attributes (`attributes`), values
(`nodes`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cairnfs import errors as e
from cairnfs.wire.commits import (
    Attributes,
    Copy,
    Link,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    Rename,
    SetAttributes,
    SetXattr,
    Write,
)
from tests.model import attributes
from tests.model.nodes import (
    READ,
    SET_GROUP,
    SET_USER,
    WALK,
    WRITE,
    Name,
    Node,
    Now,
    Path,
    Refused,
    Time,
    Tree,
    Who,
    allowed,
    require,
    require_linking,
    require_taking,
    up,
)
from tests.model.walking import Walk

_numbers = itertools.count(1_000)  # of nodes; none is used again


def commit(
    tree: Tree,
    operations: Iterable[Operation],
    who: Who,
    *,
    top: str,
    number: int,
    receipts: bool = True,
    history: Mapping[int, Tree] | None = None,
) -> Tree:
    """The tree after the commit, which is `number` in the model's count. Raises Refused, Escaped."""
    doing = Doing(tree.copy(), who, top, number, receipts, history or {})
    for operation in operations:
        doing.do(operation)
    return _with_times(tree, doing.tree, number)


def _with_times(before: Tree, after: Tree, number: int) -> Tree:
    """Directories of which an entry changed have the commit's time, unless it set another by hand."""
    old, new = before.entries(), after.entries()
    changed = {key[0] for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    nodes = dict(after.nodes)
    for one in changed & nodes.keys():
        if nodes[one].mtime_set != number:
            nodes[one] = replace(nodes[one], mtime=Now(number))
    return Tree(after.names, nodes, number)


class Doing:
    """One commit under way."""

    def __init__(
        self, tree: Tree, who: Who, top: str, number: int, receipts: bool, history: Mapping[int, Tree]
    ) -> None:
        self.tree = tree
        self.who = who
        self.top = top
        self.number = number
        self.receipts = receipts
        self.history = history

    def do(self, operation: Operation) -> None:
        match operation:
            case Write():
                self._write(operation)
            case MakeDirectory():
                self._mkdir(operation)
            case MakeSymlink():
                self._symlink(operation)
            case Link():
                self._link(operation)
            case Remove():
                self._remove(operation)
            case Rename():
                self._rename(operation)
            case SetAttributes():
                self._setattr(operation)
            case SetXattr():
                self._setxattr(operation)
            case Copy():
                self._copy(operation)

    def _place(self, path: Path, *, follow: bool = False, parents: bool = False) -> Path:
        make = self._make_missing if parents else None
        return Walk(self.tree, self.who, self.top, make).place(path, follow=follow)

    def _there(self, path: Path, *, follow: bool = False, expected: str | None = None) -> Path:
        place = self._place(path, follow=follow)
        self._expect(place, expected)
        if place not in self.tree.names:
            raise Refused(e.NotFound)
        return place

    def _expect(self, place: Path, expected: str | None) -> None:
        present = self.tree.node(place) if place in self.tree.names else None
        if expected == "none" and present is not None:
            raise Refused(e.Exists)
        if expected not in (None, "none") and (present is None or present.etag != expected):
            raise Refused(e.VersionChanged)

    def _make_missing(self, path: Path) -> None:
        self._make(path, "directory", 0o755)

    def _make(self, path: Path, kind: str, mode: int, *, mtime: Time | None = None, **rest: object) -> None:
        directory = self.tree.node(up(path))
        require(self.who, directory, WRITE | WALK)
        group = directory.group if directory.mode & SET_GROUP else self.who.name
        if kind == "directory":
            mode |= directory.mode & SET_GROUP
        elif not self._is_in(group):
            mode &= ~SET_GROUP
        number = next(_numbers)
        self.tree.names[path] = Name(number, self.number)
        when = mtime or Now(self.number)
        self.tree.nodes[number] = Node(
            kind,
            mode,
            self.who.name,
            group,
            when,
            self.number,
            **rest,  # type: ignore[arg-type]
        )

    def _is_in(self, group: str) -> bool:
        return self.who.is_admin or group == self.who.name or group in self.who.groups

    def _put(self, place: Path, node: Node) -> None:
        """Another version."""
        self.tree.nodes[self.tree.names[place].number] = replace(node, etag=None)

    def _end(self, path: Path) -> None:
        number = self.tree.names.pop(path).number
        if not self.tree.links(number):
            del self.tree.nodes[number]

    def _require_taking(self, path: Path) -> None:
        require_taking(self.who, self.tree.node(up(path)), self.tree.node(path))

    def _settle(self, place: Path, given: Attributes | None) -> None:
        """Attributes of what this commit made or wrote."""
        if given is not None:
            now = self.tree.node(place)
            self._put(place, attributes.changed(self.who, now, given, self.number, new=True))

    def _write(self, operation: Write) -> None:
        follow = operation.follow and operation.expected != "none"
        place = self._place(operation.path, follow=follow, parents=operation.parents)
        self._expect(place, operation.expected)
        present = self.tree.node(place) if place in self.tree.names else None
        if present is not None and present.is_directory:
            raise Refused(e.IsADirectory)
        chunks = tuple(one.hash for one in operation.chunks)
        had = present.chunks if present is not None and allowed(self.who, present, READ) else ()
        if not self.receipts and set(chunks) - set(had):
            raise Refused(e.NotDurable)
        if present is not None and present.kind == "symlink":
            self._require_taking(place)
            self._end(place)
            present = None
        mtime = None if operation.mtime_us is None else (operation.mtime_us, operation.mtime_sub_ns)
        if present is None:
            mode = 0o644 if operation.mode is None else operation.mode
            self._make(place, "file", mode, mtime=mtime, chunks=chunks, size=operation.size)
        else:
            self._give(place, present, chunks, operation.size, mtime)
        self._settle(place, operation.attributes)

    def _give(
        self, place: Path, present: Node, chunks: tuple[bytes, ...], size: int, mtime: Time | None
    ) -> None:
        require(self.who, present, WRITE)
        mode = present.mode
        if not self.who.is_admin:
            mode &= ~SET_USER
            mode &= ~SET_GROUP if mode & 0o010 else -1
        when = mtime or Now(self.number)
        changed = replace(present, chunks=chunks, size=size, mode=mode, mtime=when, mtime_set=self.number)
        self._put(place, changed)

    def _mkdir(self, operation: MakeDirectory) -> None:
        place = self._place(operation.path, parents=operation.parents)
        if operation.parents and place in self.tree.names and self.tree.node(place).kind == "symlink":
            try:
                place = self._place(operation.path, follow=True)
            except Refused as refused:
                if refused.kind is e.Forbidden:
                    raise
                raise Refused(e.Exists) from None
            if place not in self.tree.names:
                raise Refused(e.Exists)
        if place in self.tree.names:
            present = self.tree.node(place)
            if not operation.parents or not present.is_directory:
                raise Refused(e.Exists)
            if operation.attributes is not None:
                self._change(place, operation.attributes)
            return
        self._make(place, "directory", 0o755 if operation.mode is None else operation.mode)
        self._settle(place, operation.attributes)

    def _symlink(self, operation: MakeSymlink) -> None:
        place = self._place(operation.path, parents=operation.parents)
        if place in self.tree.names:
            if not operation.replace:
                raise Refused(e.Exists)
            self._give_way(place)
        target = operation.target
        self._make(place, "symlink", 0o777, target=target, size=len(target.encode()))
        self._settle(place, operation.attributes)

    def _give_way(self, place: Path) -> None:
        """What is no directory may be replaced."""
        if self.tree.node(place).is_directory:
            raise Refused(e.IsADirectory)
        self._require_taking(place)
        self._end(place)

    def _link(self, operation: Link) -> None:
        source = self._there(operation.path, follow=operation.follow)
        if self.tree.node(source).is_directory:
            raise Refused(e.LinkToDirectory)
        number = self.tree.names[source].number
        require_linking(self.who, self.tree.node(source))
        target = self._place(operation.target)
        require(self.who, self.tree.node(up(target)), WRITE | WALK)
        if target in self.tree.names:
            if not operation.replace:
                raise Refused(e.Exists)
            if self.tree.names[target].number == number:
                return
            self._give_way(target)
        self.tree.names[target] = Name(number, self.number)

    def _remove(self, operation: Remove) -> None:
        place = self._there(operation.path, expected=operation.expected)
        self._require_taking(place)
        if not operation.recursive and self.tree.below(place):
            raise Refused(e.NotEmpty)
        for directory in [place, *self.tree.below(place)]:
            for inside in self.tree.inside(directory):
                if operation.recursive:  # and so somebody has to list it
                    require(self.who, self.tree.node(directory), READ)
                self._require_taking(inside)
        for gone in [place, *self.tree.below(place)]:
            self._end(gone)

    def _rename(self, operation: Rename) -> None:
        source = self._there(operation.path, expected=operation.expected)
        target = self._place(operation.target)
        moving = self.tree.node(source)
        if moving.is_directory and target.startswith(source + "/"):
            raise Refused(e.RenameIntoItself)
        self._require_taking(source)
        require(self.who, self.tree.node(up(target)), WRITE | WALK)
        if moving.is_directory and up(source) != up(target):
            require(self.who, moving, WRITE)
        if target in self.tree.names:
            if not operation.replace:
                raise Refused(e.Exists)
            if self.tree.names[target].number == self.tree.names[source].number:
                return
            self._require_replaceable(moving, target)
            self._end(target)
        for old in [source, *self.tree.below(source)]:
            name = self.tree.names.pop(old)
            born = self.number if old == source else name.born
            self.tree.names[target + old[len(source) :]] = Name(name.number, born)

    def _require_replaceable(self, moving: Node, target: Path) -> None:
        present = self.tree.node(target)
        if moving.is_directory and not present.is_directory:
            raise Refused(e.NotADirectory)
        if present.is_directory and not moving.is_directory:
            raise Refused(e.IsADirectory)
        self._require_taking(target)
        if self.tree.below(target):
            raise Refused(e.NotEmpty)

    def _setattr(self, operation: SetAttributes) -> None:
        place = self._there(operation.path, follow=operation.follow, expected=operation.expected)
        self._change(place, operation.attributes, operation.policy)

    def _change(self, place: Path, given: Attributes, policy: str | None = None) -> None:
        before = self.tree.node(place)
        after = attributes.changed(self.who, before, given, self.number)
        if policy is not None:
            if not before.is_directory:
                raise Refused(e.BadRequest)
            attributes.require_owner(self.who, before)
            after = replace(after, policy=policy)
        if after != before:
            self._put(place, after)

    def _setxattr(self, operation: SetXattr) -> None:
        place = self._there(operation.path, follow=operation.follow)
        before = self.tree.node(place)
        after = attributes.with_one(self.who, before, operation)
        if after != before:
            self._put(place, after)

    def _copy(self, operation: Copy) -> None:
        tree = self.tree if operation.at is None else self.history[int(operation.at)]
        source = Walk(tree, self.who, self.top).place(operation.path, follow=operation.follow)
        if source not in tree.names:
            raise Refused(e.NotFound)
        node = tree.node(source)
        if node.is_directory:
            raise Refused(e.IsADirectory)
        if node.kind == "file":
            require(self.who, node, READ)
        follow = operation.follow and operation.replace and operation.expected != "none"
        place = self._place(operation.target, follow=follow, parents=operation.parents)
        present = self.tree.node(place) if place in self.tree.names else None
        if present is not None and present.is_directory:
            raise Refused(e.IsADirectory)
        self._expect(place, operation.expected)
        if present is not None and not operation.replace:
            raise Refused(e.Exists)
        if present is not None and present.kind == node.kind == "file":
            self._give(place, present, node.chunks, node.size, None)
        else:
            if present is not None:
                self._give_way(place)
            rest = {"chunks": node.chunks, "size": node.size, "target": node.target}
            self._make(place, node.kind, node.mode & 0o777, **rest)  # type: ignore[arg-type]
        if operation.preserve:
            now = self.tree.node(place)
            self._put(place, attributes.preserved(self.who, now, node, self.number))


def known(node: Node, etag: str) -> Node:
    """The node with the ETag that was read; one that was known must not have changed."""
    assert node.etag in (None, etag), f"{node} reads {etag}"
    return replace(node, etag=etag)
