"""Group commit: one database tx for all operations that wait, and what happens when it fails.

    lock the clock -> load replies -> prefetch -> each operation in order -> flush -> COMMIT -> answers

What belongs here: the order above, repeating, telling "it did not happen" from "nobody knows". What
does not: threads and futures (`lane.py`), deciding (`ops/`), SQL (`rows/`). Outcomes are kept aside
until COMMIT has returned; only then do the tasks learn of them.

Threads: the committer's alone.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog

from cairnfs.clock import Clock
from cairnfs.errors import Busy, CairnError, DeadlineExceeded, Deadlock, Internal, Locked, OutcomeUnknown
from cairnfs.metadata import guard, replies
from cairnfs.metadata.databases.seam import Again, CommitUnknown, Database, Tx
from cairnfs.metadata.databases.watched import Watched
from cairnfs.metadata.effects import CommitEvent
from cairnfs.metadata.lane import RETRY_AFTER_MS, Task
from cairnfs.metadata.patience import Patience
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows.replies import ReplyKey, StoredReply
from cairnfs.metadata.state import State, Want
from cairnfs.metadata.state.placement import PlacesCache

A_co = TypeVar("A_co", covariant=True)
T = TypeVar("T")
#: A batch that asks about as much as this is large.
_LARGE_FROM = 4_000
_log = structlog.get_logger("metadata.batch")


class Operation(Protocol[A_co]):
    """A change: prepared outside, decided and written inside the clock. A frozen value.

    One that shows locks has them in an attribute `locks` (`state/locks.Shown`); for all others, too, what
    they did to the tree is held against the locks of others (`guard`).
    """

    @property
    def deadline(self) -> float:
        """In seconds of `clock.monotonic()`: later than this it is refused (DeadlineExceeded)."""
        ...

    @property
    def reply_key(self) -> ReplyKey | None:
        """Under which the first answer is kept; None: nobody can ask for it again."""
        ...

    @property
    def answer_type(self) -> type[Any] | None:
        """As what a kept answer is read back; None for an operation that answers None."""
        ...

    def wants(self) -> Iterable[Want]:
        """What it will ask about: looked up for the whole batch at once."""
        ...

    def apply(self, state: State) -> A_co:
        """Check, then change `state`. Raises CairnError to refuse; may be called again in another tx."""
        ...


class Outcome(NamedTuple):
    """What a task will be told if the tx commits: a value, or an error."""

    value: Any = None
    error: CairnError | None = None


class RefusedAfterChange(Exception):
    """A refusal came after a change that only a rollback takes back."""

    def __init__(self, refusal: CairnError) -> None:
        super().__init__(f"refused after a change: {refusal}")
        self.refusal = refusal


class Attempt:
    """One run of a batch's operations in one tx."""

    def __init__(self, tasks: Sequence[Task[Operation[Any]]], clock: Clock, places: PlacesCache) -> None:
        self.tasks = tasks
        self._clock = clock
        self._places = places

    def run(self, tx: Tx) -> tuple[list[Outcome], CommitEvent]:
        """Give the outcomes, in the order of the tasks; they count once the tx has committed."""
        watched = Watched(tx)
        before = clock_row.lock(watched)
        state = State(watched, before, self._places)
        keys = [task.asked.reply_key for task in self.tasks]
        state.load_replies((key.user_id, key.request_id) for key in keys if key is not None)
        new = [task.asked for task in self.tasks if _known(task.asked, state) is None]
        wants = [want for operation in new for want in operation.wants()]
        with _uncollected(large=len(wants) >= _LARGE_FROM):
            state.prefetch(wants)
            guard.prefetch(state, new)
            outcomes = [self._one(task.asked, state, watched) for task in self.tasks]
            state.flush()
        counters: dict[str, Any] = dict(state.counters)
        return outcomes, CommitEvent(before, replace(before, **counters), tuple(state.granted))

    def _one(self, operation: Operation[Any], state: State, watched: Watched) -> Outcome:
        key, known = operation.reply_key, _known(operation, state)
        try:
            if key is not None and known is not None:
                # Also past the deadline: "it will not take effect" would be a lie.
                return Outcome(replies.repeat(known, key.body_hash, operation.answer_type))
            if self._clock.monotonic() > operation.deadline:
                raise DeadlineExceeded
        except CairnError as error:
            return Outcome(error=error)
        return _apply(operation, state, watched)


