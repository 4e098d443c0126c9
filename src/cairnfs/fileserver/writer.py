"""The one thread that writes: it takes everything that waits and stores it as one batch.

What belongs here: the bounded queue, coalescing, telling the callers. What does not: what a batch
is (`store`). Threads: `submit` from any, also from an event loop's (it never waits); `done` is called
in the writer's thread and must only hand the result on.

While one batch is being fsynced the next one gathers, so the more callers there are, the more chunks
share an fsync; a lone caller waits for nothing but its own. The way to the thread and back costs a small
batch as much as its fsync: while the disk is quick and nothing else is to be written, an event loop may
write one itself (`write_here`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import structlog

from cairnfs.clock import Clock, SystemClock
from cairnfs.fileserver.puts import Outcome, Put
from cairnfs.fileserver.trouble import StoreClosed, StoreError, WriteFailed, WriterBusy

log = structlog.get_logger("fileserver.writer")

#: What a caller is told: an outcome for each of its puts, or what went wrong with all of them.
Answer = list[Outcome] | StoreError
Done = Callable[[Answer], None]

_CLOSE_TIMEOUT_S = 60.0
#: After so many batches in a row of which none took longer, the disk counts as quick.
QUICK_BATCHES = 8
QUICK_S = 0.001


class Batches(Protocol):
    """What the writer needs of a store."""

    def put_many(self, puts: Sequence[Put]) -> list[Outcome | StoreError]:
        """See Store.put_many."""
        ...


class Submission(NamedTuple):
    """What one caller wants stored, of `size` bytes, and whom to tell."""

    puts: Sequence[Put]
    size: int
    done: Done


class Writer:
    """Writes to one store. Puts of one submission always go into one batch."""

    def __init__(
        self,
        store: Batches,
        *,
        queue_bytes: int = 128 * 1024 * 1024,
        queue_puts: int = 65_536,
        batch_bytes: int = 16 * 1024 * 1024,
        batch_puts: int = 2048,
        clock: Clock | None = None,
    ) -> None:
        """Starts the thread. The queue's limits refuse (WriterBusy), the batch's limits only cut."""
        self._store = store
        self._queue_bytes, self._queue_puts = queue_bytes, queue_puts
        self._batch_bytes, self._batch_puts = batch_bytes, batch_puts
        self._waiting: deque[Submission] = deque()
        self._bytes = self._puts = 0
        self._closing = False
        #: Somebody writes just now; and how many batches were quick since one was not.
        self._writing = False
        self._quick = 0
        self._clock = clock or SystemClock()
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="cairn-writer", daemon=True)
        self._thread.start()

    def submit(self, puts: Sequence[Put]) -> Future[list[Outcome]]:
        """Store these; the future has their outcomes once all are durable.

        It raises ChunkRefused if one of them is refused (the others may be stored), else what
        Store.put_many raises. Raises WriterBusy, StoreClosed at once.
        """
        future: Future[list[Outcome]] = Future()

        def done(answer: Answer) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if isinstance(answer, StoreError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self.submit_with(puts, done)
        return future

    def submit_with(self, puts: Sequence[Put], done: Done) -> None:
        """Like `submit`, but calls `done` with the answer, in the writer's thread."""
        size = payload_bytes(puts)
        with self._change:
            if self._closing:
                raise StoreClosed("the writer is closed")
            # A submission that is large by itself is taken when nothing else waits.
            if self._waiting and (
                self._bytes + size > self._queue_bytes or self._puts + len(puts) > self._queue_puts
            ):
                raise WriterBusy(f"{self._puts} chunks of {self._bytes} bytes wait to be written")
            self._waiting.append(Submission(puts, size, done))
            self._bytes += size
            self._puts += len(puts)
            self._change.notify()

    @property
    def may_write_here(self) -> bool:
        """Whether `write_here` would do it now."""
        return self._quick >= QUICK_BATCHES and not (self._writing or self._waiting or self._closing)

    def write_here(self, batch: Sequence[Submission]) -> bool:
        """Write a small batch in the caller's thread and tell everybody; False: nothing was done.

        Only where that takes about a millisecond: the disk has been quick, and nobody is writing.
        """
        with self._change:
            if not self.may_write_here:
                return False
            self._writing = True
        try:
            self._write(batch)
        finally:
            self._rest()
        return True

    def _rest(self) -> None:
        with self._change:
            self._writing = False
            self._change.notify()

    def close(self) -> None:
        """Write what waits, then stop. Raises StoreClosed if the disk does not let it."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(_CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            raise StoreClosed("the writer did not finish")

    def _run(self) -> None:
        while batch := self._next():
            self._write(batch)
            self._rest()
            del batch  # what was written is not to be kept in memory until the next batch comes

    def _next(self) -> list[Submission]:
        """What is written next: the longest waiting, at least one; nothing when it is time to stop."""
        with self._change:
            while self._writing or not (self._waiting or self._closing):
                self._change.wait()
            self._writing = bool(self._waiting)
            batch: list[Submission] = []
            size = puts = 0
            while self._waiting:
                first = self._waiting[0]
                size += first.size
                puts += len(first.puts)
                if batch and (size > self._batch_bytes or puts > self._batch_puts):
                    break
                batch.append(self._waiting.popleft())
                self._bytes -= first.size
                self._puts -= len(first.puts)
            return batch

    def _write(self, batch: Sequence[Submission]) -> None:
        began, quick = self._clock.monotonic(), self._quick
        self._quick = 0
        try:
            outcomes = self._store.put_many([put for submission in batch for put in submission.puts])
            self._quick = quick + 1 if self._clock.monotonic() - began <= QUICK_S else 0
        except StoreError as error:
            log.warning("a batch failed", chunks=sum(len(one.puts) for one in batch), error=str(error))
            for submission in batch:
                submission.done(error)
            return
        except Exception as error:
            # A defect must not leave callers waiting, nor end the thread: it is told and logged.
            log.exception("a batch failed by a defect")
            failure = WriteFailed(f"{type(error).__name__}: {error}")
            for submission in batch:
                submission.done(failure)
            return
        start = 0
        for submission in batch:
            end = start + len(submission.puts)
            submission.done(_answer(outcomes[start:end]))
            start = end


def payload_bytes(puts: Sequence[Put]) -> int:
    """Of all of them together."""
    return sum(len(put.payload) for put in puts)


def _answer(outcomes: list[Outcome | StoreError]) -> Answer:
    good = []
    for outcome in outcomes:
        if isinstance(outcome, StoreError):
            return outcome
        good.append(outcome)
    return good
