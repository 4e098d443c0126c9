"""The limit on failures: so many at once, then as time allows; bounded however many names are tried."""

from __future__ import annotations

import pytest

from cairnfs.control.auth.limits import Allowance, Buckets, FailedLogins
from cairnfs.errors import TooManyLogins
from cairnfs.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def failed(clock: ManualClock) -> FailedLogins:
    return FailedLogins(
        clock, per_name=Allowance(burst=3, every_s=30), per_peer=Allowance(burst=5, every_s=6)
    )


def test_after_so_many_failures_one_waits(failed: FailedLogins, clock: ManualClock) -> None:
    for _ in range(3):
        failed.attempt("ann", "1.1.1.1")
    with pytest.raises(TooManyLogins) as refusal:
        failed.attempt("ann", "2.2.2.2")
    assert refusal.value.retry_after_ms is not None
    assert 29_900 <= refusal.value.retry_after_ms <= 30_001
    clock.advance(refusal.value.retry_after_ms / 1000)
    failed.attempt("ann", "2.2.2.2")
    with pytest.raises(TooManyLogins):
        failed.attempt("ann", "2.2.2.2")


def test_a_refused_attempt_does_not_make_it_longer(failed: FailedLogins, clock: ManualClock) -> None:
    for _ in range(3):
        failed.attempt("ann", "1.1.1.1")
    for _ in range(100):
        with pytest.raises(TooManyLogins):
            failed.attempt("ann", "1.1.1.1")
    clock.advance(30.1)
    failed.attempt("ann", "1.1.1.1")


def test_another_name_is_not_concerned_but_the_peer_is(failed: FailedLogins) -> None:
    for _ in range(3):
        failed.attempt("ann", "1.1.1.1")
    failed.attempt("bob", "1.1.1.1")
    failed.attempt("carl", "1.1.1.1")
    with pytest.raises(TooManyLogins):
        failed.attempt("dora", "1.1.1.1")
    failed.attempt("dora", "2.2.2.2")


def test_success_forgets_the_names_failures_but_not_the_peers_others(failed: FailedLogins) -> None:
    failed.attempt("ann", "1.1.1.1")
    failed.attempt("ann", "1.1.1.1")
    failed.succeeded("ann", "1.1.1.1")
    for _ in range(3):
        failed.attempt("ann", "2.2.2.2")
    for name in ("bob", "bob", "bob", "carl"):
        failed.attempt(name, "1.1.1.1")
    with pytest.raises(TooManyLogins):
        failed.attempt("dora", "1.1.1.1")


def test_any_number_of_successes_is_allowed(failed: FailedLogins) -> None:
    for _ in range(100):
        failed.attempt("ann", "1.1.1.1")
        failed.succeeded("ann", "1.1.1.1")


def test_attempts_count_before_they_are_judged(failed: FailedLogins) -> None:
    for _ in range(3):
        failed.attempt("ann", "1.1.1.1")
    with pytest.raises(TooManyLogins):
        failed.attempt("ann", "1.1.1.1")


def test_an_attempt_that_was_not_judged_does_not_count(failed: FailedLogins) -> None:
    for _ in range(100):
        failed.attempt("ann", "1.1.1.1")
        failed.withdraw("ann", "1.1.1.1")


def test_memory_is_bounded_and_the_latest_failures_are_kept(clock: ManualClock) -> None:
    buckets = Buckets(Allowance(burst=1, every_s=60), clock, buckets_max=10)
    for number in range(1000):
        buckets.fill(b"%d" % number, 1)
    assert len(buckets) == 10
    assert buckets.wait_s(b"999") > 0
    assert buckets.wait_s(b"0") == 0


def test_whatever_is_sent_as_a_name_is_counted(failed: FailedLogins) -> None:
    for name in ("", "x" * 100_000, "\0", "\ud800"):
        failed.attempt(name, "1.1.1.1")
