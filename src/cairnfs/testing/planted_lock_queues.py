"""Known ways to get queues of locks wrong, planted on purpose: the checker of lock histories must find each.

What belongs here: one context manager a bug; within it all of Cairn in this process has the bug. Bugs of the
commit's check are in `planted_locks`, those of clients in `planted_lock_client`. Not to be switched while
operations run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from cairnfs.core.locks.request import Request
from cairnfs.ids import SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.locks import promote
from cairnfs.metadata.rows import lock_looks, locks
from cairnfs.metadata.rows.lock_looks import Ask
from cairnfs.metadata.state import State


@contextmanager
def readers_overtake() -> Iterator[None]:
    """Whoever wants to share looks only at who holds, not at the writer who has waited for long."""
    honest = lock_looks.in_the_way

    def impatient(tx: Tx, asks: Sequence[Ask]) -> tuple[list[int], list[int]]:
        holds, waits = honest(tx, asks)
        return holds, (waits if any(ask.exclusive for ask in asks) else [])

    with patch.object(lock_looks, "in_the_way", impatient):
        yield


@contextmanager
def the_dead_wait_on() -> Iterator[None]:
    """With a session ends what it held, but not what it waited for: one day that is granted, to nobody."""

    def careless(state: State, sessions: Sequence[SessionId]) -> None:
        rows = locks.find(state.tx, locks.of_sessions(state.tx, sessions, 1_000))
        promote.free(state, [number for number, row in rows.items() if row.fence])

    with patch.object(promote, "free_sessions", careless):
        yield


@contextmanager
def waiters_forgotten() -> Iterator[None]:
    """Every third of those who wait is never thought of again."""
    honest = promote.grant

    def lazy(state: State, candidates: Iterable[int]) -> None:
        honest(state, [number for number in candidates if number % 3])

    with patch.object(promote, "grant", lazy):
        yield


@contextmanager
def last_come_first_served() -> Iterator[None]:
    """Of those who wait, whoever came last is granted what is free."""

    def upside_down(state: State, asked: Sequence[Request]) -> list[int]:
        held = promote._held(state, asked)
        return [one.number for one in reversed(asked) if not promote._barred(one, held)][:1]

    with patch.object(promote, "_grantable", upside_down):
        yield
