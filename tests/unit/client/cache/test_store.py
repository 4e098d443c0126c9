"""The cache: it gives right bytes or none, whatever happened to its files, and never an error."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.cache import store as caches
from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.cache.store import NAMED_BYTES, STREAM_BYTES, Cache, stream_bytes
from cairnfs.core.manifest import Chunk, hash_bytes
from cairnfs.ids import Hash

MIB = 1024 * 1024
OFF = "(CAIRN_CACHE_BYTES=0 switches it off)"
LIMIT = 4 * MIB
CLUSTER = "c" * 32
PAGE = 4096


@pytest.fixture
def settings(tmp_path: Path) -> CacheSettings:
    return CacheSettings(tmp_path, LIMIT)


@pytest.fixture
def cache(settings: CacheSettings) -> Iterator[Cache]:
    made = Cache(settings, CLUSTER)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was told anything yet."""
    monkeypatch.setattr(caches, "_told", set())


def things(*numbers: int, size: int = PAGE) -> list[tuple[Hash, bytes]]:
    made = [random.Random(number).randbytes(size) for number in numbers]
    return [(hash_bytes(content), content) for content in made]


def wanted(stored: list[tuple[Hash, bytes]]) -> list[Chunk]:
    return [Chunk(digest, len(content)) for digest, content in stored]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_answers_come_in_the_order_of_the_question(cache: Cache) -> None:
    stored = things(*range(50))
    cache.store_many(stored)
    question = [stored[7], *things(99), stored[3], stored[7]]
    assert cache.lookup_many(wanted(question)) == [stored[7][1], None, stored[3][1], stored[7][1]]
    assert (cache.hits, cache.misses, cache.hit_bytes) == (3, 1, 3 * PAGE)


def test_a_chunk_of_another_length_is_not_it(cache: Cache) -> None:
    ((digest, content),) = things(1)
    cache.store_many([(digest, content)])
    assert cache.lookup_many([Chunk(digest, PAGE - 1)]) == [None]
    assert cache.lookup_many([Chunk(digest, PAGE)]) == [content]


def test_what_is_kept_under_a_name_is_the_last_that_was_kept(cache: Cache, settings: CacheSettings) -> None:
    cache.keep_many([(b"a", b"1"), (b"b", b"")])
    cache.keep_many([(b"a", b"2" * 1000)])
    other = Cache(settings, CLUSTER)
    assert other.recall_many([b"b", b"a", b"c"]) == [b"", b"2" * 1000, None]
    other.close()


def test_a_chunk_is_never_taken_for_what_was_kept_under_a_name(cache: Cache) -> None:
    digest = cache._named(b"name")
    content = b"x" * 100
    cache._store([(caches._key(digest, 0), hash_bytes(content) + content)])
    assert cache.recall_many([b"name"]) == [None]


def test_what_is_larger_than_a_part_of_the_cache_is_not_kept(cache: Cache) -> None:
    large = things(1, size=2 * MIB)
    cache.store_many([*large, *things(2)])
    assert cache.lookup_many(wanted([*large, *things(2)])) == [None, things(2)[0][1]]


