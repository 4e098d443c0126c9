"""Trees with every oddity that a local system can hold, and comparing two of them in everything.

Grown from a seed: names of any bytes, deep paths, symlinks of all kinds, hard links, modes, times before
1970 and far away, extended attributes, sparse and empty files, empty directories. What the rights of the
process or its file system do not allow (other owners, modes that shut out their owner) is left out.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from cairnfs.core.chunking import HOLE_LEAST_BYTES
from tests.sparse import KIB, MIB, any_layout, data_of, make

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
#: A user and a group that this machine has besides the super user's, by their numbers.
OTHERS = (65534, 65534)
_BLOCK = 4096
_NAMES = (
    b"plain", b"with space", b" leading", b"trailing ", b"line\nbreak", b"tab\tbell\x07", b"\x01\x1b[31m",
    b"-rf", b"*", b"?", b"back\\slash", b"\\xff", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"%41", b"a", b"A",
    "é".encode(), "e\u0301".encode(), "ß".encode(), "Ω".encode(), "日本語".encode(), "\u202egnp".encode(),
    b"...", b"..a", b".hidden", b"x" * 255, b"\xfe" * 255, b"con", b"trailing.", b"quote'\"", b"$(id)", b"~",
)  # fmt: skip
_TIMES_NS = (
    0, 1, -1, 999_999_999, -999_999_999, -86_400_000_000_001, 1_700_000_000_123_456_789,
    -2_000_000_000_000_000_001, 4_294_967_296_000_000_007, 15_000_000_000_987_654_321,
)  # fmt: skip


def grow(root: Path, seed: int, *, things: int = 120) -> None:
    """Make a tree of about so many things at `root`, which must not be there."""
    os.mkdir(root)
    _Gardener(os.fsencode(root), random.Random(seed)).grow(things)


class _Gardener:
    def __init__(self, root: bytes, dice: random.Random) -> None:
        self._root = root
        self._dice = dice
        self._directories = [root]
        self._files: list[bytes] = []
        self._symlinks: list[bytes] = []

    def grow(self, things: int) -> None:
        self._deep()
        for name in _NAMES:
            self._file(os.path.join(self._root, name))
        makers = [self._file] * 6 + [self._directory] * 3 + [self._symlink] * 2 + [self._link] * 2
        for _ in range(things):
            self._dice.choice(makers)(self._somewhere())
        # What is deepest first: a directory's time is its own only when nothing changes in it any more.
        for path in [*self._files, *self._symlinks, *sorted(self._directories, key=len, reverse=True)]:
            self._adorn(path)

    def _somewhere(self) -> bytes:
        while True:
            name = self._dice.choice(_NAMES) if self._dice.random() < 0.4 else self._any_name()
            path = os.path.join(self._dice.choice(self._directories), name)
            if len(path) < 3000 and not os.path.lexists(path):
                return path

    def _any_name(self) -> bytes:
        length = self._dice.choice((1, 2, 8, 30, 255))
        name = self._dice.randbytes(length).replace(b"\0", b"0").replace(b"/", b"_")
        return name if name not in (b".", b"..") else b".,"

    def _deep(self) -> None:
        path = self._root
        while len(path) < 3500:
            path = os.path.join(path, self._dice.randbytes(60).hex().encode())
            self._directory(path)
        self._file(os.path.join(path, b"at the bottom"))

    def _directory(self, path: bytes) -> None:
        os.mkdir(path)
        self._directories.append(path)

    def _file(self, path: bytes) -> None:
        if self._dice.random() < 0.08:
            make(Path(os.fsdecode(path)), any_layout(self._dice, self._dice.randrange(1, 5)))
        else:
            size = self._dice.choice((0, 0, 1, 100, 5000, 70 * KIB))
            size = size if self._dice.random() < 0.97 else 2 * MIB + 1
            with open(path, "wb") as stream:
                stream.write(self._dice.randbytes(size))
        self._files.append(path)

    def _symlink(self, path: bytes) -> None:
        names = [*self._files, *self._directories]
        target = self._dice.choice(
            (
                os.path.relpath(self._dice.choice(names), os.path.dirname(path)),  # to what is there
                self._dice.choice(names),  # by an absolute path
                os.path.basename(path),  # to itself
                b"..", b".", b"/", b"/etc/passwd", b"missing/\xff", b"a//b/../c/", b"x" * 4095,
            )
        )  # fmt: skip
        os.symlink(target[:4095], path)
        self._symlinks.append(path)

    def _link(self, path: bytes) -> None:
        one = self._dice.choice([*self._files, *self._symlinks])
        os.link(one, path, follow_symlinks=False)

    def _adorn(self, path: bytes) -> None:
        """Owners, mode, attributes, time: in this order, for each undoes what comes after it."""
        symlink, directory = os.path.islink(path), path in self._directories
        if ROOT and self._dice.random() < 0.3:
            owners = [(-1, -1), (OTHERS[0], -1), (-1, OTHERS[1]), OTHERS]
            os.chown(path, *self._dice.choice(owners), follow_symlinks=False)
        if not symlink:
            self._attributes(path, b"user.")
        if ROOT and self._dice.random() < 0.2:
            self._attributes(path, b"trusted.")
        if not symlink and self._dice.random() < 0.7:
            mode = self._dice.randrange(0o10000)
            os.chmod(path, mode if ROOT else mode & 0o1777 | (0o700 if directory else 0o400))
        time_ns = self._dice.choice(_TIMES_NS)
        if self._dice.random() < 0.5:
            time_ns = self._dice.randrange(-(2**31), 2**33) * 10**9 + self._dice.randrange(10**9)
        os.utime(path, ns=(0, time_ns), follow_symlinks=False)

    def _attributes(self, path: bytes, namespace: bytes) -> None:
        if not hasattr(os, "setxattr") or self._dice.random() < 0.6:
            return
        for _ in range(self._dice.randrange(1, 4)):
            name = namespace + self._dice.choice((b"a", b"mime_type", "é".encode(), b"\xff\xfe", b"n" * 200))
            value = self._dice.randbytes(self._dice.choice((0, 1, 100, 900)))
            with suppress(OSError):  # this file system has none, or not so large ones
                os.setxattr(path, name, value, follow_symlinks=False)


@dataclass(frozen=True)
class Fact:
    """All that is compared of one name."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int
    target: bytes
    xattrs: tuple[tuple[bytes, bytes], ...]
    names: tuple[bytes, ...]  # of this file, all in the tree
    content: str
    holes: tuple[tuple[int, int], ...]


