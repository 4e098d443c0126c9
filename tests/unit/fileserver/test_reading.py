"""Giving chunks out: the same row whether a chunk was at hand, had to be fetched, is missing or rotten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import pytest

from cairnfs.errors import BadRequest, TooLarge, Unavailable
from cairnfs.fileserver.disk import RealDisk, RealFile
from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.intake import Intake
from cairnfs.fileserver.membership import Membership
from cairnfs.fileserver.reading import AT_HAND_CHUNKS, Reading
from cairnfs.fileserver.store import CACHED_MAX_BYTES, Store
from cairnfs.fileserver.writer import Writer
from cairnfs.ids import Hash
from cairnfs.net.serving import Context
from cairnfs.wire import chunks as wire
from tests.unit.fileserver.shelves import CLUSTER, SERVER, datum, flip, hash_of, stored

R = TypeVar("R")


class WarmFile(RealFile):
    """A file that says at once whether it is in memory, as the test wants it."""

    warm = True

    def pread_cached(self, length: int, offset: int) -> bytes | None:
        data = self.pread(length, offset) if WarmFile.warm else b""
        return data if len(data) == length else None


class WarmDisk(RealDisk):
    """A disk of such files."""

    def open(self, path: Path, *, write: bool = False) -> RealFile:
        return WarmFile(os.open(path, os.O_RDWR if write else os.O_RDONLY))


class CountedIntake(Intake):
    """Counts the ways to a thread."""

    turns = 0

    async def read(self, function: Callable[[Store], R]) -> R:
        self.turns += 1
        return await super().read(function)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(WarmFile, "warm", True)
    claim(tmp_path / "d", CLUSTER, SERVER)
    store = Store.open(tmp_path / "d", disk=WarmDisk())
    yield store
    store.close()


@pytest.fixture
def intake(store: Store) -> Iterator[CountedIntake]:
    with ThreadPoolExecutor(1) as readers:
        intake = CountedIntake(readers)
        writer = Writer(store)
        intake.attach(store, writer)
        yield intake
        writer.close()


@pytest.fixture
def reading(intake: CountedIntake) -> Reading:
    return Reading(intake, cast(Membership, None))


def _joined(piece: bytes | Sequence[bytes]) -> bytes:
    return piece if isinstance(piece, bytes) else b"".join(piece)


async def got(reading: Reading, hashes: Sequence[bytes]) -> list[tuple[Hash, int, bytes]]:
    """The frames of an answer."""
    reply = await reading.get(cast(Context, None), wire.GetRequest(hashes=list(hashes)))
    deframer = wire.Deframer(None)
    pieces = [reply] if isinstance(reply, bytes) else [_joined(piece) async for piece in reply.pieces]
    frames = [frame for piece in pieces for frame in deframer.feed(piece)]
    deframer.finish()
    return frames


async def test_small_chunks_at_hand_need_no_thread(
    reading: Reading, intake: CountedIntake, store: Store
) -> None:
    chunks = [datum(number, size) for number, size in enumerate((1, 4096, CACHED_MAX_BYTES))]
    stored(store, *chunks)
    asked = [hash_of(data) for data in reversed(chunks)]
    assert await got(reading, asked) == [(hash_of(data), wire.CHUNK, data) for data in reversed(chunks)]
    assert intake.turns == 0


async def test_what_the_disk_must_be_asked_for_is_read_in_a_thread(
    reading: Reading, intake: CountedIntake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = datum(1)
    stored(store, data)
    monkeypatch.setattr(WarmFile, "warm", False)
    assert await got(reading, [hash_of(data)]) == [(hash_of(data), wire.CHUNK, data)]
    assert intake.turns == 1


async def test_large_ones_and_many_are_read_in_a_thread(
    reading: Reading, intake: CountedIntake, store: Store
) -> None:
    large, many = datum(1, CACHED_MAX_BYTES + 1), [datum(number) for number in range(2, AT_HAND_CHUNKS + 3)]
    stored(store, large, *many)
    assert await got(reading, [hash_of(large)]) == [(hash_of(large), wire.CHUNK, large)]
    assert [frame[2] for frame in await got(reading, [hash_of(data) for data in many])] == many
    assert intake.turns == 2


async def test_one_that_is_missing_does_not_spoil_the_row(reading: Reading, store: Store) -> None:
    here, gone = datum(1), datum(2)
    stored(store, here)
    assert await got(reading, [hash_of(here), hash_of(gone), hash_of(here)]) == [
        (hash_of(here), wire.CHUNK, here),
        (hash_of(gone), wire.MISSING, b""),
        (hash_of(here), wire.CHUNK, here),
    ]


@pytest.mark.loud
async def test_a_rotten_one_is_never_given_and_counted(
    reading: Reading, store: Store, tmp_path: Path
) -> None:
    data = datum(1, 4096)
    stored(store, data)
    (segment,) = (tmp_path / "d" / "segments").glob("*.seg")
    flip(segment, segment.stat().st_size - 100)
    assert await got(reading, [hash_of(data)]) == [(hash_of(data), wire.CORRUPT, b"")]
    assert store.stats().corrupt_reads == 1


async def test_nothing_asked_is_nothing_answered(reading: Reading) -> None:
    assert await got(reading, []) == []


async def test_what_is_no_hash_and_too_many_are_refused(reading: Reading) -> None:
    with pytest.raises(BadRequest):
        await got(reading, [b"short"])
    with pytest.raises(TooLarge):
        await got(reading, [bytes(32)] * (wire.GET_CHUNKS_MAX + 1))


async def test_before_the_store_is_open_nothing_is_said_about_it() -> None:
    with ThreadPoolExecutor(1) as readers:
        reading = Reading(Intake(readers), cast(Membership, None))
        with pytest.raises(Unavailable):
            await got(reading, [bytes(32)])