@contextmanager
def _uncollected(*, large: bool) -> Iterator[None]:
    """Hold up Python's collector of cycles where a batch is large: it would go through all of the working set
    again and again while the clock is held, and find nothing."""
    if not large or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _known(operation: Operation[Any], state: State) -> StoredReply | None:
    key = operation.reply_key
    return None if key is None else state.reply(key.user_id, key.request_id)


def _apply(operation: Operation[Any], state: State, watched: Watched) -> Outcome:
    key, mark, changes = operation.reply_key, state.mark(), watched.changes
    try:
        answer = guard.apply(operation, state)
    except Internal:
        raise  # a defect, and never a first answer
    except CairnError as error:
        if watched.changes != changes:
            raise RefusedAfterChange(error) from error
        state.undo(mark)
        if key is not None:
            replies.keep_refusal(state, key, error)
        return Outcome(error=error)
    if key is not None:
        replies.keep_answer(state, key, answer)
    return Outcome(answer)


class Committer:
    """Runs batches against a database until every task has an answer."""

    def __init__(self, database: Database, clock: Clock, patience: Callable[[], Patience]) -> None:
        self._database = database
        self._clock = clock
        self._patience = patience
        self._places = PlacesCache()

    def commit(self, tasks: Sequence[Task[Operation[Any]]]) -> list[CommitEvent]:
        """Answer every task; give what was committed, in order."""
        patience = self._patience()
        left = tasks
        while left:
            attempt = Attempt(left, self._clock, self._places)
            try:
                outcomes, event = self._database.write(attempt.run)
            except CommitUnknown as error:
                left = _after_unknown(left, error)
                trouble: CairnError = error
            except Again as error:
                trouble = error
            except Exception as error:  # noqa: BLE001  (whatever it was, the tx was rolled back)
                return self._one_by_one(left, error)
            else:
                publish(left, outcomes)
                return [event]
            left = self._still_in_time(left)
            if left and not patience.pause():
                give_up(left, trouble)
                return []
        return []

    def _one_by_one(self, tasks: Sequence[Task[Operation[Any]]], error: Exception) -> list[CommitEvent]:
        """After a rollback for an unexpected error: find whose it is, without hurting the others."""
        if len(tasks) > 1:
            return [event for task in tasks for event in self.commit([task])]
        tasks[0].refuse(meaning(error))
        return []

    def _still_in_time(self, tasks: Sequence[Task[Operation[Any]]]) -> list[Task[Operation[Any]]]:
        """Refuse whose deadline has passed, where it is certain that nothing happened."""
        now, left = self._clock.monotonic(), []
        for task in tasks:
            if task.asked.deadline < now and not task.uncertain:
                task.refuse(DeadlineExceeded())
            else:
                left.append(task)
        return left


def publish(tasks: Sequence[Task[Any]], outcomes: Sequence[Outcome]) -> None:
    """Give each task its outcome: the COMMIT that they hang on has returned."""
    for task, outcome in zip(tasks, outcomes, strict=True):
        if outcome.error is not None:
            task.refuse(outcome.error)
        else:
            task.answer(outcome.value)


def give_up(tasks: Sequence[Task[Any]], trouble: CairnError) -> None:
    """The database did not come round: say so, and whether the change may have happened."""
    for task in tasks:
        error = OutcomeUnknown(trouble.detail) if task.uncertain else Busy(trouble.detail)
        error.retry_after_ms = RETRY_AFTER_MS
        task.refuse(error)


def meaning(error: Exception) -> CairnError:
    """What to tell whose operation failed by an exception; defects are logged here."""
    if isinstance(error, RefusedAfterChange):
        # What an operation that writes rows by itself (a sign-up) meets of locks, it meets after that.
        if not isinstance(error.refusal, (Locked, Deadlock)):
            _log.error("an operation refused after it had changed something", refusal=str(error.refusal))
        return error.refusal
    if isinstance(error, CairnError) and not isinstance(error, Internal):
        return error
    _log.error("an operation failed", exc_info=error)
    if isinstance(error, Internal):
        return error
    internal = Internal()
    internal.__cause__ = error
    return internal


def _after_unknown(tasks: Sequence[Task[Operation[Any]]], error: CommitUnknown) -> list[Task[Operation[Any]]]:
    """Who can find out under the clock, by the reply: the next attempt does. The others never will."""
    left = []
    for task in tasks:
        if task.asked.reply_key is None:
            task.refuse(OutcomeUnknown(error.detail))
        else:
            task.uncertain = True
            left.append(task)
    return left
