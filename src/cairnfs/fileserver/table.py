"""The index on disk: one SQLite file that maps a hash to its entry, with the checkpoint it stands for.

What belongs here: SQL, connections, checking the file. What does not: what is not yet in the file
(`index`) and how to make it anew (`recovery`). It is a cache of the segments: WAL with
synchronous=NORMAL keeps it whole, if a little old, through a power cut; whatever else happens to it
is answered by rebuilding. Threads: `write` from one thread at a time; the rest from any.

Every statement works on many rows and runs without the interpreter's lock: hashes and entries go
in as one blob that SQL cuts up.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from blake3 import blake3

from cairnfs.fileserver.entries import ENTRY_BYTES, sound
from cairnfs.fileserver.trouble import IndexDamaged, StoreClosed, StoreFull

TABLE_FORMAT = 1
_HASH_BYTES = 32
_ROW_BYTES = _HASH_BYTES + ENTRY_BYTES
#: Rows in one SQLite transaction; each may write a page of its own to the write-ahead log.
_ROWS_PER_WRITE = 4096
_ROWS_WHEN_TIGHT = 512
_KEYS_PER_READ = 512
_CACHE_KIB = 2048
_PIECE_BYTES = 1024 * 1024

_SCHEMA = """
CREATE TABLE chunk (hash BLOB NOT NULL PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL);
"""
_COUNTED = "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)"
_WRITE = f"""{_COUNTED} INSERT OR REPLACE INTO chunk
SELECT substr(?1, i * {_ROW_BYTES} + 1, {_HASH_BYTES}),
       substr(?1, i * {_ROW_BYTES} + {_HASH_BYTES + 1}, {ENTRY_BYTES}) FROM n"""  # noqa: S608 - numbers only
_FIND = f"""{_COUNTED} SELECT hash, entry FROM n
CROSS JOIN chunk ON hash = substr(?1, i * {_HASH_BYTES} + 1, {_HASH_BYTES})"""  # noqa: S608 - numbers only


_IN_SEGMENT = """SELECT hash, entry FROM chunk
WHERE substr(entry, 1, 4) = ? ORDER BY hash"""


class Totals(msgspec.Struct, frozen=True):
    """Of all entries: how many; with bytes here (`chunks`, of which `bad` are damaged); those bytes."""

    rows: int = 0
    chunks: int = 0
    bad: int = 0
    chunk_bytes: int = 0

    def plus(self, *, rows: int = 0, chunks: int = 0, bad: int = 0, chunk_bytes: int = 0) -> Totals:
        """These with so many more."""
        return Totals(self.rows + rows, self.chunks + chunks, self.bad + bad, self.chunk_bytes + chunk_bytes)


class Checkpoint(msgspec.Struct, frozen=True):
    """What the table stands for: everything before (segment, offset), by the server with this owner tag.

    `nonce` is that segment's. `durable` has, for each segment, how far it was durable.
    """

    format: int = TABLE_FORMAT
    owner: bytes = b""
    segment: int = 0
    offset: int = 0
    nonce: int = 0
    highest_record: int = 0
    totals: Totals = Totals()
    durable: dict[int, int] = {}


class Table:
    """An open index file. Raises IndexDamaged when SQLite says so, StoreFull when the disk is full."""

    def __init__(self, path: Path, *, building: bool = False) -> None:
        """Opens or makes it. `building`: nothing is kept safe until `finish` (for a rebuild)."""
        self.path = path
        self._building = building
        with _judged():
            self._writer = self._connect()
            if building:
                self._writer.execute("PRAGMA journal_mode = OFF").fetchall()
                self._writer.execute("PRAGMA synchronous = OFF")
            else:
                self._writer.execute("PRAGMA journal_mode = WAL").fetchall()
                self._writer.execute("PRAGMA synchronous = NORMAL")
                self._writer.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
            if not self._writer.execute("SELECT 1 FROM sqlite_master").fetchall():
                self._writer.executescript(_SCHEMA)
            self._reader = self._writer if building else self._connect()
            self._batches = self._writer if building else self._connect()
        self._reading = threading.Lock()
        self._batching = threading.Lock()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def checkpoint(self) -> Checkpoint:
        """What it stands for; an empty one if nothing was written yet."""
        with self._reading, _judged():
            row = self._reader.execute("SELECT value FROM state").fetchone()
        if row is None:
            return Checkpoint()
        try:
            return msgspec.msgpack.decode(row[0], type=Checkpoint)
        except (msgspec.MsgspecError, TypeError) as error:  # a damaged row may even hold no bytes at all
            raise IndexDamaged(f"{self.path}: its checkpoint cannot be read") from error

    def find(self, chunk: bytes) -> bytes | None:
        """One packed entry."""
        with self._reading, _judged():
            row = self._reader.execute("SELECT entry FROM chunk WHERE hash = ?", (chunk,)).fetchone()
        return None if row is None else bytes(row[0])

    def find_many(self, chunks: Sequence[bytes]) -> dict[bytes, bytes]:
        """The packed entries of those that have one."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(chunks), _KEYS_PER_READ):
            part = chunks[start : start + _KEYS_PER_READ]
            with self._batching, _judged():
                found.update(self._batches.execute(_FIND, (b"".join(part), len(part))).fetchall())
        return found

    def page(self, low: bytes, high: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (hash, packed entry) with low <= hash < high, in order."""
        upper = "" if high is None else "AND hash < ?3"
        sql = f"SELECT hash, entry FROM chunk WHERE hash >= ?1 {upper} ORDER BY hash LIMIT ?2"  # noqa: S608
        values = (low, limit) if high is None else (low, limit, high)
        with self._batching, _judged():
            return self._batches.execute(sql, values).fetchall()

    def write(
        self, rows: Mapping[bytes, bytes], checkpoint: Checkpoint, release: Callable[[], None] | None = None
    ) -> None:
        """Put hash -> packed entry, then the checkpoint. On a full disk `release` is called, once, for room.

        Rows that were written before a failure do no harm: they are true, and are met again after it.
        """
        try:
            self._write(rows, checkpoint, _ROWS_PER_WRITE)
        except StoreFull:
            if release is None:
                raise
            release()
            self._write(rows, checkpoint, _ROWS_WHEN_TIGHT)

    def _write(self, rows: Mapping[bytes, bytes], checkpoint: Checkpoint, step: int) -> None:
        hashes = sorted(rows)
        with _judged():
            for start in range(0, len(hashes), step):
                part = hashes[start : start + step]
                blob = b"".join([chunk + rows[chunk] for chunk in part])
                self._writer.execute(_WRITE, (blob, len(part)))
                self._settle("PASSIVE")  # each time, which bounds the log
            value = msgspec.msgpack.encode(checkpoint)
            self._writer.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (value,))
            self._settle("PASSIVE")

    def _settle(self, how: str) -> None:
        """Bring the log into the file, durably, so that the log starts over."""
        if not self._building:
            self._writer.execute(f"PRAGMA wal_checkpoint({how})").fetchall()

    def damaged_rows(self) -> str:
        """What is wrong with the file, every row looked at; empty if nothing is."""
        with _judged(), closing(self._connect()) as looking:  # its own, so that nobody waits for it
            totals = self.checkpoint().totals
            for (line,) in looking.execute("PRAGMA quick_check(1)").fetchall():
                if line != "ok":
                    return str(line)
            looking.create_function("sound", 2, sound, deterministic=True)
            count, good = looking.execute("SELECT count(*), sum(sound(hash, entry)) FROM chunk").fetchone()
        if count != (good or 0):
            return f"{count - (good or 0)} of {count} rows are damaged"
        # More rows than counted are those of a write that did not reach its checkpoint; they are true.
        return f"{count} rows instead of {totals.rows}" if count < totals.rows else ""

    def rows_in(self, segment: int) -> Iterator[tuple[bytes, bytes]]:
        """Every (hash, packed entry) that points into this segment, in order; reads the whole table."""
        with _judged(), closing(self._connect()) as looking:
            yield from looking.execute(_IN_SEGMENT, (segment.to_bytes(4, "little"),))

    def close(self) -> None:
        """Bring everything into the one file and close it."""
        try:
            with _judged():
                self._settle("TRUNCATE")
        finally:
            self.discard()

    def discard(self) -> None:
        """Close it as it is."""
        for connection in {id(one): one for one in (self._reader, self._batches, self._writer)}.values():
            connection.close()


def file_digest(path: Path) -> bytes:
    """The BLAKE3 of a closed index file."""
    digest = blake3()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.digest()


@contextmanager
def _judged() -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise StoreClosed("the index is closed") from error
    except UnicodeDecodeError as error:
        # What SQLite says of damage may quote the damage.
        raise IndexDamaged("the index file's own texts are damaged") from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise StoreFull("the disk is full: the index cannot be written") from error
        raise IndexDamaged(f"the index: {error}") from error
