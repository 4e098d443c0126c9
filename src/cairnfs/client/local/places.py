"""Places of this machine that become directories, symlinks and further names of a tree that is got.

What belongs here: making them in the place of what is there, without ever following a symlink that a
tree's directory already holds: it would lead out of the tree. What does not: files (`draft.py`), what they
get beside (`attributes.py`). Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress

from cairnfs.client.local.attributes import Kept, give
from cairnfs.client.local.files import LocalPath, local_errors

#: What says that this file system holds no further name of a file.
_NO_LINKS = {errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP}
_OWNER_ALL = 0o700


class Aside:
    """Moves what is in the way out of it, under another name beside, to be removed when all else is done.

    So nothing is removed before what takes its place is there. Any thread, one at a time.
    """

    def __init__(self) -> None:
        self.moved: list[bytes] = []

    def directory(self, path: bytes) -> None:
        """A directory that is at a path gives way; nothing else does."""
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                self.anything(path)

    def anything(self, path: bytes) -> None:
        """What is at a path gives way."""
        other = os.path.join(os.path.dirname(path), b".cairn-" + secrets.token_hex(8).encode())
        os.rename(path, other)
        self.moved.append(other)


def make_root(path: LocalPath, mode: int) -> bool:
    """Make the local directory of a tree, and those on the way. Whether it is new.

    One that is there is fine, and so is a symlink to one: its user named it.
    """
    raw = os.fsencode(path)
    with local_errors(raw):
        if os.path.isdir(raw):
            return False
        os.makedirs(os.path.dirname(raw) or b".", exist_ok=True)
        os.mkdir(raw, (mode & 0o777) | _OWNER_ALL)
        return True


def make_inside(path: bytes, mode: int, reopen: bool = False, aside: Aside | None = None) -> bool:
    """Make a directory in a directory of the tree. Whether it is new. A symlink gives way; a file to `aside`.

    The owner of a new one, with `reopen` of any, may write into it until it is finished: what is in it comes
    after it.
    """
    with local_errors(path):
        try:
            there = os.lstat(path)
        except FileNotFoundError:
            there = None
        if there is not None and stat.S_ISDIR(there.st_mode):
            if reopen and there.st_mode & _OWNER_ALL != _OWNER_ALL:
                with suppress(PermissionError):  # whose it is decides; what is in it may be there already
                    os.chmod(path, stat.S_IMODE(there.st_mode) | _OWNER_ALL)
            return False
        if there is not None and stat.S_ISLNK(there.st_mode):
            os.unlink(path)
        elif there is not None and aside is not None:
            aside.anything(path)
        os.mkdir(path, (mode & 0o777) | _OWNER_ALL)
        return True


def finish_directory(path: bytes, mode: int, kept: Kept | None, new: bool) -> list[str]:
    """Give a directory what it gets when all is in it. What could not be, in words."""
    if kept is not None:
        return give(path, kept, "directory")
    if new and mode & _OWNER_ALL != _OWNER_ALL:
        with local_errors(path):
            os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) & ~(_OWNER_ALL & ~mode))
    return []


def make_symlink(path: bytes, target: bytes, kept: Kept | None, aside: Aside | None = None) -> list[str]:
    """Make a symlink in the place of what is there. What could not be given to it, in words."""
    lost: list[str] = []

    def make(draft: bytes) -> None:
        os.symlink(target, draft)
        if kept is not None:
            lost.extend(give(draft, kept, "symlink"))

    with local_errors(path):
        _replace(path, make, aside)
    return lost


def make_link(path: bytes, first: bytes, aside: Aside | None = None) -> bool:
    """Make a path another name of the file at `first`; False where this file system holds none."""
    with local_errors(path):
        try:
            if is_link(path, first):
                return True
            _replace(path, lambda draft: os.link(first, draft, follow_symlinks=False), aside)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LINKS:
                raise
            return False
    return True


def is_link(path: bytes, first: bytes) -> bool:
    """Whether both are names of one file."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(first))
    except FileNotFoundError:
        return False


def _replace(path: bytes, make: Callable[[bytes], None], aside: Aside | None) -> None:
    """Make something beside a path, and let it take the place of what is there."""
    draft = os.path.join(os.path.dirname(path), b".cairn-" + secrets.token_hex(8).encode())
    try:
        make(draft)
        if aside is not None:
            aside.directory(path)
        os.replace(draft, path)
    finally:
        # Also where both are names of one file already: then nothing was replaced.
        if os.path.lexists(draft):
            os.unlink(draft)
