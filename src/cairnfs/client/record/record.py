"""The local record: what a local tree and a directory in Cairn had in common when they were last equal.

For a pair of a local directory and a remote one: the commit at which they were equal, and of each thing in
them what identified it here (device, inode, size, times) and what it was there (ETag, content). So an
unchanged file is known by one lstat. It is a help, never needed: what cannot be read, or is not whole,
reads as no record. Rows come in the order of a walk: directories before what is in them, names by bytes.
What does not belong here: the file (`table.py`), comparing (`publish*.py`, `sync*.py`).
Synchronous: callers run it on another thread, one at a time for each `Record`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from blake3 import blake3

from cairnfs.client.local.files import LocalPath
from cairnfs.client.record.table import Header, RecordTable, Unusable, new_generation
from cairnfs.clock import Clock, SystemClock
from cairnfs.core.manifest import HOLE

#: A file that changed so shortly before it was looked at may change again without looking any different.
RACY_NS = 2_000_000_000
_PAGE_ROWS = 1024
#: What a row is made of; another number, another record.
_FORM = b"1"


class Torn(Exception):
    """The record turned out not to be whole, or was replaced twice while it was read. It is none."""


class Known(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing of a tree as it was when both sides were equal.

    `path` is relative, without a slash before it. `mode` has twelve bits, of the remote side: the local one
    may have others (of a symlink it says nothing). `links` are all its local names, 1 for a directory. `etag`
    is "" where it was not told. `content` is `content_of` a file's chunks (empty where it was not told),
    where a symlink leads, and empty for a directory. Without `sure`, the file may have changed since without
    looking any different: it has to be read.
    """

    path: bytes
    kind: Literal["file", "directory", "symlink"]
    mode: int
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int = 1
    etag: str = ""
    content: bytes = b""
    sure: bool = True

    def is_still(self, status: os.stat_result) -> bool:
        """Whether what is there now is the same as it was then, as far as lstat tells; see `sure`."""
        return (
            self.mtime_ns == status.st_mtime_ns
            and self.size == status.st_size
            and self.inode == status.st_ino
            and self.ctime_ns == status.st_ctime_ns
            and self.device == status.st_dev
        )


_rows = msgspec.msgpack.Decoder(list[Known])


def walk_key(path: bytes) -> bytes:
    """What orders paths as a walk does: by components, each by its bytes. No name holds a NUL."""
    return path.replace(b"/", b"\0")


def content_of(chunks: Sequence[tuple[bytes, int]]) -> bytes:
    """The name of a whole content: its one chunk's hash, else that of its chunks' hashes and sizes.

    Holes are among them. With the size beside it, it is of no other content.
    """
    if len(chunks) == 1 and chunks[0][0] != HOLE:
        return chunks[0][0]
    return blake3(b"".join(chunk + size.to_bytes(8, "big") for chunk, size in chunks)).digest()


def known(
    path: bytes,
    kind: Literal["file", "directory", "symlink"],
    status: os.stat_result,
    *,
    now_ns: int,
    etag: str = "",
    content: bytes = b"",
) -> Known:
    """A row for what `status` tells (of lstat, before its content was read), looked at again at `now_ns`."""
    return Known(
        path=path,
        kind=kind,
        mode=status.st_mode & 0o7777,
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        links=1 if kind == "directory" else status.st_nlink,
        etag=etag,
        content=content,
        sure=is_settled(status, now_ns),
    )


def is_settled(status: os.stat_result, now_ns: int) -> bool:
    """Whether its times are so long ago that no later change could have the same ones."""
    return max(status.st_mtime_ns, status.st_ctime_ns) < now_ns - RACY_NS


def state_dir() -> Path:
    """Where this user's programs keep what they can do without: `$XDG_STATE_HOME/cairn`, or its like."""
    given = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "cairn"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "cairn"
    return Path.home() / ".local" / "state" / "cairn"


class Record:
    """The record of one user of one cluster."""

    def __init__(self, table: RecordTable, owner: bytes, clock: Clock) -> None:
        """See `open`."""
        self._table = table
        self._owner = owner
        self._clock = clock

    @classmethod
    def open(cls, directory: Path, cluster_id: str, user: str, *, clock: Clock | None = None) -> Record:
        """The record in a directory of the caller's alone, made if missing (mode 0700)."""
        owner = blake3(_FORM + b"\0" + cluster_id.encode() + b"\0" + user.encode()).digest()
        table = RecordTable(directory / f"{owner.hex()[:32]}.sqlite")
        return cls(table, owner, clock or SystemClock())

    def pair(self, local_root: LocalPath, remote: bytes) -> Pair:
        """What is known of these two directories. The local one is there: raises OSError where it is not.

        Another disk that is mounted at its place, or another directory there, is another pair.
        """
        local = os.path.realpath(os.fsencode(local_root))
        status = os.stat(local)
        parts = (local, remote, b"%d" % status.st_dev, b"%d" % status.st_ino)
        key = blake3(self._owner + b"".join(b"%d:%s," % (len(part), part) for part in parts)).digest()
        return Pair(self._table, key, local, remote, self._clock)

    def close(self) -> None:
        """Let go of the file."""
        self._table.close()


