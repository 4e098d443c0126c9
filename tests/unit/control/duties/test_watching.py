"""The counter rule: unchanged for a whole lease of the watcher's own waking time, and not before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cairnfs.control.duties.watching import Watch


def test_a_counter_that_stands_still_is_counted_by_the_watchers_time() -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    assert watch.look({"a": 1}, 100.0) == {"a": 0}
    assert watch.look({"a": 1}, 101.0) == {"a": 1}
    assert watch.look({"a": 1}, 102.5) == {"a": 2.5}


def test_any_change_starts_again_even_a_lower_counter() -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    watch.look({"a": 5}, 0)
    watch.look({"a": 5}, 1)
    assert watch.look({"a": 4}, 2) == {"a": 0}


def test_a_new_key_starts_at_nothing_and_a_lost_one_is_forgotten() -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    watch.look({"a": 1}, 0)
    assert watch.look({"a": 1, "b": 1}, 1) == {"a": 1, "b": 0}
    assert watch.look({"b": 1}, 2) == {"b": 1}
    assert watch.look({"a": 1, "b": 1}, 3) == {"a": 0, "b": 2}


def test_a_watcher_that_slept_did_not_see() -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    watch.look({"a": 1}, 0)
    assert watch.look({"a": 1}, 3600) == {"a": 2}


def test_a_restart_gives_everyone_a_full_lease() -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    watch.look({"a": 1}, 0)
    watch.look({"a": 1}, 2)
    watch.forget()
    assert watch.look({"a": 1}, 4) == {"a": 0}


def test_time_that_goes_back_counts_for_nothing() -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    watch.look({"a": 1}, 10)
    assert watch.look({"a": 1}, 5) == {"a": 0}


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=60))
def test_nobody_is_found_still_longer_than_since_the_last_renewal(steps: list[tuple[float, bool]]) -> None:
    watch: Watch[str] = Watch(gap_max_s=2)
    now, counter, renewed = 0.0, 0, 0.0
    watch.look({"a": counter}, now)
    for passed, renews in steps:
        now += passed
        if renews:
            counter, renewed = counter + 1, now
        assert watch.look({"a": counter}, now)["a"] <= now - renewed + 1e-9
