"""The model's tree as values: what has a name, what a name leads to, and who may do what with it.

Written from the rules, not from the code: paths are keys, a rename rewrites them all. Everything is a
value, so that a copy of the dictionaries is a snapshot. The example's own directory is the path "".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cairnfs import errors as e

Path = str
READ, WRITE, WALK = 4, 2, 1
SET_USER, SET_GROUP, STICKY = 0o4000, 0o2000, 0o1000


class Now(NamedTuple):
    """The time of the commit that is number `commit` in the model's own count."""

    commit: int


Time = Now | tuple[int, int]  # or microseconds and nanoseconds beyond them


class Who(NamedTuple):
    """A person as the model knows them; in the group of their own name, too."""

    name: str
    is_admin: bool
    groups: frozenset[str]


@dataclass(frozen=True)
class Node:
    """What a name leads to. `etag` is None until the commit's answer is known."""

    kind: str
    mode: int
    owner: str
    group: str
    mtime: Time
    mtime_set: int  # the commit, in the model's count, that set it
    chunks: tuple[bytes, ...] = ()
    size: int = 0
    target: str = ""
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)
    policy: str = ""
    etag: str | None = None

    @property
    def is_directory(self) -> bool:
        return self.kind == "directory"


class Name(NamedTuple):
    """What a path leads to: the model's own number of it, and the commit that began the name."""

    number: int
    born: int


@dataclass(frozen=True)
class Tree:
    """All of it. `names[""]` is the example's directory; `number` the commit that left it so."""

    names: dict[Path, Name]
    nodes: dict[int, Node]
    number: int = 0

    def node(self, path: Path) -> Node:
        return self.nodes[self.names[path].number]

    def copy(self) -> Tree:
        return Tree(dict(self.names), dict(self.nodes))

    def below(self, path: Path) -> list[Path]:
        return [other for other in self.names if other.startswith(path + "/")]

    def inside(self, path: Path) -> list[Path]:
        return [other for other in self.below(path) if "/" not in other[len(path) + 1 :]]

    def paths(self, *kinds: str) -> list[Path]:
        """All below the example's directory, or those of these kinds."""
        return sorted(path for path in self.names if path and (not kinds or self.node(path).kind in kinds))

    def links(self, number: int) -> int:
        return sum(name.number == number for name in self.names.values())

    def entries(self) -> dict[tuple[int, str], Name]:
        """The names by the number of the directory that holds them."""
        return {
            (self.names[up(path)].number, path.rpartition("/")[2]): name
            for path, name in self.names.items()
            if path
        }


class Refused(Exception):
    """The operation must be refused with this class."""

    def __init__(self, kind: type[e.CairnError]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


class Escaped(Exception):
    """The operation leaves the example's directory: no story is told of it."""


def up(path: Path) -> Path:
    return path.rpartition("/")[0]


def allowed(who: Who, node: Node, want: int) -> bool:
    """Owner, group or others: the first that fits decides alone."""
    if who.is_admin:
        return True
    if who.name == node.owner:
        bits = node.mode >> 6
    elif node.group == who.name or node.group in who.groups:
        bits = node.mode >> 3
    else:
        bits = node.mode
    return bits & want == want


def require(who: Who, node: Node, want: int) -> None:
    if not allowed(who, node, want):
        raise Refused(e.Forbidden)


def require_taking(who: Who, directory: Node, node: Node) -> None:
    """Whether a name may be taken out of its directory."""
    require(who, directory, WRITE | WALK)
    if directory.mode & STICKY and who.name not in (directory.owner, node.owner) and not who.is_admin:
        raise Refused(e.Forbidden)


def require_following(who: Who, directory: Node, symlink: Node) -> None:
    """Whether a path that ends with this symlink leads on: a trap in a directory for all does not."""
    for_all = directory.mode & STICKY and directory.mode & WRITE
    if for_all and symlink.owner not in (who.name, directory.owner):
        raise Refused(e.Forbidden)


def require_linking(who: Who, node: Node) -> None:
    """Whether somebody may give this another name: who has it, or could as well write it."""
    if who.is_admin or who.name == node.owner:
        return
    runs = node.mode & SET_USER or (node.mode & SET_GROUP and node.mode & 0o010)
    if node.kind != "file" or runs or not allowed(who, node, READ | WRITE):
        raise Refused(e.Forbidden)


def resolved(tree: Tree, times: Mapping[int, int]) -> Tree:
    """The tree with the times of commits in place of `Now`."""
    nodes = dict(tree.nodes)
    for number, node in tree.nodes.items():
        if isinstance(node.mtime, Now) and node.mtime.commit in times:
            nodes[number] = replace(node, mtime=(times[node.mtime.commit], 0))
    return Tree(tree.names, nodes, tree.number)
