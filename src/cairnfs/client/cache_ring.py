"""The cache's files: a ring that is written round and round, an index of hints, and a header.

    header   one record: how large the ring is, where it is written next, in which lap
    index    buckets of 32 slots of 16 bytes: part of a key, lap, place and size of what was stored
    ring     nothing but what was stored, one after the other; the oldest is written over

Nothing in them need be believed, since whoever reads verifies what was read; so nothing is ever made
durable, and reading takes no lock. Writing goes in one order under the header's lock: the header, which
at once makes slots stale that lead to where it will write; the bytes; the slots that lead to them. Whoever
is killed between two of these steps leaves stale slots and unused room, never a slot of bytes that are not
whole. Raises OSError. What does not belong here: what is stored, and judging it (`cache.py`). One thread at
a time each; any number of processes.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from cairnfs.client.cache_directory import Unusable, open_file, usual_bytes

LAYOUT = 1
BLOCK = 64
SLOTS = 32
#: An index of so many slots for each 4 KiB of the ring: small chunks fill their buckets unevenly.
_SLOT_BYTES = 16
_BUCKET_BYTES = SLOTS * _SLOT_BYTES
_RING_PER_BUCKET = SLOTS * 4096 * 4 // 5
_HEADER_BYTES = 4096
_MAGIC = b"CairnCch"
#: A number that is not below this was not written by any version.
_LAYOUTS = 1000
_HEADER = struct.Struct("<8sIIQQQQQQ")
_CRC = struct.Struct("<I")
_BUCKET = struct.Struct("<" + "QII" * SLOTS)
_SLOT = struct.Struct("<QII")
_EMPTY = bytes(_SLOT_BYTES)
_TAG = (1 << 48) - 1
_LAPS = 1 << 16
#: What is nearer to being written over than this part of the ring is worth another lap when it is read.
_OLD_PART = 4
#: How much of the ring one `store` or one thing in it may take.
PART_MOST = 4
#: Short waits for the lock of somebody who writes; the cache is not worth long ones.
_LOCK_TRIES = 200
_LOCK_PAUSE_S = 0.001
#: Neighbours in the ring are read together.
_RUN_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    """`limit` and `cursor` are bytes of the ring; `hits`, `misses`, `hit_bytes` count what readers had."""

    limit: int
    buckets: int
    lap: int = 2
    cursor: int = 0
    hits: int = 0
    misses: int = 0
    hit_bytes: int = 0

    def encoded(self) -> bytes:
        """As it lies in the file."""
        told = _HEADER.pack(
            _MAGIC, LAYOUT, self.buckets, self.limit, self.cursor, self.lap, self.hits, self.misses,
            self.hit_bytes,
        )  # fmt: skip
        return told + _CRC.pack(zlib.crc32(told))

    def live(self, slot: Slot) -> bool:
        """Whether nobody can have written over it since."""
        behind = (self.lap - slot.lap) % _LAPS
        end = slot.at + slot.size
        return bool(slot.size) and (
            (behind == 0 and end <= self.cursor)
            or (behind == 1 and self.cursor <= slot.at and end <= self.limit)
        )

    def age(self, slot: Slot) -> int:
        """How many bytes were written since, about."""
        return (self.cursor - slot.at) % self.limit

    def old(self, slot: Slot) -> bool:
        """Whether it is soon written over."""
        return (slot.at - self.cursor) % self.limit < self.limit // _OLD_PART


class Slot(NamedTuple):
    """Where something lies in the ring, in bytes."""

    lap: int
    at: int
    size: int


class Key(NamedTuple):
    """What is looked for: any 48 and 64 bits that are well mixed."""

    tag: int
    place: int


class Ring:
    """The three files, open."""

    def __init__(self, directory: int, limit_bytes: int | None) -> None:
        """`directory` is a descriptor, owned from now on; `limit_bytes` as in CacheSettings, not 0.

        Raises OSError; Unusable where files are somebody else's or of a later layout, or the bound too small.
        """
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
        with self._locked() as mine:
            found = self._read_header() if mine else None
            return found or (self._begin(self._limit) if mine else Header(BLOCK, 1))

    def _read_header(self) -> Header | None:
        content = os.pread(self._header, _HEADER.size + _CRC.size, 0)
        if len(content) < _HEADER.size + _CRC.size:
            return None
        magic, layout, buckets, limit, cursor, lap, hits, misses, hit_bytes = _HEADER.unpack_from(content)
        if magic == _MAGIC and LAYOUT < layout < _LAYOUTS:
            raise Unusable("it is of a later version of Cairn")
        whole = zlib.crc32(content[: _HEADER.size]) == _CRC.unpack_from(content, _HEADER.size)[0]
        if not whole or magic != _MAGIC or layout != LAYOUT or not buckets or not limit:
            return None
        return Header(limit, buckets, lap, cursor, hits, misses, hit_bytes)

    def _write_header(self, header: Header) -> None:
        _write(self._header, header.encoded(), 0)

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
        bound = usual_bytes(self._directory, self.used_bytes()) if limit_bytes is None else limit_bytes
        self._limit = _ring_bytes(bound)
        if self._limit < BLOCK * PART_MOST:
            raise Unusable(f"{bound} bytes are too few")
        with self._locked() as mine:
            if not mine:
                raise Unusable("another process keeps it locked")
            found = self._read_header()
            # An automatic bound moves with every file on the disk; only what it must is changed for it.
            least = self._limit // 2 if limit_bytes is None else self._limit
            buckets = _buckets(self._limit)
            if found is None or not buckets // 2 <= found.buckets <= buckets * 2:
                self._begin(self._limit)
            elif least <= found.limit <= self._limit:
                self._limit = found.limit
            else:
                self._resize(found, self._limit)
            if os.fstat(self._ring).st_size > self._limit:
                os.ftruncate(self._ring, self._limit)

    def _begin(self, limit: int) -> Header:
        """Nothing is here any more. The lock is held."""
        before = self._read_header()
        header = Header(limit, _buckets(limit), lap=before.lap + 2 if before is not None else 2)
        os.ftruncate(self._index, 0)
        os.ftruncate(self._ring, 0)
        self._write_header(header)
        os.ftruncate(self._index, header.buckets * _BUCKET_BYTES)
        return header

    def _resize(self, found: Header, limit: int) -> None:
        """Another end of the ring; what lies before it stays. The lock is held."""
        lap, cursor = (found.lap, found.cursor) if found.cursor <= limit else (found.lap + 1, 0)
        self._write_header(replace(found, limit=limit, lap=lap, cursor=cursor))

    def clear(self) -> bool:
        """Forget everything and give the room back; False where the lock was not to be had."""
        with self._locked() as mine:
            if mine:
                self._begin(self._limit)
            return mine

    def used_bytes(self) -> int:
        """What the files take on the disk."""
        return sum(os.fstat(one).st_blocks * 512 for one in self._open[1:])

    @property
    def limit_bytes(self) -> int:
        """What they may take."""
        return self._limit + _buckets(self._limit) * _BUCKET_BYTES + _HEADER_BYTES

    @property
    def most_bytes(self) -> int:
        """The largest thing that is stored."""
        return self._limit // PART_MOST

    # Reading.

    def find(self, header: Header, keys: Sequence[Key]) -> list[Slot | None]:
        """Where these things are, if anywhere."""
        found: list[Slot | None] = []
        index, buckets = self._index, header.buckets
        for tag, place in keys:
            bucket = os.pread(index, _BUCKET_BYTES, place % buckets * _BUCKET_BYTES)
            number = _number(bucket, tag)
            slot = None if number < 0 else _slot(bucket, number)
            found.append(slot if slot is not None and header.live(slot) else None)
        return found

    def read(self, slots: Sequence[Slot]) -> list[bytes]:
        """What lies there now, each at most as long as it was; neighbours in one go."""
        content: list[bytes] = [b""] * len(slots)
        order = sorted(range(len(slots)), key=lambda number: slots[number].at)
        first = 0
        while first < len(order):
            start = slots[order[first]].at
            end = start + slots[order[first]].size
            last = first + 1
            while last < len(order):
                slot = slots[order[last]]
                if slot.at - end >= BLOCK or slot.at + slot.size - start > _RUN_BYTES:
                    break
                end = max(end, slot.at + slot.size)
                last += 1
            run = os.pread(self._ring, end - start, start)
            for number in order[first:last]:
                at = slots[number].at - start
                content[number] = run[at : at + slots[number].size] if last - first > 1 else run
            first = last
        return content

    def entries(self) -> int:
        """How many things are in it; reads the whole index."""
        header = self.header()
        count = 0
        for start in range(0, header.buckets * _BUCKET_BYTES, 256 * _BUCKET_BYTES):
            page = os.pread(self._index, 256 * _BUCKET_BYTES, start)
            whole = len(page) - len(page) % _SLOT_BYTES
            count += sum(header.live(_told(*raw)) for raw in _SLOT.iter_unpack(page[:whole]) if raw[2])
        return count

    # Writing.

    def store(
        self,
        things: Sequence[tuple[Key, bytes]],
        counted: tuple[int, int, int] = (0, 0, 0),
        *,
        again: bool = False,
    ) -> int:
        """Keep these, unless (but for `again`) they are here already and not old; how many were written.

        `counted` are hits, misses and bytes of hits, to be added to the header's. All together are at most
        `most_bytes`. None are kept where the lock was not to be had.
        """
        with self._locked() as mine:
            if not mine:
                return 0
            header = self._read_header() or self._begin(self._limit)
            new: list[tuple[Key, Slot, bytes]] = []
            there = self.find(header, [key for key, _ in things])
            lap, cursor, left = header.lap, header.cursor, header.limit // PART_MOST
            for (key, content), slot in zip(things, there, strict=True):
                left -= len(content)
                if left < 0 or (slot is not None and not again and not header.old(slot)):
                    continue
                if cursor + len(content) > header.limit:
                    lap, cursor = lap + 1, 0
                new.append((key, Slot(lap % _LAPS, cursor, len(content)), content))
                cursor += -(-len(content) // BLOCK) * BLOCK
            hits, misses, hit_bytes = counted
            header = replace(
                header,
                lap=lap,
                cursor=min(cursor, header.limit),
                hits=header.hits + hits,
                misses=header.misses + misses,
                hit_bytes=header.hit_bytes + hit_bytes,
            )
            if new or any(counted):
                self._write_header(header)
            self._write_bytes(new)
            for key, slot, _ in new:
                self._point(header, key, slot)
            return len(new)

    def _write_bytes(self, new: Sequence[tuple[Key, Slot, bytes]]) -> None:
        """What was stored, to its places; small neighbours in one go."""
        row, start = bytearray(), 0
        for _, slot, content in new:
            if row and (slot.at < start or len(row) + len(content) > _RUN_BYTES):
                _write(self._ring, row, start)
                row.clear()
            if len(content) > _RUN_BYTES:
                _write(self._ring, content, slot.at)
                continue
            start = start if row else slot.at
            row += bytes(slot.at - start - len(row))
            row += content
        if row:
            _write(self._ring, row, start)

    def _point(self, header: Header, key: Key, slot: Slot) -> None:
        """Let a slot lead there: the key's own, else a free one, a stale one, or the oldest."""
        start = key.place % header.buckets * _BUCKET_BYTES
        bucket = os.pread(self._index, _BUCKET_BYTES, start)
        number = _number(bucket, key.tag)
        if number < 0:
            free = bucket.rfind(_EMPTY)
            if free >= 0 and free % _SLOT_BYTES == 0:
                number = free // _SLOT_BYTES
            else:
                number = self._victim(header, bucket)
        told = _SLOT.pack(slot.lap << 48 | key.tag, slot.at // BLOCK, slot.size)
        _write(self._index, told, start + number * _SLOT_BYTES)

    def _victim(self, header: Header, bucket: bytes) -> int:
        if len(bucket) < _BUCKET_BYTES:
            return 0
        flat = _BUCKET.unpack(bucket)
        oldest, age = 0, -1
        for number in range(SLOTS):
            slot = _told(*flat[number * 3 : number * 3 + 3])
            if not header.live(slot):
                return number
            if header.age(slot) > age:
                oldest, age = number, header.age(slot)
        return oldest

    def drop(self, header: Header, key: Key, slot: Slot) -> None:
        """Forget one thing, if it still is where it was."""
        start = key.place % header.buckets * _BUCKET_BYTES
        bucket = os.pread(self._index, _BUCKET_BYTES, start)
        number = _number(bucket, key.tag)
        if number >= 0 and _slot(bucket, number) == slot:
            _write(self._index, _EMPTY, start + number * _SLOT_BYTES)


def _ring_bytes(bound: int) -> int:
    """How much of a bound is the ring's; the rest is the index's and the header's."""
    ring = (bound - _HEADER_BYTES) * _RING_PER_BUCKET // (_RING_PER_BUCKET + _BUCKET_BYTES) - _BUCKET_BYTES
    return ring // 4096 * 4096


def _buckets(ring: int) -> int:
    return max(-(-ring // _RING_PER_BUCKET), 1)


def _number(bucket: bytes, tag: int) -> int:
    """Which slot of a bucket has this tag; -1 if none."""
    wanted = tag.to_bytes(6, "little")
    at = bucket.find(wanted)
    while at >= 0:
        if at % _SLOT_BYTES == 0 and at + _SLOT_BYTES <= len(bucket):
            return at // _SLOT_BYTES
        at = bucket.find(wanted, at + 1)
    return -1


def _slot(bucket: bytes, number: int) -> Slot:
    return _told(*_SLOT.unpack_from(bucket, number * _SLOT_BYTES))


def _told(word: int, block: int, size: int) -> Slot:
    return Slot(word >> 48, block * BLOCK, size)


def key_of(mixed: int) -> Key:
    """The key of a number of 128 well mixed bits."""
    return Key(mixed & _TAG, mixed >> 64)


def _write(file: int, content: bytes | bytearray, at: int) -> None:
    view = memoryview(content)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done
