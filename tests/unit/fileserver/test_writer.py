"""The writer's thread: many callers, one batch; nobody is told before it is durable, everybody is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait

import pytest

from cairnfs.fileserver.puts import Outcome, Put
from cairnfs.fileserver.trouble import (
    ChunkRefused,
    StoreClosed,
    StoreError,
    StoreFull,
    WriteFailed,
    WriterBusy,
)
from cairnfs.fileserver.writer import QUICK_BATCHES, QUICK_S, Answer, Submission, Writer
from cairnfs.ids import CommitNumber
from cairnfs.testing.clock import ManualClock
from tests.unit.fileserver.shelves import Shelf, datum, hash_of, put

WAIT_S = 20


class SlowStore:
    """Takes a batch when it is let; remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.error: Exception | None = None

    def put_many(self, puts: Sequence[Put]) -> list[Outcome | StoreError]:
        self.entered.release()
        assert self.let.acquire(timeout=WAIT_S)
        self.batches.append(len(puts))
        if self.error is not None:
            raise self.error
        return [Outcome.STORED for _ in puts]


def open_gate(store: SlowStore) -> None:
    for _ in range(100):
        store.let.release()


def test_what_waits_during_one_batch_is_the_next(shelf: Shelf) -> None:
    store = SlowStore()
    writer = Writer(store)
    first = writer.submit([put(b"first")])
    assert store.entered.acquire(timeout=WAIT_S)
    rest = [writer.submit([put(datum(number))]) for number in range(30)]
    assert not first.done()
    open_gate(store)
    assert first.result(WAIT_S) == [Outcome.STORED]
    assert [one.result(WAIT_S) for one in rest] == [[Outcome.STORED]] * 30
    assert store.batches == [1, 30]
    writer.close()


def test_a_batch_is_cut_at_its_limits_but_never_inside_a_submission() -> None:
    store = SlowStore()
    writer = Writer(store, batch_bytes=1000, batch_puts=10)
    futures = [writer.submit([put(b"first")])]
    assert store.entered.acquire(timeout=WAIT_S)
    futures += [writer.submit([put(datum(number, 400))]) for number in range(5)]
    futures.append(writer.submit([put(datum(number, 1)) for number in range(25)]))
    futures += [writer.submit([put(datum(number, 1)) for number in range(6)]) for _ in range(2)]
    open_gate(store)
    wait(futures, WAIT_S)
    assert store.batches == [1, 2, 2, 1, 25, 6, 6]
    writer.close()


def test_a_full_queue_refuses_and_takes_again() -> None:
    store = SlowStore()
    writer = Writer(store, queue_bytes=1000, queue_puts=10)
    writer.submit([put(b"first")])
    assert store.entered.acquire(timeout=WAIT_S)
    large = writer.submit([put(datum(1, 5000))])  # larger than the queue, but nothing else waits
    with pytest.raises(WriterBusy):
        writer.submit([put(b"x")])
    open_gate(store)
    large.result(WAIT_S)
    writer.submit([put(b"x")]).result(WAIT_S)
    writer.close()


def test_a_refused_put_fails_its_own_submission_only(shelf: Shelf) -> None:
    writer = Writer(shelf.open())
    wrong = Put(hash_of(b"promised"), b"given", CommitNumber(1))
    futures = [writer.submit([put(b"a")]), writer.submit([put(b"b"), wrong]), writer.submit([put(b"c")])]
    assert futures[0].result(WAIT_S) == futures[2].result(WAIT_S) == [Outcome.STORED]
    with pytest.raises(ChunkRefused):
        futures[1].result(WAIT_S)
    writer.close()


@pytest.mark.loud
def test_a_failed_fsync_fails_everybody_in_its_batch_and_nobody_after(shelf: Shelf) -> None:
    store = shelf.open()
    writer = Writer(store)
    writer.submit([put(b"before")]).result(WAIT_S)
    shelf.disk.fail_sync()
    with pytest.raises(WriteFailed):
        writer.submit([put(b"during")]).result(WAIT_S)
    assert writer.submit([put(b"after")]).result(WAIT_S) == [Outcome.STORED]
    shelf.disk.fill_up()
    with pytest.raises(StoreFull):
        writer.submit([put(datum(1, 3000))]).result(WAIT_S)
    shelf.disk.make_room()
    writer.close()
    assert store.get(hash_of(b"after")) == b"after"


@pytest.mark.loud
def test_a_defect_is_told_to_the_callers_and_the_thread_goes_on() -> None:
    store = SlowStore()
    open_gate(store)
    store.error = RuntimeError("a defect")
    writer = Writer(store)
    with pytest.raises(WriteFailed, match="a defect"):
        writer.submit([put(b"x")]).result(WAIT_S)
    store.error = None
    assert writer.submit([put(b"x")]).result(WAIT_S) == [Outcome.STORED]
    writer.close()


