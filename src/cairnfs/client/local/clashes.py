"""Which names of a tree a local system cannot hold, found before anything is written.

What belongs here: single names, names of one directory that would become one, names that are taken by
what is there under another spelling. What does not: what a system holds (`naming.py`).
Synchronous, since it looks at local directories: callers run it on another thread, one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from cairnfs.client.local.naming import Capabilities
from cairnfs.errors import BadName
from cairnfs.wire.names import printable

#: So many are told by name; all are counted.
CLASHES_MAX = 100


@dataclass(frozen=True, slots=True)
class Clash:
    """A path that cannot be there as it is, and why; `other` is what it would become one with.

    `other` is a path of the tree too, or with `present` a local path.
    """

    path: bytes
    reason: str
    other: bytes | None = None
    present: bool = False

    def __str__(self) -> str:
        beside = f" {printable(self.other)}" if self.other is not None else ""
        return f"{printable(self.path)}: {self.reason}{beside}"


class Clashes:
    """Everything found wrong with a tree, seen entry by entry, parents before what is in them and each
    directory's entries before the next one's, as a walk gives them.

    Holds the names of the directory at hand and of those on the way to it, where names can be one.
    """

    def __init__(self, holds: Capabilities, *, root: bytes = b"/", local: bytes | None = None) -> None:
        """`root` is the tree's root; `local` its place here, where something may be already."""
        self.listed: list[Clash] = []
        self.count = 0
        self._holds = holds
        self._root = root.removesuffix(b"/")
        self._local = local
        self._open: list[_Directory] = []

    def see(self, entries: Iterable[tuple[bytes, str]]) -> None:
        """Look at more entries: (path, kind)."""
        for path, kind in entries:
            parent, _, name = path.rpartition(b"/")
            reason = self._holds.why_not(name, kind)
            if reason is not None:
                self._add(Clash(path, reason))
            elif self._holds.folds:
                self._compare(path, parent, name)

    def require_none(self) -> None:
        """Raise BadName, which names them, if anything was found."""
        if not self.count:
            return
        told = "; ".join(map(str, self.listed))
        more = f"; and {self.count - len(self.listed)} more" if self.count > len(self.listed) else ""
        raise BadName(
            f"this system cannot hold {self.count} of the names, nothing was written: {told}{more}",
            hint="get them one by one under other names, or get the tree to another filesystem",
        )

    def _compare(self, path: bytes, parent: bytes, name: bytes) -> None:
        directory = self._directory(parent)
        key = self._holds.key(name)
        other = directory.names.setdefault(key, name)
        if other != name:
            self._add(Clash(path, "the same name here as", parent + b"/" + other))
            return
        there = directory.present.get(key)
        if there is not None and not any(self._holds.stored_as(name, one) for one in there):
            self._add(Clash(path, "the same name here as the local", there[0], present=True))

    def _directory(self, path: bytes) -> _Directory:
        """The directory's names so far; directories that the walk has left are forgotten."""
        while self._open and self._open[-1].path != path:
            if path.startswith(self._open[-1].path + b"/"):
                break
            self._open.pop()
        if not self._open or self._open[-1].path != path:
            self._open.append(_Directory(path, {}, self._present(path)))
        return self._open[-1]

    def _present(self, path: bytes) -> dict[bytes, list[bytes]]:
        """What is there locally in the directory's place: names by what they have in common."""
        found: dict[bytes, list[bytes]] = {}
        if self._local is None:
            return found
        inside = path.removeprefix(self._root)
        try:
            present = os.listdir(self._local + inside.replace(b"/", os.fsencode(os.sep)))
        except OSError:
            return found  # nothing there, or whoever writes there will be told
        for name in present:
            found.setdefault(self._holds.key(name), []).append(name)
        return found

    def _add(self, clash: Clash) -> None:
        self.count += 1
        if len(self.listed) < CLASHES_MAX:
            self.listed.append(clash)


@dataclass(slots=True)
class _Directory:
    """A directory of the tree: its names so far, and what is there locally, by what they have in common."""

    path: bytes
    names: dict[bytes, bytes]
    present: dict[bytes, list[bytes]]


def check(holds: Capabilities, entries: Iterable[tuple[bytes, str]]) -> list[Clash]:
    """What cannot be held of these (path, kind), in the order of a walk; the first CLASHES_MAX."""
    clashes = Clashes(holds)
    clashes.see(entries)
    return clashes.listed
