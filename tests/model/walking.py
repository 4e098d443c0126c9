"""How the model finds what a path leads to: symlinks on the way, and at its end where one asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cairnfs import errors as e
from tests.model.nodes import WALK, Escaped, Node, Path, Refused, Tree, Who, require, require_following, up

SYMLINKS_MAX = 40
NO_NAMES = ("", ".", "..")


@dataclass
class Walk:
    """One resolution in the tree of an example whose directory is called `top` outside."""

    tree: Tree
    who: Who
    top: str
    make: Callable[[Path], None] | None = None
    followed: int = 0

    def place(self, path: Path, *, follow: bool) -> Path:
        """The path without symlinks that this one means; nothing need be there."""
        here = ""
        require(self.who, self.tree.node(""), WALK)
        *way, last = path.split("/")[1:]
        for name in way:
            here = self._down(here, name, self.make)
        place = f"{here}/{last}"
        return self._beyond(place) if follow and self._is_symlink(place) else place

    def _beyond(self, place: Path) -> Path:
        directory = False
        while True:
            require_following(self.who, self.tree.node(up(place)), self.tree.node(place))
            here, way = self._begin(place)
            directory = directory or way[-1] in NO_NAMES
            while way and way[-1] in NO_NAMES:
                if way.pop() == "..":
                    return self._up(self._through(here, way))
            if not way:
                return here
            last = way.pop()
            place = f"{self._through(here, way)}/{last}"
            if self._is_symlink(place):
                continue
            if directory and place not in self.tree.names:
                raise Refused(e.NotFound)
            if directory and not self.tree.node(place).is_directory:
                raise Refused(e.NotADirectory)
            return place

    def _begin(self, symlink: Path) -> tuple[Path, list[str]]:
        if self.followed == SYMLINKS_MAX:
            raise Refused(e.SymlinkLoop)
        self.followed += 1
        target = self.tree.node(symlink).target
        if not target.startswith("/"):
            return up(symlink), target.split("/")
        if not (target + "/").startswith(self.top + "/"):
            raise Escaped
        return "", target[len(self.top) :].split("/")

    def _through(self, here: Path, way: list[str]) -> Path:
        for name in way:
            if name == "..":
                here = self._up(here)
            elif name not in NO_NAMES:
                here = self._down(here, name, None)
        return here

    def _down(self, here: Path, name: str, make: Callable[[Path], None] | None) -> Path:
        path = f"{here}/{name}"
        if self._is_symlink(path):
            return self._through(*self._begin(path))
        if path not in self.tree.names:
            if make is None:
                raise Refused(e.NotFound)
            make(path)
        if not self.tree.node(path).is_directory:
            raise Refused(e.NotADirectory)
        require(self.who, self.tree.node(path), WALK)
        return path

    def _up(self, here: Path) -> Path:
        if not here:
            raise Escaped
        return up(here)

    def _is_symlink(self, path: Path) -> bool:
        return path in self.tree.names and self.tree.node(path).kind == "symlink"


def look(tree: Tree, who: Who, top: str, path: Path, *, follow: bool) -> Node:
    """What stat finds. Raises Refused, Escaped."""
    place = Walk(tree, who, top).place(path, follow=follow)
    if place not in tree.names:
        raise Refused(e.NotFound)
    return tree.node(place)
