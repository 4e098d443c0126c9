"""Local trees that change at random, and what a tree is, on this machine and in Cairn, to be compared.

What belongs here: making, changing and photographing trees. What does not: what is done with them. A
photograph tells kinds, permission bits, contents, where symlinks lead, and which names are one file.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from cairnfs.client.filesystem import Filesystem

#: kind, permission bits (of symlinks 0), content, all names of the same file.
Thing = tuple[str, int, bytes, frozenset[bytes]]
Photograph = dict[bytes, Thing]


def of_here(root: Path) -> Photograph:
    """What lies below a local directory."""
    found: dict[bytes, tuple[str, int, bytes, object]] = {}
    for place in _below(os.fsencode(root)):
        status = os.lstat(place)
        inside = place[len(os.fsencode(root)) + 1 :]
        if stat.S_ISLNK(status.st_mode):
            found[inside] = ("symlink", 0, os.readlink(place), status.st_ino)
        elif stat.S_ISDIR(status.st_mode):
            found[inside] = ("directory", status.st_mode & 0o777, b"", None)
        else:
            with open(place, "rb") as stream:
                found[inside] = ("file", status.st_mode & 0o777, stream.read(), status.st_ino)
    return _joined(found)


async def of_there(files: Filesystem, path: str, at: int | None = None) -> Photograph:
    """What lies below a directory in Cairn, now or as of a commit; nothing where it is not there."""
    found: dict[bytes, tuple[str, int, bytes, object]] = {}
    async for whole, entry in files.walk(path, at):
        inside = whole[len(os.fsencode(path)) + 1 :]
        if entry.kind == "symlink":
            found[inside] = ("symlink", 0, entry.raw_target(), entry.inode)
        elif entry.kind == "directory":
            found[inside] = ("directory", entry.mode & 0o777, b"", None)
        else:
            found[inside] = ("file", entry.mode & 0o777, await files.read_file(whole, at), entry.inode)
    return _joined(found)


def _joined(found: dict[bytes, tuple[str, int, bytes, object]]) -> Photograph:
    names: dict[object, set[bytes]] = defaultdict(set)
    for inside, (_, _, _, inode) in found.items():
        names[inside if inode is None else inode].add(inside)
    return {
        inside: (kind, mode, content, frozenset(names[inside if inode is None else inode]))
        for inside, (kind, mode, content, inode) in found.items()
    }


def _below(directory: bytes) -> Iterator[bytes]:
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)


class Garden:
    """A local tree that changes at random, the same way for the same seed."""

    #: Names that sort oddly as paths, or are no text.
    NAMES = (b"a", b"a-b", b"a.b", b"a b", b"b", b"B", b"\xff\xfe", "ü\n".encode(), b"0", b"ab", b"-", b"!")
    MODES = (0o644, 0o600, 0o755, 0o664, 0o444)
    DIRECTORY_MODES = (0o755, 0o700, 0o775, 0o755)

    def __init__(self, root: Path, seed: int, *, closed: bool = False) -> None:
        """`closed`: some directories may not be written into by their owner."""
        self.root = os.fsencode(root)
        os.makedirs(self.root, exist_ok=True)
        self._dice = random.Random(seed)
        self._modes = (*self.DIRECTORY_MODES, 0o555) if closed else self.DIRECTORY_MODES

    def change(self, times: int) -> None:
        """So many changes, any of them."""
        changes = (
            (self._write, 6), (self._link, 2), (self._symlink, 2), (self._chmod, 2), (self._rename, 3),
            (self._remove, 2), (self._make_directory, 3), (self._append, 2), (self._copy, 1),
            (self._touch, 1), (self._swap, 1),
        )  # fmt: skip
        verbs = [verb for verb, weight in changes for _ in range(weight)]
        for _ in range(times):
            try:
                self._dice.choice(verbs)()
            except (OSError, shutil.Error, IndexError, ValueError):
                continue  # there is nothing of the kind, or something is in the way

    def _directories(self) -> list[bytes]:
        return [self.root, *(p for p in _below(self.root) if os.path.isdir(p) and not os.path.islink(p))]

    def things(self) -> list[bytes]:
        """Where everything in it lies."""
        return list(_below(self.root))

    def _files(self) -> list[bytes]:
        return [p for p in _below(self.root) if os.path.isfile(p) and not os.path.islink(p)]

    def _new(self) -> bytes:
        return os.path.join(self._dice.choice(self._directories()), self._dice.choice(self.NAMES))

    def _content(self) -> bytes:
        size = self._dice.choice([0, 1, 10, 10, 5000, 70_000])
        # Few different contents, so that some are the same.
        return random.Random(self._dice.randrange(6)).randbytes(size)

    def _write(self) -> None:
        with open(self._new(), "wb") as stream:
            stream.write(self._content())

    def _append(self) -> None:
        with open(self._dice.choice(self._files()), "ab") as stream:
            stream.write(self._dice.randbytes(3))

    def _link(self) -> None:
        os.link(self._dice.choice(self._files()), self._new(), follow_symlinks=False)

    def _symlink(self) -> None:
        os.symlink(self._dice.choice([b"a", b"nowhere", b"../x", b"\xff"]), self._new())

    def _chmod(self) -> None:
        place = self._dice.choice(self.things())
        if not os.path.islink(place):
            os.chmod(place, self._dice.choice(self._modes if os.path.isdir(place) else self.MODES))

    def _rename(self) -> None:
        os.rename(self._dice.choice(self.things()), self._new())

    def _swap(self) -> None:
        one, other = self._dice.sample(self.things(), 2)
        middle = os.path.join(self.root, b"middle")
        os.rename(one, middle)
        try:
            os.rename(other, one)
        finally:
            os.rename(middle, other if not os.path.lexists(other) else one)

    def _remove(self) -> None:
        place = self._dice.choice(self.things())
        if os.path.isdir(place) and not os.path.islink(place):
            shutil.rmtree(place)
        else:
            os.unlink(place)

    def _make_directory(self) -> None:
        os.mkdir(self._new(), 0o755)

    def _copy(self) -> None:
        source, target = self._dice.choice(self._directories()[1:]), self._new()
        if not target.startswith(source + b"/") and len(self.things()) < 200:
            shutil.copytree(os.fsdecode(source), os.fsdecode(target), symlinks=True)

    def _touch(self) -> None:
        os.utime(self._dice.choice(self._files()), (1_000_000_000, self._dice.randrange(10**9)))