def test_closing_writes_what_waits_and_takes_nothing_more(shelf: Shelf) -> None:
    store = shelf.open()
    writer = Writer(store)
    futures = [writer.submit([put(datum(number))]) for number in range(50)]
    writer.close()
    assert all(one.done() and one.result() for one in futures)
    with pytest.raises(StoreClosed):
        writer.submit([put(b"late")])
    writer.close()
    assert store.stats().chunks == 50


def test_a_caller_who_gave_up_disturbs_nobody() -> None:
    store = SlowStore()
    writer = Writer(store)
    writer.submit([put(b"first")])
    assert store.entered.acquire(timeout=WAIT_S)
    gone: Future[list[Outcome]] = writer.submit([put(b"gone")])
    stays = writer.submit([put(b"stays")])
    assert gone.cancel()
    open_gate(store)
    assert stays.result(WAIT_S) == [Outcome.STORED]
    writer.close()


def test_many_callers_share_fsyncs(shelf: Shelf) -> None:
    store = shelf.open()
    writer = Writer(store)
    told: list[int] = []

    def call(start: int) -> None:
        for number in range(start, start + 50):
            assert writer.submit([put(datum(number))]).result(WAIT_S) == [Outcome.STORED]
            assert store.get(hash_of(datum(number))) == datum(number)
            told.append(number)

    callers = [threading.Thread(target=call, args=(start,)) for start in range(0, 400, 50)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(WAIT_S)
    assert sorted(told) == list(range(400))
    writer.close()


def rests(writer: Writer) -> None:
    with writer._change:
        assert writer._change.wait_for(lambda: not writer._writing, WAIT_S)


class TimedStore:
    """Takes a batch in as much time as the test says."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.takes_s = 0.0
        self.error: StoreError | None = None
        self.batches: list[tuple[str, int]] = []

    def put_many(self, puts: Sequence[Put]) -> list[Outcome | StoreError]:
        self.batches.append((threading.current_thread().name, len(puts)))
        self.clock.advance(self.takes_s)
        if self.error is not None:
            raise self.error
        return [Outcome.STORED for _ in puts]


class Here:
    """A writer for callers that would write by themselves."""

    def __init__(self) -> None:
        self.store = TimedStore()
        self.writer = Writer(self.store, clock=self.store.clock)
        self.told: list[Answer] = []

    def beside(self, times: int = 1) -> None:
        """Let the thread write so often, and rest."""
        for number in range(times):
            self.writer.submit([put(datum(number))]).result(WAIT_S)
        rests(self.writer)

    def here(self, *counts: int) -> bool:
        puts = [[put(datum(number)) for number in range(count)] for count in counts]
        return self.writer.write_here([Submission(each, 0, self.told.append) for each in puts])


@pytest.fixture
def here() -> Iterator[Here]:
    here = Here()
    yield here
    here.writer.close()


def test_while_the_disk_is_quick_callers_may_write_themselves(here: Here) -> None:
    assert not here.here(1), "nothing is known of the disk yet"
    here.beside(QUICK_BATCHES)
    assert here.here(2, 3)
    assert here.told == [[Outcome.STORED] * 2, [Outcome.STORED] * 3]
    assert here.store.batches[-1] == (threading.current_thread().name, 5), "one batch, one fsync"
    here.beside()
    assert here.store.batches[-1] == ("cairn-writer", 1)


def test_once_it_was_slow_the_thread_has_to_find_out_that_it_is_quick_again(here: Here) -> None:
    here.beside(QUICK_BATCHES)
    here.store.takes_s = 2 * QUICK_S
    assert here.here(1)
    here.store.takes_s = 0.0
    assert not here.here(1)
    here.beside(QUICK_BATCHES - 1)
    assert not here.here(1)
    here.beside()
    assert here.here(1)


@pytest.mark.loud
def test_a_failure_is_told_and_sends_the_next_to_the_thread(here: Here) -> None:
    here.beside(QUICK_BATCHES)
    here.store.error = StoreFull("planned")
    assert here.here(1, 1)
    assert here.told == [here.store.error] * 2
    here.store.error = None
    assert not here.here(1)


def test_nobody_writes_beside_the_thread() -> None:
    store = SlowStore()
    clock = ManualClock()
    writer = Writer(store, clock=clock)
    open_gate(store)
    for number in range(QUICK_BATCHES):
        writer.submit([put(datum(number))]).result(WAIT_S)
    while store.let.acquire(blocking=False):
        pass
    while store.entered.acquire(blocking=False):
        pass
    first = writer.submit([put(b"first")])
    assert store.entered.acquire(timeout=WAIT_S)
    told: list[Answer] = []
    assert not writer.write_here([Submission([put(b"second")], 6, told.append)])
    assert told == []
    open_gate(store)
    first.result(WAIT_S)
    writer.close()
    assert not writer.write_here([Submission([put(b"late")], 4, told.append)])
