"""The chunk store: one directory of immutable chunks, and the one face the fileserver has of it.

What belongs here: opening and closing, taking batches, reading, listing. What does not: the network,
who may do what, which thread calls. Threads: `put_many` and `flush` from one thread at a time (a lock
sees to it; `writer` gives them a thread of their own), everything else from any.

A put that was answered is durable: the segment was fsynced before the index heard of it, and only
the index is asked what is here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import structlog
from blake3 import blake3

from cairnfs.clock import SystemClock
from cairnfs.fileserver import identity as identities
from cairnfs.fileserver.appender import Appender, Draft
from cairnfs.fileserver.disk import Disk, DiskFile, RealDisk
from cairnfs.fileserver.entries import ABSENT, BAD, Entry
from cairnfs.fileserver.identity import Identity, Openings
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.neighbours import read_together
from cairnfs.fileserver.puts import Outcome, Put, batches, plan, refusal
from cairnfs.fileserver.quarantine import Quarantine
from cairnfs.fileserver.records import ALIGN, CHUNK
from cairnfs.fileserver.recovery import Recovery, distrust, note_clean
from cairnfs.fileserver.reserve import Reserve
from cairnfs.fileserver.scan import Scan, ScanProgress
from cairnfs.fileserver.segments import Segments
from cairnfs.fileserver.trouble import (
    ChunkMissing,
    CorruptChunk,
    StoreClosed,
    StoreError,
)
from cairnfs.ids import BootId, ClusterId, CommitNumber, Hash

#: What `get_cached` reads and verifies where it is called, on the event loop: some 20 microseconds.
CACHED_MAX_BYTES = 64 * 1024
log = structlog.get_logger("fileserver.store")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and limits. The defaults are measured in docs/design/0004-chunk-store.md."""

    segment_bytes: int = 256 * 1024 * 1024
    #: Entries kept in memory before they move into the index file (about 300 bytes each, twice over).
    flush_entries: int = 32_768
    #: Held as a file for the index's sake, and left free beside it; a small disk gives less.
    reserve_bytes: int = 16 * 1024 * 1024
    min_free_bytes: int = 16 * 1024 * 1024
    background: bool = True


class Held(msgspec.Struct, frozen=True, gc=False):
    """A chunk that is here, its size in bytes and the highest begin number."""

    hash: Hash
    size: int
    begin: CommitNumber


class Page(msgspec.Struct, frozen=True):
    """A page of the inventory, in order of hash. `next` is the `low` to go on with; None at the end."""

    chunks: list[Held]
    corrupt: list[Hash]
    next: bytes | None


class Stats(msgspec.Struct, frozen=True):
    """What the store holds and what happened since it was opened. Bytes where the name says so."""

    chunks: int
    corrupt: int
    chunk_bytes: int
    segments: int
    free_bytes: int
    total_bytes: int
    quarantined: int
    appended: int
    touched: int
    corrupt_reads: int
    failed_batches: int
    replayed: int
    cut_bytes: int
    index_rebuilt: str


