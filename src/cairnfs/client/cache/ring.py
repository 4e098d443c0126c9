"""The cache's files: a ring that is written round and round, an index of hints, and a header.

    header   one record: how large the ring is, where it is written next, in which lap
    index    where in the ring things lie (`index.py`)
    ring     nothing but what was stored, one after the other; the oldest is written over

Nothing in them need be believed, since whoever reads verifies what was read; so nothing is ever made
durable, and reading takes no lock. Writing goes in one order under the header's lock: the header, which
at once makes slots stale that lead to where it will write; the bytes; the slots that lead to them. Whoever
is killed between two of these steps leaves stale slots and unused room, never a slot of bytes that are not
whole. Raises OSError, Unusable. What does not belong here: what is stored, and judging it (`store.py`).
One thread at a time; any number of processes.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from cairnfs.client.cache import index as cache_index
from cairnfs.client.cache.directory import Unusable, open_file, usual_bytes
from cairnfs.client.cache.index import (
    BLOCK,
    BUCKET_BYTES,
    HEADER_BYTES,
    HEADER_CONTENT_BYTES,
    LAPS,
    Header,
    Key,
    Slot,
    buckets_for,
    ring_bytes,
    write_at,
)

#: How much of the ring one `store`, and so one thing in it, may take.
PART_MOST = 4
#: "Only what is in memory"; where the system has no such flag, one that it refuses.
_NOWAIT: int = getattr(os, "RWF_NOWAIT", -1)
#: Short waits for the lock of somebody who writes; the cache is not worth long ones.
_LOCK_TRIES = 200
_LOCK_PAUSE_S = 0.001
#: Neighbours in the ring are read and written together.
_RUN_BYTES = 512 * 1024


def _alike(one: int, other: int) -> bool:
    """Whether an index of so many buckets does for one of the other number."""
    return other // 2 <= one <= other * 2


class Ring:
    """The three files, open."""

    def __init__(self, directory: int, limit_bytes: int | None) -> None:
        """`directory` is a descriptor, owned from now on; `limit_bytes` as in CacheSettings, 0 as it is.

        Raises OSError; Unusable where files are somebody else's or of a later layout, or the bound too small.
        """
        #: Whether reading may wait for the medium; else BlockingIOError is raised where it would have to.
        self.may_wait = True
        self._directory = directory
        self._open: list[int] = [directory]
        try:
            for name in ("header", "index", "ring"):
                self._open.append(open_file(directory, name))
            _, self._header, self._index, self._ring = self._open
            self._fit(limit_bytes)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        while self._open:
            os.close(self._open.pop())

    # The header.

    def header(self) -> Header:
        """As it is now."""
        for _ in range(3):
            found = self._read_header()
            if found is not None:
                return found
        # Not a moment's mixture of two: it is damaged, and everything begins anew.
        if not self.may_wait:
            raise BlockingIOError
        with self._locked() as mine:
            found = self._read_header()
            if found is None:
                found = self._begin() if mine else Header(BLOCK, 1)
            return found

    def _read_header(self) -> Header | None:
        return Header.decoded(self._pread(self._header, HEADER_CONTENT_BYTES, 0))

    def _write_header(self, header: Header) -> None:
        write_at(self._header, header.encoded(), 0)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """The right to write; False where somebody else has had it for too long."""
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._header, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                threading.Event().wait(_LOCK_PAUSE_S)
        else:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._header, fcntl.LOCK_UN)

    # How large it is.

    def _fit(self, limit_bytes: int | None) -> None:
        """Keep what is there if it can be kept within the bound; else begin anew."""
        bound = limit_bytes or usual_bytes(self._directory, self.used_bytes())
        limit = ring_bytes(bound)
        if limit < BLOCK * PART_MOST:
            raise Unusable(f"{bound} bytes are too few")
        with self._locked() as mine:
            if not mine:
                raise Unusable("another process keeps it locked")
            found = self._read_header()
            if found is None or (limit_bytes != 0 and not _alike(found.buckets, buckets_for(limit))):
                self._limit, self._buckets = limit, buckets_for(limit)
                self._begin()
                return
            if limit_bytes != 0:
                limit = min(limit, (bound - HEADER_BYTES - found.buckets * BUCKET_BYTES) // 4096 * 4096)
                # The usual bound moves with every file on the disk; only what must change for it does.
                least = limit // 2 if limit_bytes is None else limit
                if not least <= found.limit <= limit:
                    found = self._resize(found, limit)
            self._limit, self._buckets = found.limit, found.buckets
            if os.fstat(self._ring).st_size > self._limit:
                os.ftruncate(self._ring, self._limit)

    def _begin(self) -> Header:
        """Nothing is here any more. The lock is held."""
        before = self._read_header()
        header = Header(self._limit, self._buckets, lap=before.lap + 2 if before is not None else 2)
        os.ftruncate(self._index, 0)
        os.ftruncate(self._ring, 0)
        self._write_header(header)
        os.ftruncate(self._index, header.buckets * BUCKET_BYTES)
        return header

    def _resize(self, found: Header, limit: int) -> Header:
        """Another end of the ring; what lies before it stays. The lock is held."""
        lap, cursor = (found.lap, found.cursor) if found.cursor <= limit else (found.lap + 1, 0)
        header = replace(found, limit=limit, lap=lap, cursor=cursor)
        self._write_header(header)
        return header

    def clear(self) -> bool:
        """Forget everything and give the room back; False where the lock was not to be had."""
        with self._locked() as mine:
            if mine:
                self._begin()
            return mine

    def used_bytes(self) -> int:
        """What the files take on the disk."""
        return sum(os.fstat(one).st_blocks * 512 for one in self._open[1:])

    @property
    def limit_bytes(self) -> int:
        """What they may take."""
        return self._limit + self._buckets * BUCKET_BYTES + HEADER_BYTES

    @property
    def most_bytes(self) -> int:
        """The largest thing that is stored, and what is stored at once."""
        return self._limit // PART_MOST

    # Reading.

    def find(self, header: Header, keys: Sequence[Key]) -> list[Slot | None]:
        """Where these things are, if anywhere."""
        return cache_index.find(self._index, header, keys, self._pread)

    def drop(self, header: Header, key: Key, slot: Slot) -> None:
        """Forget one thing, if it still is where it was."""
        cache_index.drop(self._index, header, key, slot)

    def _pread(self, file: int, size: int, at: int) -> bytes:
        if self.may_wait:
            return os.pread(file, size, at)
        content = bytearray(size)
        if os.preadv(file, [content], at, _NOWAIT) < size:
            raise BlockingIOError
        return bytes(content)

    def entries(self) -> int:
        """How many things are in it; reads the whole index."""
        return cache_index.entries(self._index, self.header())

    def read(self, slots: Sequence[tuple[int, Slot]]) -> Iterator[tuple[int, bytes]]:
        """What lies there now, each with its number, in no order; neighbours in one go.

        A thing that is no longer whole may come short.
        """
        order = sorted(slots, key=lambda one: one[1].at)
        first = 0
        while first < len(order):
            start = order[first][1].at
            end = start + order[first][1].size
            last = first + 1
            while last < len(order):
                slot = order[last][1]
                if slot.at - end >= BLOCK or slot.at + slot.size - start > _RUN_BYTES:
                    break
                end = max(end, slot.at + slot.size)
                last += 1
            run = self._pread(self._ring, end - start, start)
            if last - first == 1:
                yield order[first][0], run
            else:
                for number, (_, at, size) in order[first:last]:
                    yield number, run[at - start : at - start + size]
            first = last

    # Writing.

    def store(
        self,
        things: Sequence[tuple[Key, bytes]],
        counted: tuple[int, int, int] = (0, 0, 0),
        *,
        again: bool = False,
    ) -> bool:
        """Keep these, unless (but for `again`) they are here already and not old.

        `counted` are hits, misses and bytes of hits, to be added to the header's. What is beyond `most_bytes`
        is not kept. False, and nothing is done, where the lock was not to be had.
        """
        with self._locked() as mine:
            if not mine:
                return False
            header = self._read_header() or self._begin()
            new: list[tuple[Key, Slot, bytes]] = []
            there = self.find(header, [key for key, _ in things])
            lap, cursor, left = header.lap, header.cursor, header.limit // PART_MOST
            for (key, content), slot in zip(things, there, strict=True):
                left -= len(content)
                if left < 0 or (slot is not None and not again and not header.old(slot)):
                    continue
                if cursor + len(content) > header.limit:
                    lap, cursor = lap + 1, 0
                new.append((key, Slot(lap % LAPS, cursor, len(content)), content))
                cursor += -(-len(content) // BLOCK) * BLOCK
            header = replace(
                header,
                lap=lap,
                cursor=min(cursor, header.limit),
                hits=header.hits + counted[0],
                misses=header.misses + counted[1],
                hit_bytes=header.hit_bytes + counted[2],
            )
            if new or any(counted):
                self._write_header(header)
            self._write(new)
            self._publish(header, new)
            return True

    def _write(self, new: Sequence[tuple[Key, Slot, bytes]]) -> None:
        """What is stored, to its places; small neighbours in one go."""
        row, start = bytearray(), 0
        for _, slot, content in new:
            if row and (slot.at < start or len(row) + len(content) > _RUN_BYTES):
                write_at(self._ring, row, start)
                row.clear()
            if len(content) > _RUN_BYTES:
                write_at(self._ring, content, slot.at)
                continue
            start = start if row else slot.at
            row += bytes(slot.at - start - len(row))
            row += content
        if row:
            write_at(self._ring, row, start)

    def _publish(self, header: Header, new: Sequence[tuple[Key, Slot, bytes]]) -> None:
        """Let the index lead to what is now whole in its places."""
        for key, slot, _ in new:
            cache_index.point(self._index, header, key, slot)
