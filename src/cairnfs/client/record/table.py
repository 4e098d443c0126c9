"""The file of the local record: pairs and their pages of rows, in SQLite.

What belongs here: the statements, what is forgotten, and whether what was read is what was written. A page
or a pair whose checksum does not say so reads as none, so nothing has to be synced: after a crash of the
machine the record is as it was, or gone. What does not: what rows mean (`record.py`). Rollback journal, since
a write-ahead log would not work where homes lie on a network. One thread at a time; any number of processes.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from blake3 import blake3

#: Pairs that are remembered, and the bytes of their pages; what was written longest ago is forgotten first.
PAIRS_MAX = 256
PAGES_MAX_BYTES = 512 * 1024 * 1024
#: Pages that no pair leads to are of a writer that is at work, or was killed longer ago than this.
_ORPHAN_US = 24 * 3600 * 1_000_000
_BUSY_S = 2.0
_VERSION = 1
_DIGEST = 32
#: Free pages of the file beyond which it is made shorter, in pages of SQLite.
_FREE_MAX = 4096

_PAIR = """create table if not exists pair (
    key blob primary key, header blob not null, generation integer not null,
    previous integer not null, bytes integer not null, written_us integer not null)"""
#: The content begins with its checksum, which is of its place too.
_PAGE = """create table if not exists page (
    generation integer not null, number integer not null, written_us integer not null,
    content blob not null, primary key (generation, number))"""


class Unusable(Exception):
    """The file cannot be read or written just now; the record is a help, and is done without."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What a pair says of its rows. `local` and `remote` are there for people who look into the file."""

    local: bytes
    remote: bytes
    incarnation: int
    commit: int
    generation: int
    pages: int
    rows: int
    kept: bool


_headers = msgspec.msgpack.Decoder(Header)


class RecordTable:
    """One file. Every method raises Unusable."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._database: sqlite3.Connection | None = None

    def find(self, key: bytes) -> Header | None:
        """The pair's header, if there is a whole one."""
        with self._open() as database:
            row = database.execute("select header from pair where key = ?", (key,)).fetchone()
        sealed = None if row is None else _unsealed(row[0], key)
        try:
            return None if sealed is None else _headers.decode(sealed)
        except msgspec.MsgspecError:
            return None

    def page(self, generation: int, number: int) -> bytes | None:
        """What was written there; None where it is not, or not whole."""
        with self._open() as database:
            row = database.execute(
                "select content from page where generation = ? and number = ?", (generation, number)
            ).fetchone()
        return None if row is None else _unsealed(row[0], _place(generation, number))

    def add(self, generation: int, number: int, content: bytes, now_us: int) -> None:
        """Write a page that no pair leads to yet."""
        sealed = _sealed(content, _place(generation, number))
        with self._open() as database:
            database.execute("insert into page values (?, ?, ?, ?)", (generation, number, now_us, sealed))

    def adopt(self, key: bytes, header: Header, size: int, now_us: int) -> None:
        """From now on the pair is what this header says; its pages are there. `size`: their bytes.

        The pages before stay until the next time, for those who are reading them.
        """
        sealed = _sealed(msgspec.msgpack.encode(header), key)
        with self._open() as database, _transaction(database):
            row = database.execute("select generation, previous from pair where key = ?", (key,)).fetchone()
            previous, unread = row or (0, 0)
            database.execute("delete from page where generation = ?", (unread,))
            database.execute(
                "insert or replace into pair values (?, ?, ?, ?, ?, ?)",
                (key, sealed, header.generation, previous, size, now_us),
            )
            _forget_old(database, key, now_us)
        with self._open() as database:
            _shorten(database)

    def drop(self, generation: int) -> None:
        """Forget the pages of a writer that gave up."""
        with self._open() as database:
            database.execute("delete from page where generation = ?", (generation,))

    def forget(self, key: bytes) -> None:
        """Forget a pair."""
        with self._open() as database, _transaction(database):
            _forget(database, key)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The database. A file that is none, or is damaged, is removed, and was empty."""
        try:
            if self._database is None:
                self._database = self._connect()
            yield self._database
        except sqlite3.OperationalError as error:
            raise Unusable(str(error)) from error
        except sqlite3.DatabaseError as error:
            self.close()
            for end in ("", "-journal"):
                with suppress(OSError):
                    os.unlink(f"{self._file}{end}")
            raise Unusable(str(error)) from error
        except OSError as error:
            raise Unusable(str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here, since SQLite would give it the rights that the process's mask leaves.
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            database.execute("pragma synchronous = off")
            database.execute("pragma trusted_schema = off")
            if database.execute("pragma user_version").fetchone()[0] != _VERSION:
                database.execute("pragma auto_vacuum = incremental")
                with _transaction(database):
                    for statement in (_PAIR, _PAGE):
                        database.execute(statement)
                    database.execute(f"pragma user_version = {_VERSION}")
        except BaseException:
            database.close()
            raise
        return database


def new_generation() -> int:
    """A number that no other writer takes; never 0."""
    return secrets.randbits(62) + 1


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("rollback")
        raise


def _forget_old(database: sqlite3.Connection, key: bytes, now_us: int) -> None:
    """Forget the pairs that are too many, and the pages that nobody reads any more."""
    kept, size = 0, 0
    rows = database.execute("select key, bytes from pair order by written_us desc, key").fetchall()
    for other, held in rows:
        kept, size = kept + 1, size + held
        if other != key and (kept > PAIRS_MAX or size > PAGES_MAX_BYTES):
            _forget(database, other)
    used = "(select generation from pair union all select previous from pair)"
    database.execute(
        f"delete from page where written_us < ? and generation not in {used}",  # noqa: S608 -- a constant
        (now_us - _ORPHAN_US,),
    )


def _forget(database: sqlite3.Connection, key: bytes) -> None:
    row = database.execute("select generation, previous from pair where key = ?", (key,)).fetchone()
    database.execute("delete from page where generation in (?, ?)", row or (0, 0))
    database.execute("delete from pair where key = ?", (key,))


def _shorten(database: sqlite3.Connection) -> None:
    if database.execute("pragma freelist_count").fetchone()[0] > _FREE_MAX:
        database.execute("pragma incremental_vacuum").fetchall()


def _place(generation: int, number: int) -> bytes:
    return generation.to_bytes(8, "big") + number.to_bytes(8, "big")


def _sealed(content: bytes, place: bytes) -> bytes:
    return blake3(place + content).digest() + content


def _unsealed(sealed: object, place: bytes) -> bytes | None:
    if not isinstance(sealed, bytes) or len(sealed) < _DIGEST:
        return None
    content = sealed[_DIGEST:]
    return content if blake3(place + content).digest() == sealed[:_DIGEST] else None
