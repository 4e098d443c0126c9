"""A filesystem that is a dictionary: what the model of `test_filesystem_model` says must happen.

Written from the rules, not from the code: paths are keys, a rename rewrites them all. Nodes are
values, so that a copy of the dictionary is a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cairnfs import errors as e
from cairnfs.wire.commits import MakeDirectory, Operation, Remove, Rename, Write

Path = str


@dataclass(frozen=True)
class Node:
    """A file's chunks, or None for a directory. `etag` is None until the commit's answer is known."""

    chunks: tuple[bytes, ...] | None
    etag: str | None = None

    @property
    def is_directory(self) -> bool:
        return self.chunks is None


class Refused(Exception):
    """The operation must be refused with this class."""

    def __init__(self, kind: type[e.CairnError]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


Tree = dict[Path, Node]


def commit(tree: Tree, operations: Iterable[Operation], *, receipts: bool) -> Tree:
    """The tree after the commit. Raises Refused."""
    after = dict(tree)
    for operation in operations:
        match operation:
            case Write():
                _write(after, operation, receipts=receipts)
            case MakeDirectory():
                _mkdir(after, operation)
            case Remove():
                _remove(after, operation)
            case Rename():
                _rename(after, operation)
    return after


def look(tree: Tree, path: Path) -> Node:
    """What stat finds. Raises Refused."""
    _walk(tree, path, make=False)
    if path not in tree:
        raise Refused(e.NotFound)
    return tree[path]


def up(path: Path) -> Path:
    return path.rpartition("/")[0]


def below(tree: Tree, path: Path) -> list[Path]:
    return [other for other in tree if other.startswith(path + "/")]


def _walk(tree: Tree, path: Path, *, make: bool) -> None:
    parts = path.split("/")[1:-1]
    here = ""
    for part in parts:
        here += "/" + part
        if here not in tree:
            if not make:
                raise Refused(e.NotFound)
            tree[here] = Node(None)
        if not tree[here].is_directory:
            raise Refused(e.NotADirectory)


def _expect(tree: Tree, path: Path, expected: str | None) -> None:
    if expected == "none" and path in tree:
        raise Refused(e.Exists)
    if expected not in (None, "none") and (path not in tree or tree[path].etag != expected):
        raise Refused(e.VersionChanged)


def _write(tree: Tree, operation: Write, *, receipts: bool) -> None:
    path = operation.path
    _walk(tree, path, make=operation.parents)
    _expect(tree, path, operation.expected)
    present = tree.get(path)
    if present is not None and present.is_directory:
        raise Refused(e.IsADirectory)
    chunks = tuple(one.hash for one in operation.chunks)
    had = present.chunks if present is not None and present.chunks is not None else ()
    if not receipts and set(chunks) - set(had):
        raise Refused(e.NotDurable)
    tree[path] = Node(chunks)


def _mkdir(tree: Tree, operation: MakeDirectory) -> None:
    path = operation.path
    _walk(tree, path, make=operation.parents)
    if path in tree and not (operation.parents and tree[path].is_directory):
        raise Refused(e.Exists)
    if path not in tree:
        tree[path] = Node(None)


def _remove(tree: Tree, operation: Remove) -> None:
    path = operation.path
    _walk(tree, path, make=False)
    _expect(tree, path, operation.expected)
    if path not in tree:
        raise Refused(e.NotFound)
    inside = below(tree, path)
    if inside and not operation.recursive:
        raise Refused(e.NotEmpty)
    for gone in [path, *inside]:
        del tree[gone]


def _rename(tree: Tree, operation: Rename) -> None:
    path, target = operation.path, operation.target
    _walk(tree, path, make=False)
    _expect(tree, path, operation.expected)
    if path not in tree:
        raise Refused(e.NotFound)
    _walk(tree, target, make=False)
    if target.startswith(path + "/"):
        raise Refused(e.RenameIntoItself)
    if target in tree:
        if not operation.replace:
            raise Refused(e.Exists)
        if target == path:
            return
        _check_replaceable(tree, tree[path], target)
        del tree[target]
    moved = {target + old[len(path) :]: tree.pop(old) for old in [path, *below(tree, path)]}
    tree.update(moved)


def _check_replaceable(tree: Tree, moving: Node, target: Path) -> None:
    present = tree[target]
    if moving.is_directory and not present.is_directory:
        raise Refused(e.NotADirectory)
    if present.is_directory and not moving.is_directory:
        raise Refused(e.IsADirectory)
    if below(tree, target):
        raise Refused(e.NotEmpty)


def known(node: Node, etag: str) -> Node:
    """The node with the ETag that was read; one that was known must not have changed."""
    assert node.etag in (None, etag), f"{node} reads {etag}"
    return replace(node, etag=etag)
