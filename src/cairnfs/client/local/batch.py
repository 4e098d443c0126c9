"""Many short files that take their places at one go: one hop to another thread for all of them.

Each is written under another name beside its place and takes it when it is whole, as `draft.py` does with
one file, but with half the system calls. What belongs here: that, for what is in memory. What does not: where
the bytes come from (`get/tree.py`), long files (`draft.py`), links and directories (`places.py`).
Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cairnfs.client.local.attributes import Kept, give
from cairnfs.client.local.files import local_errors
from cairnfs.client.local.places import Aside
from cairnfs.core.manifest import HOLE
from cairnfs.errors import IsADirectory
from cairnfs.ids import Hash
from cairnfs.wire.directory import ChunkRef

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Short:
    """A file that is to be at `local`. `fresh`: its directory was made just now, so nothing is there."""

    local: bytes
    mode: int
    chunks: Sequence[ChunkRef]
    kept: Kept | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """What took its place: its inode, size and time of change, and what of it was lost, in words."""

    inode: int
    size: int
    mtime_ns: int
    lost: Sequence[str] = ()


def place_all(
    files: Sequence[Short], contents: Mapping[Hash, bytes], aside: Aside | None = None
) -> list[Placed]:
    """Write them; `contents` has their chunks. With `aside`, a directory in the way of one gives way.

    Else it raises IsADirectory. What took its place stays there where a later one fails.
    """
    placed = []
    draft = b".cairn-" + secrets.token_hex(8).encode()
    for file in files:
        directory = file.local[: file.local.rindex(os.fsencode(os.sep)) + 1]
        placed.append(_place(file, directory + draft, contents, aside))
    return placed


def _place(file: Short, draft: bytes, contents: Mapping[Hash, bytes], aside: Aside | None) -> Placed:
    lost: Sequence[str] = ()
    with local_errors(file.local, only=True):
        mode = None if file.fresh else _mode_there(file.local, aside)
        descriptor = os.open(draft, _FLAGS, file.mode & 0o777)
        try:
            try:
                _fill(descriptor, file.chunks, contents)
                # Not all file systems have modes to be set; theirs are all the same.
                if mode is not None and mode != stat.S_IMODE(os.fstat(descriptor).st_mode):
                    os.chmod(draft, mode)
                if file.kept is not None:
                    lost = give(draft, file.kept, "file")
                status = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            if aside is not None and not file.fresh:
                aside.directory(file.local)
            os.replace(draft, file.local)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
    return Placed(status.st_ino, status.st_size, status.st_mtime_ns, lost)


def _mode_there(path: bytes, aside: Aside | None) -> int | None:
    """The mode of the file that is there. Raises IsADirectory where one is and does not give way."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode) and aside is None:
        raise IsADirectory("local: a directory is there", path=os.fsdecode(path))
    return stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None


def _fill(descriptor: int, chunks: Sequence[ChunkRef], contents: Mapping[Hash, bytes]) -> None:
    ends_in_hole = False
    for digest, size in chunks:
        ends_in_hole = digest == HOLE
        if ends_in_hole:
            os.lseek(descriptor, size, os.SEEK_CUR)
            continue
        content = contents[Hash(digest)]
        written = os.write(descriptor, content)
        while written < size:
            written += os.write(descriptor, memoryview(content)[written:])
    if ends_in_hole:
        os.ftruncate(descriptor, sum(size for _, size in chunks))