def facts(root: Path) -> dict[bytes, Fact]:
    """Everything of a tree by its path in it; the root's is empty."""
    raw = os.fsencode(root)
    names: dict[tuple[int, int], list[bytes]] = {}
    paths = [b"", *_below(raw, b"")]
    for path in paths:
        status = os.lstat(_at(raw, path))
        names.setdefault((status.st_dev, status.st_ino), []).append(path)
    found = {}
    for path in paths:
        status = os.lstat(_at(raw, path))
        found[path] = _fact(_at(raw, path), status, tuple(sorted(names[status.st_dev, status.st_ino])))
    return found


def differences(one: Path, other: Path) -> list[tuple[bytes, str]]:
    """Where two trees are not the same: (path, what)."""
    here, there = facts(one), facts(other)
    found = [(path, "missing") for path in here.keys() - there.keys()]
    found += [(path, "too much") for path in there.keys() - here.keys()]
    for path in sorted(here.keys() & there.keys()):
        mine, theirs = here[path], there[path]
        found += [
            (path, each.name)
            for each in fields(Fact)
            if getattr(mine, each.name) != getattr(theirs, each.name)
        ]
    return found


def _fact(path: bytes, status: os.stat_result, names: tuple[bytes, ...]) -> Fact:
    mode = status.st_mode
    regular = stat.S_ISREG(mode)
    local = Path(os.fsdecode(path))
    return Fact(
        kind=stat.filemode(mode)[0],
        mode=stat.S_IMODE(mode),
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        size=0 if stat.S_ISDIR(mode) else status.st_size,
        target=os.readlink(path) if stat.S_ISLNK(mode) else b"",
        xattrs=tuple(sorted(_xattrs(path))),
        names=names,
        content=_content(local) if regular else "",
        holes=tuple(_holes(local, status.st_size)) if regular else (),
    )


def _xattrs(path: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not hasattr(os, "listxattr"):
        return
    with suppress(OSError):
        for name in map(os.fsencode, os.listxattr(path, follow_symlinks=False)):
            if name.startswith((b"user.", b"trusted.")):
                yield name, os.getxattr(path, name, follow_symlinks=False)


def _content(path: Path) -> str:
    """What tells bytes from other bytes, wherever zeros are stored or not."""
    digest = hashlib.blake2b()
    for at, piece in data_of(path):
        for start in range(0, len(piece), _BLOCK):
            block = piece[start : start + _BLOCK].rstrip(b"\0")
            if block:
                digest.update(b"%d:%d:" % (at + start, len(block)) + block)
    return digest.hexdigest()


def _holes(path: Path, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has holes that Cairn keeps: (start, stop)."""
    if not hasattr(os, "SEEK_HOLE"):
        return
    with path.open("rb", buffering=0) as stream:
        at = 0
        while at < size:
            start = stream.seek(at, os.SEEK_HOLE)
            try:
                at = stream.seek(start, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                at = size
            if at - start >= HOLE_LEAST_BYTES:
                yield start, at


def _below(root: bytes, inside: bytes) -> Iterator[bytes]:
    for entry in sorted(os.scandir(_at(root, inside)), key=lambda one: one.name):
        path = os.path.join(inside, entry.name)
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _below(root, path)


def _at(root: bytes, inside: bytes) -> bytes:
    return os.path.join(root, inside) if inside else root