class Store:
    """An open directory. Use `Store.open`; `close` when done (a kill is survived, but checked for)."""

    def __init__(
        self,
        directory: Path,
        identity: Identity,
        *,
        disk: Disk,
        options: Options,
        now_us: Callable[[], int],
        entropy: Callable[[int], bytes],
        lock: DiskFile,
    ) -> None:
        """For `open` only: it holds `lock`."""
        self.directory = directory
        self.identity = identity
        self.boot_id = BootId(entropy(16).hex())
        self._disk = disk
        self._lock = lock
        self._writing = threading.Lock()
        self._closed = False
        self._appended = self._touched = self._corrupt_reads = 0
        self._reserve = Reserve(disk, directory, options.reserve_bytes, options.min_free_bytes)
        self._segments = Segments(disk, directory / identities.SEGMENTS)
        self._quarantine = Quarantine(disk, directory / "quarantine", now_us)
        recovery = Recovery(
            directory / "index",
            disk,
            self._segments,
            self._quarantine,
            owner=identity.tag(),
            flush_entries=options.flush_entries,
            release=self._reserve.release,
            background=options.background,
        )
        self._opened = recovery.open()
        self._index: Index = self._opened.index
        self._appender = Appender(
            disk,
            self._segments,
            self._reserve,
            Openings(directory, disk),
            owner=identity.tag(),
            last=self._opened.last,
            highest_record=self._index.highest_record,
            segment_bytes=options.segment_bytes,
            entropy=entropy,
        )

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        cluster_id: ClusterId | None = None,
        disk: Disk | None = None,
        options: Options | None = None,
        now_us: Callable[[], int] | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> Store:
        """Open a claimed directory; replays what its index does not have yet.

        Raises NotClaimed, ForeignDirectory, StoreLocked, StoreFull, OSError.
        """
        disk = disk or RealDisk()
        identity = identities.require_identity(directory, disk, cluster_id)
        lock = identities.lock(directory, disk)
        try:
            return cls(
                directory,
                identity,
                disk=disk,
                options=options or Options(),
                now_us=now_us or SystemClock().now_us,
                entropy=entropy,
                lock=lock,
            )
        except BaseException:
            lock.close()
            raise

    def put_many(self, puts: Sequence[Put]) -> list[Outcome | StoreError]:
        """Store a batch with one append and one fsync; for each put its outcome, or why it is refused.

        A refusal (ChunkRefused) concerns its put alone. Raises StoreFull, WriteFailed, IndexDamaged,
        StoreClosed: then nothing of these may be acknowledged. What is too much for one append takes several.
        """
        refused = [refusal(put) for put in puts]
        with self._writing:
            self._require_open()
            known = self._index.find_many(list({put.hash for put in puts}))
            planned = plan(puts, refused, known)
            if planned.drafts:
                self._write(planned.drafts.values(), known)
        return planned.outcomes

    def _write(self, drafts: Iterable[Draft], known: dict[bytes, Entry]) -> None:
        for batch in batches(drafts):
            self._index.require_room()
            placed = self._appender.append(batch)
            changes: dict[bytes, Entry] = {}
            for (kind, chunk, begin, payload, _), place in zip(batch, placed, strict=True):
                if kind == CHUNK:
                    block = place.offset // ALIGN
                    changes[chunk] = Entry(place.segment, block, len(payload), 0, place.number, begin)
                    self._appended += 1
                else:
                    changes[chunk] = known[chunk]._replace(begin=begin)
                    self._touched += 1
            appender = self._appender
            self._index.apply(
                changes,
                known,
                appender.position,
                nonce=appender.nonce,
                highest_record=placed[-1].number,
            )

    def get(self, chunk: Hash, *, verify: bool = True) -> bytes:
        """A chunk's bytes. `verify` False leaves the BLAKE3 to the receiver (the header is still checked).

        Raises ChunkMissing, CorruptChunk (then the copy is marked, counted and no longer listed),
        ReadFailed, IndexDamaged, StoreClosed.
        """
        entry = self._find(chunk)
        try:
            return self._read(chunk, entry, verify=verify)
        except CorruptChunk:
            newer = self._find(chunk)
            if (newer.segment, newer.block) == (entry.segment, entry.block):
                raise
            return self._read(chunk, newer, verify=verify)

    def get_together(self, chunks: Sequence[Hash]) -> dict[Hash, bytes]:
        """The verified bytes of small chunks, as few reads as possible; of what is left out `get` tells why.

        Raises IndexDamaged, StoreClosed.
        """
        self._require_open()
        entries = self._index.find_many(chunks)
        return read_together(
            self._segments, {Hash(chunk): entry for chunk, entry in entries.items() if entry.good}
        )

    def get_cached(self, chunk: Hash) -> bytes | None:
        """A small chunk's bytes, verified, if they are in memory; None where `get` has to find out more.

        Never waits for a segment; a page of the index may have to come from the disk.
        Raises ChunkMissing, IndexDamaged, StoreClosed.
        """
        entry = self._find(chunk)
        if not entry.good or entry.length > CACHED_MAX_BYTES:
            return None
        found = self._segments.read_cached(chunk, entry)
        if found is None or not found[1] or blake3(found[0]).digest() != chunk:
            return None
        return found[0]

    def _find(self, chunk: Hash) -> Entry:
        self._require_open()
        entry = self._index.find(chunk)
        if entry is None or entry.flags & ABSENT:
            raise ChunkMissing(chunk)
        return entry

    def _read(self, chunk: Hash, entry: Entry, *, verify: bool) -> bytes:
        try:
            payload, header_fits = self._segments.read(chunk, entry)
        except CorruptChunk:
            self._mark_bad(chunk, entry, "the record cannot be read")
            raise
        if (verify or not header_fits or not entry.good) and blake3(payload).digest() != chunk:
            self._mark_bad(chunk, entry, "the payload has another BLAKE3 hash")
            raise CorruptChunk(chunk)
        if not header_fits:
            # The bytes are proven right, so they are served; but a rebuilt index would not find them, so
            # the copy no longer counts and the next put of the chunk writes it anew.
            self._mark_bad(chunk, entry, "the record's header is damaged")
        return payload

    def _mark_bad(self, chunk: Hash, entry: Entry, reason: str) -> None:
        self._corrupt_reads += 1
        if self._index.mark_bad(chunk, entry):
            log.warning(
                "corrupt chunk", chunk=chunk.hex(), segment=entry.segment, offset=entry.offset, reason=reason
            )
            self._quarantine.note("record", reason, segment=entry.segment, start=entry.offset, chunk=chunk)

    def find_many(self, chunks: Sequence[Hash]) -> list[Held | None]:
        """For each hash the chunk if a good copy is here, in the same order; costs no read of the bytes."""
        found = self._index.find_many(chunks)
        return [_held(chunk, found.get(chunk)) for chunk in chunks]

    def inventory(
        self, low: bytes, high: bytes | None = None, limit: int = 10_000, *, deep: bool = False
    ) -> Page:
        """The chunks with low <= hash < high, in order, at most `limit`. `deep` reads and verifies each."""
        entries = self._index.page(low, high, limit)
        if deep:
            self._verify([(Hash(chunk), entry) for chunk, entry in entries if entry.good])
            entries = [(chunk, self._index.find(chunk) or entry) for chunk, entry in entries]
        return Page(
            [held for chunk, entry in entries if (held := _held(Hash(chunk), entry))],
            [Hash(chunk) for chunk, entry in entries if entry.flags & BAD],
            _after(entries[-1][0]) if len(entries) == limit else None,
        )

    def _verify(self, entries: Iterable[tuple[Hash, Entry]]) -> None:
        for chunk, entry in sorted(entries, key=lambda pair: (pair[1].segment, pair[1].block)):
            try:
                self._read(chunk, entry, verify=True)
            except CorruptChunk:
                continue

    def scan(self, *, deep: bool = True) -> Iterator[ScanProgress]:
        """Go through every record of every segment, with `deep` through every byte of every live chunk.

        Yields progress now and then; damage is marked and noted as it is met. May take hours: the caller
        sets the pace by when it asks for the next step.
        """
        self._require_open()
        scan = Scan(
            self._segments,
            self._index,
            self._quarantine,
            self._mark_bad,
            lambda: distrust(self.directory / "index"),
        )
        return scan.run(deep=deep)

    def stats(self) -> Stats:
        """Counts, at this moment. Raises OSError."""
        totals = self._index.totals
        space = self._disk.space(self.directory)
        return Stats(
            chunks=totals.chunks - totals.bad,
            corrupt=totals.bad,
            chunk_bytes=totals.chunk_bytes,
            segments=len(self._segments.numbers()),
            free_bytes=space.free,
            total_bytes=space.total,
            quarantined=self._quarantine.notes,
            appended=self._appended,
            touched=self._touched,
            corrupt_reads=self._corrupt_reads,
            failed_batches=self._appender.failures,
            replayed=self._opened.replayed,
            cut_bytes=self._opened.cut_bytes,
            index_rebuilt=self._opened.rebuilt,
        )

    def flush(self) -> None:
        """Bring the index file up to date, so that the next opening has nothing to replay."""
        with self._writing:
            self._require_open()
            self._index.flush()

    def close(self) -> None:
        """Bring everything to rest and free the directory. What cannot be written is replayed next time."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
        try:
            self._index.close()
            if self._index.damaged:
                distrust(self.directory / "index")
            note_clean(self.directory / "index")
        except (StoreError, OSError) as error:
            log.warning("closed with an old index", error=str(error))
        self._segments.close()
        self._lock.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StoreClosed("the store is closed")


def _held(chunk: Hash, entry: Entry | None) -> Held | None:
    if entry is None or not entry.good:
        return None
    return Held(chunk, entry.length, CommitNumber(entry.begin))


def _after(chunk: bytes) -> bytes | None:
    """The least hash above this one; None if there is none."""
    number = int.from_bytes(chunk, "big") + 1
    return number.to_bytes(len(chunk), "big") if number.bit_length() <= len(chunk) * 8 else None
