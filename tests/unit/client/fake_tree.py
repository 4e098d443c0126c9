"""What a commit does to names, in a dictionary."""

from __future__ import annotations

from dataclasses import dataclass, field

from cairnfs.core.manifest import HOLE
from cairnfs.errors import (
    Exists,
    IsADirectory,
    NotADirectory,
    NotDurable,
    NotEmpty,
    NotFound,
    VersionChanged,
)
from cairnfs.wire import commits, directory
from cairnfs.wire.names import from_text


@dataclass
class Node:
    """A file (with chunks) or a directory of some version."""

    inode: int
    commit: int
    kind: str
    chunks: list[directory.ChunkRef] = field(default_factory=list)
    size: int = 0
    mode: int = 0o644
    mtime_us: int = 0
    target: bytes = b""
    linked: bool = False


Tree = dict[bytes, Node]


class Names:
    """Applies operations; gives inode numbers."""

    def __init__(self) -> None:
        self._inodes = 1

    def apply(
        self, tree: Tree, operation: commits.Operation, number: int, proven: set[bytes]
    ) -> commits.OperationResult:
        path = directory.PathText(path=operation.path, path_b64=operation.path_b64).raw()
        if isinstance(operation, commits.Write):
            return self._write(tree, path, operation, number, proven)
        if isinstance(operation, commits.MakeDirectory):
            if path in tree:
                if tree[path].kind == "directory" and operation.parents:
                    return commits.OperationResult(inode=tree[path].inode)
                raise Exists
            self._parents(tree, path, number, make=operation.parents)
            return self.place(tree, path, Node(0, number, "directory", mode=operation.mode or 0o755))
        if isinstance(operation, commits.MakeSymlink):
            raw = from_text(operation.target, operation.target_b64)
            return self.place(tree, path, Node(0, number, "symlink", size=len(raw), target=raw))
        node = look(tree, path)
        if isinstance(operation, commits.SetAttributes):
            return commits.OperationResult(inode=node.inode, etag=f"1.{node.inode}.{node.commit}")
        if isinstance(operation, commits.Remove):
            if operation.expected not in (None, f"1.{node.inode}.{node.commit}"):
                raise VersionChanged
            below = [key for key in tree if key.startswith(path + b"/")]
            if below and not operation.recursive:
                raise NotEmpty
            for key in [path, *below]:
                del tree[key]
            return commits.OperationResult(inode=node.inode)
        assert isinstance(operation, commits.Rename | commits.Link), "the fake knows no more"
        target = directory.PathText(path=operation.target, path_b64=operation.target_b64).raw()
        if isinstance(operation, commits.Link):
            node.linked = True
            return self.place(tree, target, node)
        if target in tree and not operation.replace:
            raise Exists
        for key in [path, *(key for key in tree if key.startswith(path + b"/"))]:
            tree[target + key[len(path) :]] = tree.pop(key)
        return commits.OperationResult(inode=node.inode, etag=f"1.{node.inode}.{node.commit}")

    def _write(
        self, tree: Tree, path: bytes, operation: commits.Write, number: int, proven: set[bytes]
    ) -> commits.OperationResult:
        now = tree.get(path)
        proven = proven | {HOLE} | {chunk.hash for chunk in (now.chunks if now is not None else ())}
        if missing := [chunk.hash for chunk in operation.chunks if chunk.hash not in proven]:
            raise NotDurable(chunks=missing)
        if now is not None and now.kind == "directory":
            raise IsADirectory
        if operation.expected == "none" and now is not None:
            raise Exists
        if operation.expected not in (None, "none") and (
            now is None or operation.expected != f"1.{now.inode}.{now.commit}"
        ):
            raise VersionChanged
        self._parents(tree, path, number, make=operation.parents)
        node = Node(
            now.inode if now else 0,
            number,
            "file",
            [directory.ChunkRef(*chunk) for chunk in operation.chunks],
            operation.size,
            operation.mode or 0o644,
            operation.mtime_us or number,
        )
        return self.place(tree, path, node)

    def _parents(self, tree: Tree, path: bytes, number: int, *, make: bool) -> None:
        parent = path.rpartition(b"/")[0] or b"/"
        if parent not in tree:
            if not make:
                raise NotFound("a directory on the way is missing")
            self._parents(tree, parent, number, make=True)
            self.place(tree, parent, Node(0, number, "directory", mode=0o755))
        elif tree[parent].kind != "directory":
            raise NotADirectory

    def place(self, tree: Tree, path: bytes, node: Node) -> commits.OperationResult:
        """Give a node its name, and a number where it has none yet."""
        if node.inode == 0:
            self._inodes += 1
            node.inode = self._inodes
        tree[path] = node
        return commits.OperationResult(inode=node.inode, etag=f"1.{node.inode}.{node.commit}")


def look(tree: Tree, path: bytes) -> Node:
    """What is there. Raises NotFound."""
    if path not in tree:
        raise NotFound("no such path", path=path.decode(errors="replace"))
    return tree[path]
