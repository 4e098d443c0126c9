"""Who is next: order within a kind, turns between small and large, limits on a batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cairnfs.metadata.waiting import LARGE_FROM, WEIGHT_MAX, Waiting


def test_tasks_are_taken_in_order_up_to_the_limit() -> None:
    waiting: Waiting[int] = Waiting(batch_max=3)
    for number in range(7):
        waiting.put(number, 1)
    assert [waiting.take() for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_small_and_large_take_turns() -> None:
    waiting: Waiting[str] = Waiting(batch_max=10)
    for number in range(3):
        waiting.put(f"large {number}", WEIGHT_MAX)
    waiting.put("small 0", 1)
    waiting.put("small 1", LARGE_FROM - 1)
    batches = [waiting.take() for _ in range(3)]
    assert batches == [["large 0"], ["small 0", "small 1"], ["large 1"]]
    waiting.put("small 2", 1)
    assert [waiting.take() for _ in range(2)] == [["small 2"], ["large 2"]]


def test_a_batch_ends_when_it_weighs_enough() -> None:
    waiting: Waiting[int] = Waiting(batch_max=100)
    for number in range(5):
        waiting.put(number, WEIGHT_MAX // 2)
    assert [waiting.take() for _ in range(3)] == [[0, 1], [2, 3], [4]]


def test_whoever_waits_is_woken() -> None:
    waiting: Waiting[int] = Waiting(batch_max=10)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(waiting.take)
        waiting.put(1, 1)
        assert first.result(20) == [1]
        takers = [pool.submit(waiting.take) for _ in range(2)]
        waiting.end()
        assert [taker.result(20) for taker in takers] == [[], []]


def test_the_end_comes_after_all_that_waits() -> None:
    waiting: Waiting[int] = Waiting(batch_max=1)
    waiting.put(1, 1)
    waiting.put(2, WEIGHT_MAX)
    waiting.end()
    assert sorted(waiting.take() + waiting.take()) == [1, 2]
    assert waiting.take() == []


def test_nobody_is_put_into_the_batch_of_one_so_large() -> None:
    waiting: Waiting[str] = Waiting(batch_max=10)
    waiting.put("large", WEIGHT_MAX // 4)
    waiting.put("huge", 50 * WEIGHT_MAX)
    waiting.put("large too", WEIGHT_MAX // 4)
    assert [waiting.take() for _ in range(3)] == [["large"], ["huge"], ["large too"]]


def test_what_weighs_nothing_waits_for_one_batch_and_nobody_waits_for_ever_behind_it() -> None:
    waiting: Waiting[str] = Waiting(batch_max=2)
    for number in range(3):
        waiting.put(f"small {number}", 1)
    waiting.put("large", LARGE_FROM)
    for number in range(5):
        waiting.put(f"light {number}", 0)
    batches = [waiting.take() for _ in range(6)]
    assert batches[::2] == [["light 0", "light 1"], ["light 2", "light 3"], ["light 4"]]
    assert batches[1::2] == [["large"], ["small 0", "small 1"], ["small 2"]]
    waiting.put("light 5", 0)
    assert waiting.take() == ["light 5"]
