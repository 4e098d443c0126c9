"""A real disk that is really full: reads go on, the index comes to rest, the next opening finds all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cairnfs.fileserver.disk import RealDisk
from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.puts import Outcome
from cairnfs.fileserver.reserve import RESERVE, Reserve
from cairnfs.fileserver.store import Options, Store
from cairnfs.fileserver.trouble import StoreFull
from cairnfs.testing.disk import FlakyDisk
from tests.unit.fileserver.shelves import CLUSTER, SERVER, datum, hash_of, put, stored

OPTIONS = Options(segment_bytes=1 << 20, flush_entries=300)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small filesystem needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(store: Store, size: int, start: int = 0) -> int:
    """Put chunks until the store is full; the number of the first that was refused."""
    number = start
    while True:
        try:
            assert store.put_many([put(datum(number, size))]) == [Outcome.STORED]
        except StoreFull:
            return number
        number += 1


def all_there(store: Store, count: int, size: int) -> None:
    for number in range(count):
        assert store.get(hash_of(datum(number, size))) == datum(number, size)


@pytest.mark.loud
@pytest.mark.parametrize("size", [40, 4000, 400_000])
def test_a_really_full_disk(small_disk: Path, size: int) -> None:
    directory = small_disk / "fileserver"
    claim(directory, CLUSTER, SERVER)
    store = Store.open(directory, options=OPTIONS)
    count = fill(store, size)
    assert count > 5
    all_there(store, count, size)
    assert stored(store, datum(0, size)) == [Outcome.PRESENT]
    store.close()
    store = Store.open(directory, options=OPTIONS)
    assert store.stats().replayed == 0  # the reserve let the index be written
    assert store.stats().chunks == count
    with pytest.raises(StoreFull):
        stored(store, datum(count, 4 << 20))
    all_there(store, count, size)
    store.close()


@pytest.mark.loud
@pytest.mark.parametrize("index", ["kept", "lost"])
def test_a_disk_that_others_fill_to_the_last_byte(small_disk: Path, index: str) -> None:
    directory = small_disk / "fileserver"
    claim(directory, CLUSTER, SERVER)
    store = Store.open(directory, options=msgspec.structs.replace(OPTIONS, flush_entries=100_000))
    for number in range(1000):
        stored(store, datum(number, 40))
    with (small_disk / "others").open("wb", buffering=0) as others:
        try:
            while others.write(bytes(65536)):
                pass
        except OSError:
            pass
    with pytest.raises(StoreFull):
        stored(store, datum(5000, 4000))
    all_there(store, 1000, 40)
    store.close()  # a thousand entries go into the index, into the room of the reserve
    if index == "lost":
        for path in (directory / "index").iterdir():
            path.unlink()
    store = Store.open(directory, options=OPTIONS)
    assert store.stats().chunks == 1000
    all_there(store, 1000, 40)
    with pytest.raises(StoreFull):
        stored(store, datum(5000, 4000))
    (small_disk / "others").unlink()
    assert stored(store, datum(5000, 4000)) == [Outcome.STORED]
    store.close()


def test_nothing_is_taken_while_the_reserve_is_given_away(tmp_path: Path) -> None:
    disk = FlakyDisk()
    reserve = Reserve(disk, tmp_path, 1000, 100)
    reserve.require(10)
    assert (tmp_path / RESERVE).stat().st_size == 1000
    disk.fill_up(500)
    reserve.require(300)
    with pytest.raises(StoreFull):
        reserve.require(450)  # the margin would be touched
    reserve.release()
    assert not (tmp_path / RESERVE).exists()
    with pytest.raises(StoreFull):
        reserve.require(1)
    disk.make_room()
    reserve.require(1)
    assert (tmp_path / RESERVE).exists()


def test_a_small_disk_gives_a_small_reserve(small_disk: Path) -> None:
    Reserve(RealDisk(), small_disk, 16 << 20, 16 << 20).require(1)
    assert (small_disk / RESERVE).stat().st_size == (8 << 20) // 16