def test_what_is_too_long_for_a_name_is_not_kept(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep_many([(b"long", b"x" * NAMED_BYTES), (b"short", b"x")])
    assert cache.recall_many([b"long", b"short"]) == [None, b"x"]
    monkeypatch.setattr(caches, "NAMED_BYTES", 32)
    assert cache.recall_many([b"short"]) == [None], "nor read, where a flipped bit says that it is long"


def test_many_go_in_portions(cache: Cache) -> None:
    stored = things(*range(20), size=150_000)
    cache.store_many(stored)
    assert cache.lookup_many(wanted(stored)) == [content for _, content in stored]


def test_long_streams_are_those_that_would_fill_an_eighth(cache: Cache) -> None:
    assert stream_bytes(None) == STREAM_BYTES == stream_bytes(10 * 1024**3)
    assert cache.stream_bytes == LIMIT // 8
    cache.lookup_many([])
    assert LIMIT // 8 - 8192 < cache.stream_bytes <= LIMIT // 8


@pytest.mark.parametrize("name", ["header", "index", "ring"])
def test_flipped_bits_cost_hits_and_nothing_else(
    cache: Cache, settings: CacheSettings, seed: int, name: str
) -> None:
    chance = random.Random(seed)
    stored = things(*range(300))
    file = settings.directory / "chunks" / name
    for _ in range(30):
        cache.store_many(stored)
        content = bytearray(file.read_bytes())
        for _ in range(20):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        found = cache.lookup_many(wanted(stored))
        assert all(got in (None, right) for got, (_, right) in zip(found, stored, strict=True))
    cache.store_many(stored)
    cache.lookup_many(wanted(stored))
    cache.store_many(stored)
    found = cache.lookup_many(wanted(stored))
    # Slots that bits have led astray take room in their buckets until they are old.
    assert sum(got is not None for got in found) >= (250 if name == "index" else 300), "stored again"


def test_what_is_damaged_is_dropped_and_counted(cache: Cache, settings: CacheSettings) -> None:
    stored = things(1, 2)
    cache.store_many(stored)
    ring = settings.directory / "chunks" / "ring"
    ring.write_bytes(b"!" + ring.read_bytes()[1:])
    assert cache.lookup_many(wanted(stored)) == [None, stored[1][1]]
    assert (cache.damaged, cache.hits, cache.misses) == (1, 1, 1)
    assert cache.lookup_many(wanted(stored)) == [None, stored[1][1]]
    assert cache.damaged == 1, "it is not there any more"


def test_a_power_cut_may_leave_any_pages_as_they_were(settings: CacheSettings, seed: int) -> None:
    chance = random.Random(seed)
    directory = settings.directory / "chunks"
    before: dict[str, bytes] = {}
    number = 0
    for _ in range(40):
        cache = Cache(settings, CLUSTER)
        for _ in range(10):
            cache.store_many(things(*range(number, number + 30)))
            number += 30
        recent = things(*range(max(number - 900, 0), number))
        found = cache.lookup_many(wanted(recent))
        assert all(got in (None, right) for got, (_, right) in zip(found, recent, strict=True))
        assert any(found)
        cache.close()
        for name in ("header", "index", "ring"):
            now = (directory / name).read_bytes()
            (directory / name).write_bytes(cut(now, before.get(name, b""), chance))
            before[name] = now


def cut(now: bytes, before: bytes, chance: random.Random) -> bytes:
    """A file of which some pages did not reach the disk, nor perhaps its end."""
    pages = bytearray(now)
    for at in range(0, len(now), PAGE):
        if chance.random() < 0.2:
            end = min(at + PAGE, len(now))
            pages[at:end] = before[at:end].ljust(end - at, b"\0")
    return bytes(pages if chance.random() < 0.7 else pages[: chance.randrange(len(pages) + 1)])


@pytest.mark.parametrize("gone", ["header", "index", "ring", None])
def test_files_that_vanish_are_missed_by_nobody(
    cache: Cache, settings: CacheSettings, gone: str | None
) -> None:
    stored = things(1, 2, 3)
    cache.store_many(stored)
    directory = settings.directory / "chunks"
    for name in ("header", "index", "ring"):
        if gone in (name, None):
            (directory / name).unlink()
    if gone is None:
        directory.rmdir()
    for _ in range(2):
        for one in (cache, Cache(settings, CLUSTER)):
            one.store_many(stored)
            found = one.lookup_many(wanted(stored))
            assert all(got in (None, right) for got, (_, right) in zip(found, stored, strict=True))
            if one is not cache:
                one.close()


@pytest.mark.loud
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_costs_new_things_and_is_told_once(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    old, new = things(1), things(2)
    cache.store_many(old)
    honest = os.pwrite

    def full(file: int, content: Any, at: int) -> int:
        if len(content) < PAGE:
            return honest(file, content, at)
        honest(file, content[:1000], at)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for _ in range(3):
            cache.store_many(new)
            assert cache.lookup_many(wanted([*old, *new])) == [old[0][1], None]
        cache._paused = 0
        cache.store_many(new)
    assert len(messages(caplog)) == 1
    assert os.strerror(code) in messages(caplog)[0]
    cache.store_many(new)
    assert cache.lookup_many(wanted(new)) == [None], "not at once again"
    cache._paused = 0
    cache.store_many(new)
    assert cache.lookup_many(wanted(new)) == [new[0][1]], "but when there may be room"


@pytest.mark.loud
@pytest.mark.parametrize("method", ["open", "pread", "pwrite"])
def test_any_other_trouble_ends_the_cache_and_is_told_once(
    settings: CacheSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, method, broken)
        for _ in range(2):
            cache = Cache(settings, CLUSTER)
            cache.store_many(things(1))
            assert cache.lookup_many(wanted(things(1))) == [None]
            assert cache.recall_many([b"x"]) == [None]
            assert not cache.usable
            cache.close()
    assert messages(caplog) == [
        f"cairn: the cache in {settings.directory} is not used: Input/output error {OFF}"
    ]


@pytest.mark.loud
def test_a_file_system_that_cannot_be_written_is_told_once(
    settings: CacheSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_only(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", read_only)
    for _ in range(2):
        cache = Cache(settings, CLUSTER)
        cache.store_many(things(1))
        assert cache.lookup_many(wanted(things(1))) == [None]
        cache.close()
    assert messages(caplog) == [
        f"cairn: the cache in {settings.directory} is not used: Read-only file system {OFF}"
    ]


def test_a_closed_cache_is_empty(cache: Cache) -> None:
    cache.store_many(things(1))
    cache.close()
    cache.store_many(things(2))
    assert cache.lookup_many(wanted(things(1, 2))) == [None, None]
    cache.close()


def test_what_is_in_memory_is_had_at_once(cache: Cache) -> None:
    assert cache.lookup_at_once(wanted(things(1))) is None, "it is not even open"
    cache.store_many(things(1))
    cache.keep_many([(b"name", b"told")])
    assert cache.lookup_at_once(wanted(things(1, 2))) == [things(1)[0][1], None]
    assert cache.recall_at_once([b"name", b"other"]) == [b"told", None]
    assert (cache.hits, cache.misses) == (2, 2)


def test_nothing_is_waited_for_at_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store_many(things(1))
    question, answer = wanted(things(1)), [things(1)[0][1]]
    with cache._one:
        assert cache.lookup_at_once(question) is None, "another thread is at it"

    def elsewhere(*_: Any) -> int:
        raise BlockingIOError(errno.EAGAIN, "not in memory")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", elsewhere)
        assert cache.lookup_at_once(question) is None
        assert cache.lookup_many(question) == answer
    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", lambda *_: 3)
        assert cache.lookup_at_once(question) is None, "a part of it only"
    assert cache.lookup_at_once(question) == answer


def test_a_system_that_cannot_tell_is_not_asked_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store_many(things(1))

    def unknown(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", unknown)
        assert cache.lookup_at_once(wanted(things(1))) is None
    assert cache.lookup_at_once(wanted(things(1))) is None
    assert cache.lookup_many(wanted(things(1))) == [things(1)[0][1]]


def test_what_has_to_be_written_is_not_done_at_once(cache: Cache, settings: CacheSettings) -> None:
    cache.store_many(things(*range(1200)))
    old = next(
        number for number in range(1200) if cache.lookup_many(wanted(things(number)), refresh=False)[0]
    )
    hits = cache.hits
    assert cache.lookup_at_once(wanted(things(old))) is None, "it would begin anew"
    assert cache.lookup_at_once(wanted(things(old)), refresh=False) == [things(old)[0][1]]
    assert cache.lookup_many(wanted(things(old))) == [things(old)[0][1]]
    assert cache.lookup_at_once(wanted(things(old))) == [things(old)[0][1]]
    assert cache.hits == hits + 3
    ring = settings.directory / "chunks" / "ring"
    ring.write_bytes(bytes(ring.stat().st_size))
    assert cache.lookup_at_once(wanted(things(1199))) is None, "it is to be dropped"
    assert cache.lookup_many(wanted(things(1199))) == [None]
    assert cache.lookup_at_once(wanted(things(1199))) == [None]
    assert cache.damaged == 1
