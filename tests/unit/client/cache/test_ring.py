"""The ring: what is written over, what begins anew, what a kill between any two steps leaves."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.cache import index as cache_index
from cairnfs.client.cache import ring as cache_ring
from cairnfs.client.cache.directory import Unusable, open_directory
from cairnfs.client.cache.index import Header, Key, Slot, key_of
from cairnfs.client.cache.ring import Ring

KIB, MIB = 1024, 1024 * 1024
LIMIT = MIB


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Ring]]:
    made: list[Ring] = []

    def ring(limit: int | None = LIMIT) -> Ring:
        made.append(Ring(open_directory(tmp_path), limit))
        return made[-1]

    yield ring
    for one in made:
        one.close()


def thing(number: int, size: int = 4 * KIB) -> tuple[Key, bytes]:
    chance = random.Random(number)
    return key_of(chance.getrandbits(128)), chance.randbytes(size)


def there(ring: Ring, key: Key) -> bytes | None:
    (slot,) = ring.find(ring.header(), [key])
    if slot is None:
        return None
    ((_, content),) = ring.read([(0, slot)])
    return content


def on_disk(directory: Path) -> int:
    return sum((directory / "chunks" / name).stat().st_blocks * 512 for name in ("header", "index", "ring"))


def test_what_was_stored_is_found_by_other_processes_too(make: Callable[..., Ring]) -> None:
    one, other = make(), make()
    things = [thing(number, size) for number, size in enumerate((1, 63, 64, 65, 4096, 200_000))]
    one.store(things)
    for key, content in things:
        assert there(other, key) == content
    assert there(other, thing(99)[0]) is None
    assert other.entries() == len(things)


def test_the_oldest_is_written_over_and_the_bound_is_kept(make: Callable[..., Ring], tmp_path: Path) -> None:
    ring = make()
    for number in range(1000):
        ring.store([thing(number)])
        assert on_disk(tmp_path) <= LIMIT
    kept = [number for number in range(1000) if there(ring, thing(number)[0]) is not None]
    assert 0.95 * LIMIT < (1000 - kept[0]) * 4 * KIB < LIMIT, "the newest"
    assert len(kept) >= 0.97 * (1000 - kept[0]), "with few gaps, where a bucket was full"


def test_what_is_read_when_it_is_old_may_begin_anew(make: Callable[..., Ring]) -> None:
    ring = make()
    for number in range(1000):
        ring.store([thing(number)])
        (slot,) = ring.find(ring.header(), [thing(7)[0]])
        if number >= 7:
            assert slot is not None, "it was stored again in time"
            if ring.header().old(slot):
                ring.store([thing(7)])


def test_one_store_takes_a_part_of_the_ring_at_most(make: Callable[..., Ring]) -> None:
    ring = make()
    first = thing(1)
    ring.store([first])
    ring.store([thing(number, 64 * KIB) for number in range(2, 40)])
    assert there(ring, first[0]) == first[1]
    ring.store([thing(50, ring.most_bytes + 1)])
    assert there(ring, thing(50, 1)[0]) is None


def test_a_full_bucket_gives_up_its_oldest(make: Callable[..., Ring]) -> None:
    ring = make()
    keys = [Key(number + 1, 0) for number in range(cache_index.SLOTS + 3)]
    for key in keys:
        ring.store([(key, key.tag.to_bytes(64, "little"))])
    assert [there(ring, key) is not None for key in keys] == [False] * 3 + [True] * cache_index.SLOTS


def test_a_new_content_under_an_old_key_takes_its_place(make: Callable[..., Ring]) -> None:
    ring = make()
    key, content = thing(1)
    ring.store([(key, content)])
    ring.store([(key, b"new")])
    assert there(ring, key) == content, "the same key is the same content"
    ring.store([(key, b"new")], again=True)
    assert there(ring, key) == b"new"
    assert ring.entries() == 1


def test_clearing_gives_the_room_back(make: Callable[..., Ring], tmp_path: Path) -> None:
    one, other = make(), make()
    one.store([thing(number) for number in range(40)], (3, 4, 5))
    assert other.clear()
    assert there(one, thing(1)[0]) is None
    assert on_disk(tmp_path) <= 64 * KIB
    header = one.header()
    assert (header.hits, header.misses, header.hit_bytes) == (0, 0, 0)
    one.store([thing(1)])
    assert there(other, thing(1)[0]) == thing(1)[1]


@pytest.mark.parametrize("bound", [LIMIT // 2 + 64 * KIB, LIMIT * 3 // 2])
def test_another_bound_keeps_what_it_can(make: Callable[..., Ring], tmp_path: Path, bound: int) -> None:
    ring = make()
    for number in range(200):
        ring.store([thing(number)])
    other = make(bound)
    assert on_disk(tmp_path) <= bound
    assert 50 <= other.entries() <= 200
    for number in range(1000, 2000):
        ring.store([thing(number)])
        assert on_disk(tmp_path) <= bound, "the last bound counts for those that were there before"
    assert 0.9 * bound < on_disk(tmp_path)


@pytest.mark.parametrize("bound", [LIMIT // 8, LIMIT * 8])
def test_a_very_different_bound_begins_anew(make: Callable[..., Ring], tmp_path: Path, bound: int) -> None:
    make().store([thing(1)])
    ring = make(bound)
    assert ring.entries() == 0
    ring.store([thing(2)])
    assert there(ring, thing(2)[0]) == thing(2)[1]
    assert on_disk(tmp_path) <= bound


def test_a_bound_that_holds_nothing_is_refused(make: Callable[..., Ring]) -> None:
    with pytest.raises(Unusable, match="too few"):
        make(1000)


def test_the_usual_bound_is_kept_as_the_disk_fills(
    make: Callable[..., Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = 2 * MIB
    monkeypatch.setattr(cache_ring, "usual_bytes", lambda *_: usual)
    make(None).store([thing(1)])
    before = make(None).header().limit
    usual = 3 * MIB
    assert make(None).header().limit == before, "more room is no reason yet"
    usual = 3 * MIB // 2
    ring = make(None)
    assert ring.limit_bytes <= usual
    assert there(ring, thing(1)[0]) == thing(1)[1]


@pytest.mark.parametrize("damage", [b"", b"x" * 200, bytes(4096)])
def test_a_damaged_header_begins_anew(make: Callable[..., Ring], tmp_path: Path, damage: bytes) -> None:
    live = make()
    live.store([thing(1)])
    (tmp_path / "chunks" / "header").write_bytes(damage)
    assert there(live, thing(1)[0]) is None, "who has it open sees it too"
    live.store([thing(2)])
    assert there(make(), thing(2)[0]) == thing(2)[1]


def test_a_later_layout_is_left_alone(
    make: Callable[..., Ring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = make()
    monkeypatch.setattr(cache_index, "LAYOUT", cache_index.LAYOUT + 1)
    header = Header(LIMIT, 1).encoded()
    monkeypatch.undo()
    (tmp_path / "chunks" / "header").write_bytes(header)
    with pytest.raises(Unusable, match="later version"):
        make()
    with pytest.raises(Unusable, match="later version"):
        live.store([thing(1)])
    assert (tmp_path / "chunks" / "header").read_bytes() == header


def test_a_lock_that_somebody_keeps_costs_a_store_and_no_more(
    make: Callable[..., Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, other = make(), make()
    ring.store([thing(1)])
    monkeypatch.setattr(cache_ring, "_LOCK_TRIES", 3)
    with other._locked() as mine:
        assert mine
        assert not ring.store([thing(2)])
        assert not ring.clear()
        assert there(ring, thing(1)[0]) == thing(1)[1]
        with pytest.raises(Unusable, match="locked"):
            make()
    assert ring.store([thing(2)])


class Killed(BaseException):
    """The process ends here."""


STEPS = ("pwrite", "ftruncate")


def killing_at(step: int, monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
    """End at the so-many-th change of a file: before it, or when half of it is written."""
    honest: dict[str, Any] = {name: getattr(os, name) for name in STEPS}
    left = step

    def change(name: str, *arguments: Any) -> Any:
        nonlocal left
        if left == 0:
            if half and name == "pwrite":
                file, content, at = arguments
                honest[name](file, content[: len(content) // 2], at)
            raise Killed
        left -= 1
        return honest[name](*arguments)

    for name in STEPS:
        monkeypatch.setattr(os, name, lambda *arguments, name=name: change(name, *arguments))


@pytest.mark.parametrize("half", [False, True])
def test_a_kill_at_any_step_of_a_store_leaves_only_whole_things(
    make: Callable[..., Ring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    monkeypatch.setattr(cache_ring, "_RUN_BYTES", 64 * KIB)
    ring = make()
    number, step, ended = 0, 0, False
    while not ended:
        for _ in range(20):
            ring.store([thing(number)])
            number += 1
        # Two that go together, a large one, one more; and sometimes over the ring's end.
        new = [thing(10_000 + 4 * step + more, size) for more, size in enumerate((100, 5000, 150_000, 64))]
        with monkeypatch.context() as patch:
            killing_at(step, patch, half)
            try:
                ring.store(new)
                ended = True
            except Killed:
                step += 1
        after = make()
        for key, content in [*new, *map(thing, range(number))]:
            found = there(after, key)
            assert found is None or found == content, f"torn at step {step}"
        assert on_disk(tmp_path) <= LIMIT
        ring = after
    assert step == 8, "a header, three runs of bytes, four slots"


@pytest.mark.parametrize("limit", [LIMIT * 8, LIMIT // 2 + 64 * KIB])
def test_a_kill_at_any_step_of_beginning_anew_leaves_a_cache(
    make: Callable[..., Ring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    step, ended = 0, False
    while not ended:
        ring = make(LIMIT)
        ring.store([thing(number) for number in range(30)])
        with monkeypatch.context() as patch:
            killing_at(step, patch, half=False)
            try:
                make(limit)
                ended = True
            except Killed:
                step += 1
        after = make(limit)
        for number in range(30):
            assert there(after, thing(number)[0]) in (None, thing(number)[1])
        after.store([thing(77)])
        assert there(after, thing(77)[0]) == thing(77)[1]
        assert on_disk(tmp_path) <= limit
    assert step >= 1


def test_a_slot_is_live_until_it_is_written_over() -> None:
    now = Header(limit=1000, buckets=1, lap=5, cursor=400)
    assert now.live(Slot(5, 300, 100))
    assert not now.live(Slot(5, 301, 100)), "not written yet"
    assert now.live(Slot(4, 400, 600))
    assert not now.live(Slot(4, 399, 100)), "partly written over"
    assert not now.live(Slot(4, 900, 101)), "beyond the end"
    assert not now.live(Slot(3, 500, 10))
    assert not now.live(Slot(6, 100, 10))
    assert not now.live(Slot(5, 100, 0))
    assert Header(limit=1000, buckets=1, lap=2**16, cursor=0).live(Slot(2**16 - 1, 0, 1)), "laps go round"