class Pair:
    """A local directory and a remote one. `commit` and `incarnation` are None where there is no record."""

    def __init__(self, table: RecordTable, key: bytes, local: bytes, remote: bytes, clock: Clock) -> None:
        """See `Record.pair`."""
        self.local = local
        self.remote = remote
        self._table = table
        self._key = key
        self._clock = clock
        self._header: Header | None = None
        try:
            self._header = table.find(key)
        except Unusable:
            return

    @property
    def commit(self) -> int | None:
        """The commit at which both were equal."""
        return None if self._header is None else self._header.commit

    @property
    def incarnation(self) -> int | None:
        """The incarnation that the commit is of."""
        return None if self._header is None else self._header.incarnation

    @property
    def kept(self) -> bool:
        """Whether they were equal in what stands beside content too: times, owners, attributes (-p, -a)."""
        return self._header is not None and self._header.kept

    @property
    def count(self) -> int:
        """How many rows there are."""
        return 0 if self._header is None else self._header.rows

    def known(self) -> Iterator[Known]:
        """The rows in the order of a walk, a page at a time. Raises Torn where not all are there."""
        header = self._header
        for number in range(0 if header is None else header.pages):
            assert header is not None
            yield from self._page(header.generation, number)

    def load(self) -> dict[bytes, Known]:
        """All rows by path, in the order of a walk; a record that is not whole is none."""
        try:
            return {row.path: row for row in self.known()}
        except Torn:
            self.forget()
            return {}

    def forget(self) -> None:
        """Forget what is known."""
        self._header = None
        _try(lambda: self._table.forget(self._key))

    @contextmanager
    def writer(self, commit: int, incarnation: int, *, kept: bool = False) -> Iterator[Writer]:
        """Rows that take the place of the old ones, all at once, if the body ends well.

        The record cannot fail anyone: where it cannot be written it stays as it is. The remote directory was
        as these rows say at `commit`, which the writer may be told as late as the body's end.
        """
        writer = Writer(self._table, self._clock, commit, incarnation, kept=kept)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        adopted = writer.adopt(self._key, self.local, self.remote)
        if adopted is not None:
            self._header = adopted

    def _page(self, generation: int, number: int) -> list[Known]:
        try:
            content = self._table.page(generation, number)
            if content is not None:
                return _rows.decode(content)
        except (Unusable, msgspec.MsgspecError) as error:
            raise Torn(str(error)) from error
        raise Torn(f"page {number} is not there")


@dataclass(slots=True)
class _Filled:
    pages: int = 0
    rows: int = 0
    bytes: int = 0


class Writer:
    """Takes rows in the order of a walk."""

    def __init__(
        self, table: RecordTable, clock: Clock, commit: int, incarnation: int, *, kept: bool
    ) -> None:
        """See `Pair.writer`."""
        self.commit = commit
        self.incarnation = incarnation
        self._kept = kept
        self._table = table
        self._clock = clock
        self._generation = new_generation()
        self._rows: list[Known] = []
        self._filled = _Filled()
        self._last = b""
        self._fails = False

    def add(self, row: Known) -> None:
        """The next row."""
        key = walk_key(row.path)
        assert key > self._last, "rows come in the order of a walk, each path once"
        self._last = key
        self._rows.append(row)
        if len(self._rows) == _PAGE_ROWS:
            self._flush()

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._fails = True
        if self._filled.pages:
            _try(lambda: self._table.drop(self._generation))

    def adopt(self, key: bytes, local: bytes, remote: bytes) -> Header | None:
        """Make the rows those of the pair. None where they could not be written."""
        if self._rows:
            self._flush()
        filled = self._filled
        header = Header(
            local,
            remote,
            self.incarnation,
            self.commit,
            self._generation,
            filled.pages,
            filled.rows,
            self._kept,
        )
        self._do(lambda: self._table.adopt(key, header, filled.bytes, self._clock.now_us()))
        return None if self._fails else header

    def _flush(self) -> None:
        content = msgspec.msgpack.encode(self._rows)
        filled = self._filled
        now_us = self._clock.now_us()
        self._do(lambda: self._table.add(self._generation, filled.pages, content, now_us))
        filled.pages += 1
        filled.rows += len(self._rows)
        filled.bytes += len(content)
        self._rows = []

    def _do(self, work: Callable[[], None]) -> None:
        """Do it unless something failed before; a record that cannot be written is given up."""
        if not self._fails and not _try(work):
            self.abandon()


def _try(work: Callable[[], None]) -> bool:
    try:
        work()
    except Unusable:
        return False
    return True
