"""Known ways to get it wrong, planted on purpose: the tests must find each of them.

What belongs here: one context manager a bug; within it all of Cairn in this process has the bug. What
does not: the stories that find them (`tests/`). A bug that no story finds is a hole in the tests.

Threads: switch a bug on before the driver is made and off after it is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.metadata import batch
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.settle import Settle
from cairnfs.metadata.state import State
from cairnfs.wire.commits import SettleReply


@contextmanager
def answering_before_commit() -> Iterator[None]:
    """The driver tells its callers as soon as it has decided, while COMMIT is still to come."""
    honest = batch.Attempt.run

    def hasty(attempt: batch.Attempt, tx: Tx) -> Any:
        outcomes, event = honest(attempt, tx)
        batch.publish(attempt.tasks, outcomes)
        for task in attempt.tasks:
            task.future.get_loop().call_soon_threadsafe(task.tell)
        return outcomes, event

    with patch.object(batch.Attempt, "run", hasty):
        yield


@contextmanager
def abort_answered_but_not_recorded() -> Iterator[None]:
    """`settle` says "aborted" of a request that nobody knows, and leaves it unknown."""
    honest = Settle.apply

    def forgetful(settle: Settle, state: State) -> SettleReply:
        mark = state.mark()
        reply = honest(settle, state)
        state.undo(mark)
        return reply

    with patch.object(Settle, "apply", forgetful):
        yield


@contextmanager
def running_again_after_an_unknown_commit() -> Iterator[None]:
    """After an unknown COMMIT the driver runs its operations again without looking for their replies."""

    def blind(operation: batch.Operation[Any], state: State) -> None:
        return None

    with patch.object(batch, "_known", blind):
        yield
