"""What lies below a local directory, each thing with all that lstat says of it, in the order of a walk.

What belongs here: many things quickly, one system call each. What does not: what is transferred
(`files.py`), content. Synchronous: callers run it on another thread, for many things at one go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cairnfs.client.local.files import GONE, Kind, LocalPath, local_errors

_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
ODD = "neither a file, a directory nor a symlink"

#: Told of each thing that is left out: where it lies, and why.
Skip = Callable[[bytes, str], None]


class Here(NamedTuple):
    """Something local. `path` is relative to where the walk began, `place` is where it lies."""

    path: bytes
    kind: Kind
    status: os.stat_result
    place: bytes

    @property
    def twins(self) -> tuple[int, int] | None:
        """What all names of the same file have in common; None where this is the only one."""
        status = self.status
        if status.st_nlink == 1 or self.kind == "directory":
            return None
        return (status.st_dev, status.st_ino)


def walk_local(root: LocalPath, skip: Skip) -> Iterator[Here]:
    """Everything below a local directory, directories before what is in them, names by their bytes.

    Symlinks are not followed. Sockets, pipes, devices and what goes away meanwhile are told as skipped.
    Raises what `local_errors` does where a directory cannot be read.
    """
    stack = [_entries(os.fsencode(root), skip)]
    parents = [b""]
    while stack:
        entry = stack[-1].pop() if stack[-1] else None
        if entry is None:
            stack.pop()
            parents.pop()
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            skip(entry.path, GONE)
            continue
        except OSError:
            with local_errors(entry.path):
                raise
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            skip(entry.path, ODD)
            continue
        path = parents[-1] + entry.name
        yield Here(path, kind, status, entry.path)
        if kind == "directory":
            stack.append(_entries(entry.path, skip))
            parents.append(path + b"/")


def _entries(directory: bytes, skip: Skip) -> list[os.DirEntry[bytes]]:
    """What is in a directory, the last first."""
    with local_errors(directory):
        try:
            with os.scandir(directory) as found:
                return sorted(found, key=_name, reverse=True)
        except FileNotFoundError:
            skip(directory, GONE)
            return []


def _name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name
