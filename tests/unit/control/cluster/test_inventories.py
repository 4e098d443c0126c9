"""Walking inventories beside the database's list: page by page, each answer paired with its span."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import pytest

from cairnfs.control.cluster import inventories
from cairnfs.control.cluster.inventories import Asked, Inventories, Listed, Page
from cairnfs.errors import DeadlineExceeded, Unreachable
from cairnfs.ids import FileserverId, Hash
from cairnfs.net.calls import Calls
from cairnfs.testing.clock import ManualClock
from cairnfs.wire.verification import InventoryReply, InventoryRequest

ONE, TWO = Asked(FileserverId(1), "http://one"), Asked(FileserverId(2), "http://two")


class Server:
    """A fileserver's inventory endpoint, without the fileserver."""

    def __init__(
        self, number: int, held: Mapping[Hash, int], *, page: int = 7, corrupt: Collection[bytes] = ()
    ):
        self.number = number
        self.held = dict(sorted(held.items()))
        self.page = page
        self.corrupt = corrupt
        self.asked: list[InventoryRequest] = []
        self.dead_after: int | None = None

    async def call(self, endpoint: Any, request: InventoryRequest, *, timeout_s: float) -> InventoryReply:
        assert timeout_s > 0
        self.asked.append(request)
        if self.dead_after is not None and len(self.asked) > self.dead_after:
            raise Unreachable("nobody at home")
        span = [h for h in self.held if h >= request.low and (request.high is None or h < request.high)]
        here, rest = span[: min(self.page, request.limit)], span[min(self.page, request.limit) :]
        rotten = [h for h in here if request.deep and h in self.corrupt]
        return InventoryReply(
            fileserver=self.number,
            boot="b",
            chunks=[(h, self.held[h], 0) for h in here if h not in rotten],
            corrupt=list[bytes](rotten),
            next=rest[0] if rest else None,
        )


def walker(
    listed: Sequence[Listed], servers: dict[str, Server], clock: ManualClock | None = None
) -> Inventories:
    async def page(low: bytes, high: bytes | None, limit: int) -> Sequence[Listed]:
        return [one for one in listed if one.hash >= low and (high is None or one.hash < high)][:limit]

    return Inventories(page, lambda address: cast(Calls, servers[address]), clock or ManualClock())


def chunks(seed: int, count: int) -> list[Listed]:
    rng = random.Random(seed)
    return sorted(
        (Listed(Hash(rng.randbytes(32)), rng.randint(1, 99), 2) for _ in range(count)), key=lambda c: c.hash
    )


async def pages(walked: Inventories, *asked: Asked, deep: bool = False) -> list[Page]:
    return [page async for page in walked.walk(b"", None, asked, deadline=1e9, deep=deep)]


async def test_every_chunk_is_met_once_and_paired(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventories, "PAGE_CHUNKS", 10)
    listed = chunks(seed, 95)
    extra = {one.hash: one.size for one in chunks(seed + 1, 200)}
    every = {one.hash: one.size for one in listed}
    some = dict(list(every.items())[::2])
    servers = {"http://one": Server(1, {**every, **extra}), "http://two": Server(2, some)}
    met: list[Listed] = []
    for page in await pages(walker(listed, servers), ONE, TWO):
        assert len(page.listed) <= 10
        assert not page.silent
        met += page.listed
        for one in page.listed:
            assert page.held[FileserverId(1)].good[one.hash] == one.size
            assert (one.hash in page.held[FileserverId(2)].good) == (one.hash in some)
    assert met == listed


async def test_an_empty_list_is_one_page_that_still_asks() -> None:
    rotten = Hash(b"r" * 32)
    servers = {"http://one": Server(1, {rotten: 5}, corrupt={rotten})}
    (page,) = await pages(walker([], servers), ONE, deep=True)
    assert page.listed == []
    assert page.held[FileserverId(1)].corrupt == {rotten}


async def test_only_a_deep_walk_reads_bytes(seed: int) -> None:
    listed = chunks(seed, 3)
    server = Server(1, {one.hash: one.size for one in listed}, corrupt={listed[1].hash})
    (shallow,) = await pages(walker(listed, {"http://one": server}), ONE)
    (deep,) = await pages(walker(listed, {"http://one": server}), ONE, deep=True)
    assert shallow.held[FileserverId(1)].corrupt == frozenset()
    assert deep.held[FileserverId(1)].corrupt == {listed[1].hash}
    assert listed[1].hash not in deep.held[FileserverId(1)].good


async def test_whoever_does_not_answer_is_asked_no_more(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventories, "PAGE_CHUNKS", 10)
    listed = chunks(seed, 50)
    every = {one.hash: one.size for one in listed}
    one, two = Server(1, every, page=100), Server(2, every, page=100)
    two.dead_after = 2
    seen = await pages(walker(listed, {"http://one": one, "http://two": two}), ONE, TWO)
    assert len(seen) == 6
    assert [FileserverId(2) in page.held for page in seen] == [True, True, False, False, False, False]
    assert "nobody at home" in seen[-1].silent[FileserverId(2)]
    assert len(two.asked) == 3
    assert all(FileserverId(1) in page.held for page in seen)


async def test_another_server_at_the_address_is_not_believed(seed: int) -> None:
    listed = chunks(seed, 3)
    stranger = Server(9, {one.hash: one.size for one in listed})
    (page,) = await pages(walker(listed, {"http://one": stranger}), ONE)
    assert page.held == {}
    assert "fileserver 9" in page.silent[FileserverId(1)]


async def test_an_inventory_that_goes_in_circles_ends(seed: int) -> None:
    class Circle(Server):
        async def call(self, endpoint: Any, request: InventoryRequest, *, timeout_s: float) -> InventoryReply:
            return InventoryReply(fileserver=1, boot="b", chunks=[], next=request.low)

    (page,) = await pages(walker(chunks(seed, 1), {"http://one": Circle(1, {})}), ONE)
    assert page.held == {}
    assert "circles" in page.silent[FileserverId(1)]


async def test_the_deadline_is_looked_at_between_pages(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventories, "PAGE_CHUNKS", 1)
    clock = ManualClock()
    walked = walker(chunks(seed, 5), {}, clock)
    pages = walked.walk(b"", None, [], deadline=clock.monotonic() + 3)
    for _ in range(3):
        assert len((await anext(pages)).listed) == 1
        clock.advance(1)
    with pytest.raises(DeadlineExceeded):
        await anext(pages)


async def test_the_last_hash_of_all_ends_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventories, "PAGE_CHUNKS", 1)
    last = Listed(Hash(b"\xff" * 32), 1, 1)
    server = Server(1, {last.hash: 1})
    (page,) = await pages(walker([last], {"http://one": server}), ONE)
    assert page.listed == [last]
    assert page.held[FileserverId(1)].good == {last.hash: 1}
