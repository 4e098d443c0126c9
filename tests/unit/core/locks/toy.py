"""A small tree to lock things in, and what a lock is about, told by paths and not by keys.

`asked` and `touches` are what the tests of the law judge by: names and inodes, found by going through the
whole tree. They know nothing of keys or looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cairnfs.core.locks.request import INODE, NAME, Key, Spot
from cairnfs.ids import ROOT, InodeId

Thing = tuple[str, object]  # ("name", path) or ("inode", number)


@dataclass(frozen=True)
class Toy:
    """Names and what they lead to: a directory's or file's number, None where nothing is."""

    names: dict[str, int | None]
    directories: frozenset[int]

    @classmethod
    def of(cls, *entries: str) -> Toy:
        """Entries: `/d/` a directory, `/d/f` a file, `/o/g=/d/f` another name of it, `/n?` nothing."""
        names: dict[str, int | None] = {"/": int(ROOT)}
        directories = {int(ROOT)}
        for number, entry in enumerate(entries, 2):
            name, _, same = entry.partition("=")
            if name.endswith("/"):
                directories.add(number)
            nothing = name.endswith("?")
            name = name.rstrip("/?")
            names[name] = names[same] if same else None if nothing else number
        return cls(names, frozenset(directories))

    def spot(self, path: str) -> Spot:
        """The keys of a path, whether or not it is among the names."""
        inode = self.names.get(path)
        target = None if inode is None else Key(InodeId(inode), INODE)
        if path == "/":
            return Spot(None, target)
        others = [name for name, number in self.names.items() if inode is not None and number == inode]
        around = {one for name in others if name != path for one in self._above(name)}
        above = self._above(path)
        return Spot(Key(above[-1], NAME, path.rpartition("/")[2].encode()), target, above, frozenset(around))

    def asked(self, paths: Iterable[str]) -> frozenset[Thing]:
        """What a lock on these is for: the names, and what they lead to."""
        found: set[Thing] = {("name", path) for path in paths}
        found |= {("inode", inode) for path in paths if (inode := self.names.get(path)) is not None}
        return frozenset(found)

    def touches(self, paths: Iterable[str], *, subtree: bool) -> frozenset[Thing]:
        """All that such a lock keeps others from; with `subtree`, what is below these too."""
        whole = [path for path in paths if subtree and self.names.get(path) in self.directories]
        below = [
            name for name in self.names if any(name.startswith(path.rstrip("/") + "/") for path in whole)
        ]
        return self.asked([*paths, *below])

    def _above(self, path: str) -> tuple[InodeId, ...]:
        parts = path.split("/")[1:-1]
        ways = ["/", *("/" + "/".join(parts[:n]) for n in range(1, len(parts) + 1))]
        found: Sequence[int | None] = [self.names[way] for way in ways]
        return tuple(InodeId(one) for one in found if one is not None)
