"""The cache of one user's chunks on this machine, and of what the directory last said of files.

Shared by all processes of the user and all clusters, each of which finds only what it put there. It gives
bytes and nothing else: which chunks a file has, and whether one may read them, the server says at every open.
Everything is verified when it is read: what is not what it should be is dropped and was never there. No
method raises: a cache that cannot be used is told of once and is empty from then on. What does not belong
here: where the bytes lie (`ring.py`), whether there is a cache (`directory.py`). Any thread, one
at a time; every method may wait for the disk.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from blake3 import blake3

from cairnfs.client.cache.directory import CacheSettings, Unusable, open_directory
from cairnfs.client.cache.index import Header, Key, Slot, key_of
from cairnfs.core.manifest import Chunk, hash_bytes
from cairnfs.ids import Hash

if TYPE_CHECKING:
    from cairnfs.client.cache.ring import Ring

#: A stream of more neither fills the cache nor keeps anything in it from being written over: it is read
#: once and in order, at which fileservers are as fast, and would push out what is read again and again.
STREAM_BYTES = 64 * 1024 * 1024
#: Nor one of more than this part of the cache.
_STREAM_PART = 8
#: The longest thing under a name, with what proves it.
NAMED_BYTES = 64 * 1024
#: After the disk was full, or the lock was not to be had, so many things are not even tried.
_PAUSE = 1000
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DIGEST_BYTES = 32

_UNUSED = "cairn: the cache in %s is not used: %s (CAIRN_CACHE_BYTES=0 switches it off)"

_log = logging.getLogger(__name__)
_told: set[tuple[str, str]] = set()


class Cache:
    """What one cluster's client has in the cache. Opened when it is first used."""

    def __init__(self, settings: CacheSettings, cluster_id: str) -> None:
        """`settings` are not `off`."""
        self.settings = settings
        #: Things that were found and things that were not; those whose bytes were not what they should be.
        self.hits = 0
        self.misses = 0
        self.hit_bytes = 0
        self.damaged = 0
        self._secret = blake3(cluster_id.encode(), derive_key_context="cairn client cache 1").digest()
        self._salt = int.from_bytes(self._secret[:16], "little")
        self._ring: Ring | None = None
        self._unusable = False
        self._quick = True
        self._paused = 0
        self._counted = (0, 0, 0)
        self._one = threading.Lock()

    @property
    def usable(self) -> bool:
        """Whether it is worth asking, as far as is known."""
        return not self._unusable

    @property
    def stream_bytes(self) -> int:
        """A stream of more than this is to bypass it."""
        return stream_bytes(self.settings.limit_bytes if self._ring is None else self._ring.limit_bytes)

    def lookup_many(self, chunks: Sequence[Chunk], *, refresh: bool = True) -> list[bytes | None]:
        """The bytes of those that are here, in the order given.

        With `refresh` what would soon be written over begins anew, since it is wanted.
        """
        with self._guarded() as ring:
            if ring is not None:
                return self._lookup(ring, chunks, refresh)
        return [None] * len(chunks)

    def lookup_at_once(self, chunks: Sequence[Chunk], *, refresh: bool = True) -> list[bytes | None] | None:
        """The same without waiting for anything; None where that cannot be."""
        return self._at_once(lambda ring: self._lookup(ring, chunks, refresh))

    def store_many(self, things: Sequence[tuple[Hash, bytes]]) -> None:
        """Keep these chunks, which have been verified."""
        self._store([(self._key(digest), content) for digest, content in things])

    def recall_many(self, names: Sequence[bytes]) -> list[bytes | None]:
        """What was kept under these names, which may be of any length."""
        with self._guarded() as ring:
            if ring is not None:
                return self._recall(ring, names)
        return [None] * len(names)

    def recall_at_once(self, names: Sequence[bytes]) -> list[bytes | None] | None:
        """The same without waiting for anything; None where that cannot be."""
        return self._at_once(lambda ring: self._recall(ring, names))

    def keep_many(self, things: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep bytes under names. What was kept under a name before is forgotten; long ones are not kept."""
        sealed = []
        for name, content in things:
            if len(content) > NAMED_BYTES - _DIGEST_BYTES:
                continue
            digest = self._named(name)
            sealed.append((_key(digest, 0), blake3(content, key=digest).digest() + content))
        self._store(sealed, again=True)

    def give_up(self, reason: str) -> None:
        """Be empty from now on; may be called while another thread is at work here, and does not wait."""
        self._unusable = True
        self._tell(_UNUSED, reason)

    def close(self) -> None:
        """Let go of the files."""
        with self._guarded(opening=False) as ring:
            if ring is not None:
                with suppress(OSError):
                    ring.store([], self._counted)
        with self._one:
            self._unusable = True
            if self._ring is not None:
                self._ring.close()
                self._ring = None

    def _lookup(self, ring: Ring, chunks: Sequence[Chunk], refresh: bool) -> list[bytes | None]:
        content: list[bytes | None] = [None] * len(chunks)
        keys = [self._key(chunk.hash) for chunk in chunks]
        header = ring.header()
        slots = [
            slot if slot is not None and slot.size == chunk.size else None
            for slot, chunk in zip(ring.find(header, keys), chunks, strict=True)
        ]
        for number, found in self._read(ring, slots):
            if genuine(chunks[number].hash, found):
                content[number] = found
        self._judge(ring, header, keys, slots, content, refresh)
        return content

    def _recall(self, ring: Ring, names: Sequence[bytes]) -> list[bytes | None]:
        content: list[bytes | None] = [None] * len(names)
        told = content.copy()
        digests = [self._named(name) for name in names]
        keys = [_key(digest, 0) for digest in digests]
        header = ring.header()
        slots = [
            slot if slot is not None and slot.size <= NAMED_BYTES else None
            for slot in ring.find(header, keys)
        ]
        for number, found in self._read(ring, slots):
            body = found[_DIGEST_BYTES:]
            if genuine(Hash(found[:_DIGEST_BYTES]), body, digests[number]):
                content[number], told[number] = found, body
        self._judge(ring, header, keys, slots, content, True)
        return told

    def _read(self, ring: Ring, slots: Sequence[Slot | None]) -> Iterator[tuple[int, bytes]]:
        there = [(number, slot) for number, slot in enumerate(slots) if slot is not None]
        for number, found in ring.read(there):
            slot = slots[number]
            if slot is not None and len(found) == slot.size:
                yield number, found

    def _judge(
        self,
        ring: Ring,
        header: Header,
        keys: Sequence[Key],
        slots: Sequence[Slot | None],
        content: Sequence[bytes | None],
        refresh: bool,
    ) -> None:
        """Count; drop what was not what it should be; let what is wanted and old begin anew."""
        old: list[tuple[Key, bytes]] = []
        wrong: list[tuple[Key, Slot]] = []
        hits = hit_bytes = 0
        for key, slot, found in zip(keys, slots, content, strict=True):
            if found is not None:
                hits += 1
                hit_bytes += len(found)
                if refresh and slot is not None and header.old(slot):
                    old.append((key, found))
            elif slot is not None:
                wrong.append((key, slot))
        if (old or wrong) and not ring.may_wait:
            raise BlockingIOError
        for key, slot in wrong:
            if ring.header().live(slot):
                # Nobody has written there meanwhile: it is wrong, and stays wrong.
                self.damaged += 1
                ring.drop(header, key, slot)
        self.hits += hits
        self.misses += len(keys) - hits
        self.hit_bytes += hit_bytes
        before = self._counted
        self._counted = (before[0] + hits, before[1] + len(keys) - hits, before[2] + hit_bytes)
        if old:
            self._write(ring, old, again=False)

    def _store(self, things: Sequence[tuple[Key, bytes]], *, again: bool = False) -> None:
        with self._guarded() as ring:
            if ring is not None:
                self._write(ring, things, again)

    def _write(self, ring: Ring, things: Sequence[tuple[Key, bytes]], again: bool) -> None:
        """Store in portions that leave room for others."""
        if self._paused > 0:
            self._paused -= len(things)
            return
        portion: list[tuple[Key, bytes]] = []
        size = 0
        try:
            for thing in things:
                if size + len(thing[1]) > ring.most_bytes and portion:
                    self._portion(ring, portion, again)
                    portion, size = [], 0
                if 0 < len(thing[1]) <= ring.most_bytes:
                    portion.append(thing)
                    size += len(thing[1])
            if portion:
                self._portion(ring, portion, again)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._paused = _PAUSE
            self._tell("cairn: nothing more is kept in the cache in %s: %s", error.strerror or str(error))

    def _portion(self, ring: Ring, portion: Sequence[tuple[Key, bytes]], again: bool) -> None:
        if ring.store(portion, self._counted, again=again):
            self._counted = (0, 0, 0)
        else:
            # Somebody was stopped with the lock, perhaps: waiting for it each time would slow all reading.
            self._paused = _PAUSE

    def _at_once(self, work: Callable[[Ring], list[bytes | None]]) -> list[bytes | None] | None:
        """What can be done without waiting, neither for the medium nor for another thread."""
        ring = self._ring
        if ring is None or not self._quick or not self._one.acquire(blocking=False):
            return None
        try:
            if self._unusable:
                return None
            ring.may_wait = False
            return work(ring)
        except BlockingIOError:
            return None
        except (OSError, Unusable):
            # Perhaps this system cannot tell; if it is worse, the way that waits learns it and says so.
            self._quick = False
            return None
        finally:
            ring.may_wait = True
            self._one.release()

    @contextmanager
    def _guarded(self, *, opening: bool = True) -> Iterator[Ring | None]:
        """The ring, if there is one; whatever goes wrong with it goes no further than here."""
        with self._one:
            if opening and self._ring is None and not self._unusable:
                self._open()
            try:
                yield None if self._unusable else self._ring
            except (OSError, Unusable) as error:
                self._failed(error)

    def _open(self) -> None:
        from cairnfs.client.cache.ring import Ring

        try:
            self._ring = Ring(open_directory(self.settings.directory), self.settings.limit_bytes)
        except (OSError, Unusable) as error:
            self._failed(error)

    def _failed(self, error: OSError | Unusable) -> None:
        self.give_up((error.strerror if isinstance(error, OSError) else None) or str(error))

    def _tell(self, event: str, reason: str) -> None:
        """Once a process: reading goes on, so nobody need hear it twice."""
        where = str(self.settings.directory)
        if (where, reason) not in _told:
            _told.add((where, reason))
            _log.warning(event, where, reason)

    def _key(self, digest: Hash) -> Key:
        return _key(digest, self._salt)

    def _named(self, name: bytes) -> bytes:
        return blake3(name, key=self._secret).digest()


def stream_bytes(limit_bytes: int | None) -> int:
    """The longest stream that belongs in a cache of that bound."""
    return STREAM_BYTES if limit_bytes is None else min(STREAM_BYTES, limit_bytes // _STREAM_PART)


def genuine(digest: Hash, content: bytes, key: bytes | None = None) -> bool:
    """Whether these are the bytes of that name."""
    return (hash_bytes(content) if key is None else blake3(content, key=key).digest()) == digest


def _key(digest: bytes, salt: int) -> Key:
    return key_of(int.from_bytes(digest[:16], "little") ^ salt)
