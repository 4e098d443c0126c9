"""The index: what the table has, and above it, in memory, what was appended since.

What belongs here: looking up, applying a durable batch, moving the newest entries into the table in
the background, bounded. What does not: SQL (`table`), reading segments. Threads: `apply`,
`require_room`, `flush` from the one writer; lookups, `page` and `mark_bad` from any. Only what is
durable in a segment ever comes in here, so what the index says may be acknowledged.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from cairnfs.fileserver.appender import Position
from cairnfs.fileserver.entries import ABSENT, BAD, Entry, pack_entry, unpack_entry
from cairnfs.fileserver.table import Checkpoint, Table, Totals
from cairnfs.fileserver.trouble import IndexDamaged, StoreError

_WAIT_S = 60.0


class _Layers(NamedTuple):
    """Packed entries newer than the table: those still growing, and those on their way into it."""

    fresh: dict[bytes, bytes]
    leaving: dict[bytes, bytes]


class Index:
    """Hash -> entry. `flush_entries` bounds what is kept in memory (three times that, at worst)."""

    def __init__(
        self,
        table: Table,
        *,
        owner: bytes,
        flush_entries: int,
        release: Callable[[], None],
        background: bool = True,
    ) -> None:
        """`owner` is the tag of the directory's fileserver; `release` makes room on a full disk.

        `background`: a thread moves entries into the table.
        """
        self._table = table
        self._flush_entries = flush_entries
        self._release = release
        self._lock = threading.Lock()  # over layers, totals and marks
        self._moving = threading.Lock()  # over who moves entries into the table
        self._layers = _Layers({}, {})
        self._marked: set[bytes] = set()
        found = table.checkpoint()
        self._leaving_checkpoint = found
        self._owner = owner
        self._durable = dict(found.durable)
        self._nonce = found.nonce
        self.position = Position(found.segment, found.offset)
        self.highest_record = found.highest_record
        self.totals = found.totals
        #: Something read from the table was wrong: the next opening must build it anew.
        self.damaged = False
        self._pool = ThreadPoolExecutor(1, "cairn-index") if background else None
        self._flushing: Future[None] | None = None
        self._closed = False

    def find(self, chunk: bytes) -> Entry | None:
        """The entry of one chunk. Raises IndexDamaged."""
        # One read of the attribute: entries go from fresh to leaving to the table, never back, so
        # looking in that order misses none.
        fresh, leaving = self._layers
        try:
            packed = fresh.get(chunk) or leaving.get(chunk) or self._table.find(chunk)
            return None if packed is None else unpack_entry(chunk, packed)
        except IndexDamaged:
            self.damaged = True
            raise

    def find_many(self, chunks: Sequence[bytes]) -> dict[bytes, Entry]:
        """The entries of those that have one. Raises IndexDamaged."""
        fresh, leaving = self._layers
        found: dict[bytes, bytes] = {}
        asked = []
        for chunk in chunks:
            packed = fresh.get(chunk) or leaving.get(chunk)
            if packed is None:
                asked.append(chunk)
            else:
                found[chunk] = packed
        try:
            if asked:
                found.update(self._table.find_many(asked))
            return {chunk: unpack_entry(chunk, packed) for chunk, packed in found.items()}
        except IndexDamaged:
            self.damaged = True
            raise

    def apply(
        self,
        changes: Mapping[bytes, Entry],
        before: Mapping[bytes, Entry],
        position: Position,
        *,
        nonce: int,
        highest_record: int,
    ) -> None:
        """Take in a durable batch that ends at `position`; `before` has the entries that it replaces."""
        with self._lock:
            if self._marked:
                changes, before = self._with_marks(changes, before)
            self._layers.fresh.update({chunk: pack_entry(chunk, entry) for chunk, entry in changes.items()})
            self.totals = _counted(self.totals, changes, before)
            self.position = position
            self.highest_record = max(self.highest_record, highest_record)
            self._nonce = nonce
            self._durable[position.segment] = position.offset
        # If it fails the batch is durable all the same; `require_room` refuses when memory is used up.
        self._flush_if_due()

    def require_room(self) -> None:
        """Return if a batch may be applied. Raises StoreFull, IndexDamaged if the table takes no more."""
        if len(self._layers.fresh) < 2 * self._flush_entries:
            return
        self._flush_soon()
        flushing = self._flushing
        if flushing is not None:
            flushing.result(_WAIT_S)
            self._flush_soon()

    def mark_bad(self, chunk: bytes, seen: Entry) -> bool:
        """Note that the bytes `seen` points to are wrong; False if the entry has changed since."""
        with self._lock:
            if seen.flags or self.find(chunk) != seen:
                return False
            if len(self._layers.fresh) >= 2 * self._flush_entries:
                return True  # the table takes no more; who reads it next finds out again
            self._layers.fresh[chunk] = pack_entry(chunk, seen._replace(flags=BAD))
            self._marked.add(chunk)
            self.totals = self.totals.plus(bad=1)
        self._flush_if_due()
        return True

    def page(self, low: bytes, high: bytes | None, limit: int) -> list[tuple[bytes, Entry]]:
        """Up to `limit` entries with low <= hash < high, in order of hash."""
        with self._lock:
            newer = {
                chunk: packed
                for layer in (self._layers.leaving, self._layers.fresh)
                for chunk, packed in layer.items()
                if chunk >= low and (high is None or chunk < high)
            }
        # The memory was copied first: what moves into the table meanwhile is met twice, never missed.
        merged = dict(self._table.page(low, high, limit))
        merged.update(newer)
        chosen = sorted(merged)[:limit]
        return [(chunk, unpack_entry(chunk, merged[chunk])) for chunk in chosen]

    def in_segment(self, segment: int) -> list[tuple[bytes, Entry]]:
        """Every chunk whose entry points into this segment. Reads the whole table: for damage only."""
        with self._lock:
            newer = {**self._layers.leaving, **self._layers.fresh}
        merged = {**dict(self._table.rows_in(segment)), **newer}
        entries = ((chunk, unpack_entry(chunk, packed)) for chunk, packed in merged.items())
        return [(chunk, entry) for chunk, entry in entries if entry.segment == segment]

    def durable(self) -> dict[int, int]:
        """How far each segment was durable when it was last written."""
        with self._lock:
            return dict(self._durable)

    def damage(self) -> str:
        """What is wrong with the table, every row looked at; empty if nothing is."""
        return self._table.damaged_rows()

    def flush(self) -> None:
        """Move everything into the table now. Raises StoreFull, IndexDamaged."""
        with self._moving:
            for _ in range(2):  # what is on its way, then what is fresh
                if self._flushing is not None:
                    self._flushing.exception(_WAIT_S)
                    self._flushing = None
                self._rotate()
                self._write_leaving(even_if_empty=True)

    def close(self) -> None:
        """Flush as far as possible and close the table. Raises what kept it from being whole."""
        try:
            self.flush()
            self._table.close()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the table as it is."""
        with self._moving:
            self._closed = True
        if self._pool is not None:
            self._pool.shutdown()
        self._table.discard()

    def _flush_if_due(self) -> None:
        if len(self._layers.fresh) >= self._flush_entries:
            with contextlib.suppress(StoreError):
                self._flush_soon()

    def _flush_soon(self) -> None:
        """Start moving entries into the table, unless that is under way. Raises what stopped it last."""
        with self._moving:
            if self._closed:  # a reader's mark came late
                return
            if self._flushing is not None:
                if not self._flushing.done():
                    return
                done, self._flushing = self._flushing, None
                done.result()
            self._rotate()
            if self._pool is None:
                self._write_leaving()
            else:
                self._flushing = self._pool.submit(self._write_leaving)

    def _rotate(self) -> None:
        with self._lock:
            if self._layers.leaving:
                return
            self._layers = _Layers({}, self._layers.fresh)
            self._leaving_checkpoint = Checkpoint(
                owner=self._owner,
                segment=self.position.segment,
                offset=self.position.offset,
                nonce=self._nonce,
                highest_record=self.highest_record,
                totals=self.totals,
                durable=dict(self._durable),
            )

    def _write_leaving(self, *, even_if_empty: bool = False) -> None:
        leaving = self._layers.leaving
        if leaving or even_if_empty:
            self._table.write(leaving, self._leaving_checkpoint, self._release)
            with self._lock:
                self._layers = _Layers(self._layers.fresh, {})

    def _with_marks(
        self, changes: Mapping[bytes, Entry], before: Mapping[bytes, Entry]
    ) -> tuple[Mapping[bytes, Entry], Mapping[bytes, Entry]]:
        """Both as if the marks that readers set while this batch was on its way had been there before it."""
        after, earlier = dict(changes), dict(before)
        for chunk in self._marked & changes.keys() & before.keys():
            if earlier[chunk].good:
                earlier[chunk] = earlier[chunk]._replace(flags=BAD)
                if after[chunk].number == earlier[chunk].number:  # it was only touched
                    after[chunk] = after[chunk]._replace(flags=BAD)
        self._marked.clear()
        return after, earlier


def _counted(totals: Totals, changes: Mapping[bytes, Entry], before: Mapping[bytes, Entry]) -> Totals:
    rows = chunks = bad = size = 0
    for chunk, entry in changes.items():
        old = before.get(chunk)
        if old is None:
            rows += 1
        elif not old.flags & ABSENT:
            chunks -= 1
            size -= old.length
            bad -= old.flags & BAD
        if not entry.flags & ABSENT:
            chunks += 1
            size += entry.length
            bad += entry.flags & BAD
    return totals.plus(rows=rows, chunks=chunks, bad=bad, chunk_bytes=size)
