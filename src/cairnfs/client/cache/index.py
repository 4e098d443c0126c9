"""The cache's index: for keys, hints where in the ring something lies, in buckets of 32 slots of 16 bytes.

A slot is part of a key, the lap of the ring in which it was filled, place and size. It is a hint: by the
header one sees whether what it leads to may since have been written over, and whoever reads verifies. Readers
take no lock; who writes slots holds the header's. A bucket that is full gives up a stale slot, or its oldest.
What does not belong here: the header's and the ring's files (`ring.py`). One thread at a time.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cairnfs.client.cache.directory import Unusable

LAYOUT = 1
BLOCK = 64
SLOTS = 32
_SLOT_BYTES = 16
BUCKET_BYTES = SLOTS * _SLOT_BYTES
#: Five slots for each four chunks of 4 KiB that the ring holds: small chunks fill their buckets unevenly.
_RING_PER_BUCKET = SLOTS * 4096 * 4 // 5
HEADER_BYTES = 4096
_MAGIC = b"CairnCch"
#: Every layout begins with these, and a CRC of them, so that a later one is told from a damaged one.
_HEADER = struct.Struct("<8sIIQQQQQQ")
_CRC = struct.Struct("<I")
HEADER_CONTENT_BYTES = _HEADER.size + _CRC.size
_BUCKET = struct.Struct("<" + "QII" * SLOTS)
_SLOT = struct.Struct("<QII")
_EMPTY = bytes(_SLOT_BYTES)
_TAG = (1 << 48) - 1
LAPS = 1 << 16
#: What is nearer to being written over than this part of the ring is worth another lap when it is read.
_OLD_PART = 4


class Key(NamedTuple):
    """What is looked for: any 48 and 64 bits that are well mixed."""

    tag: int
    place: int


class Slot(NamedTuple):
    """Where something lies in the ring, in bytes."""

    lap: int
    at: int
    size: int


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
        numbers = (self.limit, self.cursor, self.lap, self.hits, self.misses, self.hit_bytes)
        told = _HEADER.pack(_MAGIC, LAYOUT, self.buckets, *numbers)
        return told + _CRC.pack(zlib.crc32(told))

    @classmethod
    def decoded(cls, content: bytes) -> Header | None:
        """What lies in the file; None where that is damaged. Raises Unusable where it is of a later Cairn."""
        if len(content) < HEADER_CONTENT_BYTES:
            return None
        magic, layout, buckets, limit, cursor, lap, hits, misses, hit_bytes = _HEADER.unpack_from(content)
        whole = zlib.crc32(content[: _HEADER.size]) == _CRC.unpack_from(content, _HEADER.size)[0]
        if not whole or magic != _MAGIC:
            return None
        if layout > LAYOUT:
            raise Unusable("it is of a later version of Cairn")
        if layout != LAYOUT or not buckets or not limit:
            return None
        return cls(limit, buckets, lap, cursor, hits, misses, hit_bytes)

    def live(self, slot: Slot) -> bool:
        """Whether nobody can have written over it since."""
        behind, end = (self.lap - slot.lap) % LAPS, slot.at + slot.size
        if behind == 0:
            return slot.size > 0 and end <= self.cursor
        return slot.size > 0 and behind == 1 and self.cursor <= slot.at and end <= self.limit

    def age(self, slot: Slot) -> int:
        """How many bytes were written since, about."""
        return (self.cursor - slot.at) % self.limit

    def old(self, slot: Slot) -> bool:
        """Whether it is soon written over."""
        return (slot.at - self.cursor) % self.limit < self.limit // _OLD_PART


def ring_bytes(bound: int) -> int:
    """How much of a bound is the ring's; the rest is the index's and the header's."""
    ring = (bound - HEADER_BYTES) * _RING_PER_BUCKET // (_RING_PER_BUCKET + BUCKET_BYTES) - BUCKET_BYTES
    return ring // 4096 * 4096


def buckets_for(ring: int) -> int:
    """How many buckets a ring of so many bytes has."""
    return max(-(-ring // _RING_PER_BUCKET), 1)


def find(
    index: int, header: Header, keys: Sequence[Key], pread: Callable[[int, int, int], bytes]
) -> list[Slot | None]:
    """Where these things are, if anywhere. `index` is the file's descriptor; `pread` reads as os.pread."""
    found: list[Slot | None] = []
    for tag, place in keys:
        bucket = pread(index, BUCKET_BYTES, place % header.buckets * BUCKET_BYTES)
        number = _number(bucket, tag)
        slot = None if number < 0 else _slot(bucket, number)
        found.append(slot if slot is not None and header.live(slot) else None)
    return found


def point(index: int, header: Header, key: Key, slot: Slot) -> None:
    """Let a slot lead there: the key's own, else a free one, a stale one, or the oldest."""
    start = key.place % header.buckets * BUCKET_BYTES
    bucket = os.pread(index, BUCKET_BYTES, start)
    number = _number(bucket, key.tag)
    if number < 0:
        free = bucket.rfind(_EMPTY)
        aligned = free >= 0 and free % _SLOT_BYTES == 0
        number = free // _SLOT_BYTES if aligned else _victim(header, bucket)
    told = _SLOT.pack(slot.lap << 48 | key.tag, slot.at // BLOCK, slot.size)
    write_at(index, told, start + number * _SLOT_BYTES)


def drop(index: int, header: Header, key: Key, slot: Slot) -> None:
    """Forget one thing, if it still is where it was."""
    start = key.place % header.buckets * BUCKET_BYTES
    bucket = os.pread(index, BUCKET_BYTES, start)
    number = _number(bucket, key.tag)
    if number >= 0 and _slot(bucket, number) == slot:
        write_at(index, _EMPTY, start + number * _SLOT_BYTES)


def entries(index: int, header: Header) -> int:
    """How many things are in the cache; reads the whole index."""
    count, step = 0, 256 * BUCKET_BYTES
    for start in range(0, header.buckets * BUCKET_BYTES, step):
        page = os.pread(index, step, start)
        whole = len(page) - len(page) % _SLOT_BYTES
        count += sum(header.live(_told(*raw)) for raw in _SLOT.iter_unpack(page[:whole]) if raw[2])
    return count


def key_of(mixed: int) -> Key:
    """The key of a number of 128 well mixed bits."""
    return Key(mixed & _TAG, mixed >> 64)


def write_at(file: int, content: bytes | bytearray, at: int) -> None:
    """All of it. Raises OSError, and then a part may be there."""
    view = memoryview(content)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done


def _victim(header: Header, bucket: bytes) -> int:
    if len(bucket) < BUCKET_BYTES:
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
