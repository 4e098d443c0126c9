"""The budget of bytes, and the courier that works under it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from cairnfs.client.cluster import Cluster
from cairnfs.client.courier import Courier, Item, Plan, Refuse, worst
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.transfer import BATCH_CHUNKS, Beat, Budget
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import BadRequest, Busy, NoSpace, NotAMember, TooFewCopies, Unreachable
from cairnfs.ids import FileserverId
from cairnfs.testing.clock import ManualClock

MIB = 1024 * 1024


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_first_gets_first() -> None:
    budget = Budget(8 * MIB)
    await budget.take(6 * MIB)
    large = asyncio.create_task(budget.take(4 * MIB))
    await settle()
    small = asyncio.create_task(budget.take(1))
    await settle()
    assert not large.done()
    assert not small.done(), "a small one must not overtake a large one for ever"
    assert not budget.try_take(1)
    budget.give(6 * MIB)
    await asyncio.gather(large, small)
    assert budget._free == 4 * MIB - 1


async def test_whoever_stops_waiting_leaves_no_gap() -> None:
    budget = Budget(4 * MIB)
    await budget.take(4 * MIB)
    waiting = [asyncio.create_task(budget.take(3 * MIB)) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    await settle()
    budget.give(4 * MIB)
    await waiting[1]
    waiting[2].cancel()
    await settle()
    budget.give(3 * MIB)
    assert budget._free == 4 * MIB


async def test_a_cancelled_turn_that_had_come_is_given_back() -> None:
    budget = Budget(4 * MIB)
    await budget.take(4 * MIB)
    waiting = asyncio.create_task(budget.take(4 * MIB))
    await settle()
    budget.give(4 * MIB)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget._free == 4 * MIB


class Bench:
    """A courier whose exchanges the test conducts."""

    def __init__(self, cluster: Cluster, stall_s: float = 1.0) -> None:
        self.clock = ManualClock()
        self.asked: list[tuple[str, int]] = []
        self.hang: set[str] = set()
        self.courier: Courier[str] = Courier(
            Plan(self.exchange, lambda _: [FileserverId(n) for n in (1, 2, 3)], worst, stall_s),
            cluster,
            self.clock,
        )

    async def exchange(
        self, address: str, items: Sequence[Item[str]], refuse: Refuse[str], beat: Beat
    ) -> None:
        self.asked.append((address[-1], len(items)))
        if address[-1] in self.hang:
            await asyncio.Event().wait()
        for item in items:
            if item.open:
                item.result.set_result(address[-1])

    def items(self, count: int) -> list[Item[str]]:
        made = [Item[str](hash_bytes(b"%d" % number), 10) for number in range(count)]
        for item in made:
            self.courier.carry(item)
        return made


@pytest.fixture
async def loaded(files: Filesystem) -> Cluster:
    await files.connection.cluster.load()
    return files.connection.cluster


async def test_what_comes_together_goes_together(loaded: Cluster) -> None:
    bench = Bench(loaded)
    items = bench.items(BATCH_CHUNKS + 50)
    assert await asyncio.gather(*(item.result for item in items)) == ["1"] * (BATCH_CHUNKS + 50)
    assert bench.asked == [("1", BATCH_CHUNKS), ("1", 50)]
    await bench.courier.close()


async def test_a_stall_asks_the_next_as_well_and_the_first_answer_counts(loaded: Cluster) -> None:
    bench = Bench(loaded)
    bench.hang = {"1"}
    (item,) = bench.items(1)
    await bench.clock.run(0.9)
    assert [address for address, _ in bench.asked] == ["1"]
    await bench.clock.run(0.5)
    assert [address for address, _ in bench.asked] == ["1", "2"]
    assert await item.result == "2"
    await settle()
    assert not bench.courier._attempts, "the one that hangs is not waited for"
    await bench.courier.close()


async def test_a_process_that_did_not_run_blames_nobody(loaded: Cluster) -> None:
    bench = Bench(loaded)
    bench.hang = {"1"}
    bench.items(1)
    await settle()
    # Stopped for a minute: all clocks went on, nothing could have been received.
    bench.clock.advance(60)
    await settle()
    await bench.clock.run(0.9)
    assert [address for address, _ in bench.asked] == ["1"]
    await bench.courier.close()


async def test_closing_ends_what_is_not_done(loaded: Cluster) -> None:
    bench = Bench(loaded)
    bench.hang = {"1", "2", "3"}
    items = bench.items(600)
    await settle()
    await bench.courier.close()
    assert not bench.courier._tasks
    late = bench.items(1)
    for item in items + late:
        with pytest.raises(BadRequest, match="closed"):
            await item.result


def test_the_worst_is_what_may_pass() -> None:
    def of(*errors: Exception) -> type[Exception]:
        return type(worst({FileserverId(n): error for n, error in enumerate(errors)}))  # type: ignore[misc]

    assert of(NoSpace(), Unreachable()) is Unreachable
    assert of(NotAMember(), Busy()) is Busy
    assert of(NoSpace(), NotAMember()) is NoSpace
    assert of() is TooFewCopies
