"""Waiting for one's turn instead of being refused: what `--wait SECONDS` stands on.

A commit that is refused because somebody holds a lock asks for an exclusive lock where that was in the way,
waits for it, and is sent again, the same request, with that lock's proof; and so on while others are in the
way elsewhere, up to a limit. What was locked for it is released after it. What belongs here: that. What does
not: sending (`client/commit.py`). Used from one event loop; `waiting` in any thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, TypeVar

from cairnfs.client.locks import held
from cairnfs.client.locks.asked import Asked
from cairnfs.client.locks.held import Holding
from cairnfs.errors import BadRequest, Locked, LockLost
from cairnfs.ids import Path
from cairnfs.wire.locks import LockProof

if TYPE_CHECKING:
    from cairnfs.client.control import Control

A = TypeVar("A")

#: So many locks in the way of one commit are waited for, one after the other.
TURNS_MAX = 100
_FOR_EVER = float("inf")

#: How long each commit made here waits for its turn, in seconds; None: not at all.
_limit: ContextVar[float | None] = ContextVar("cairn_waiting", default=None)

#: Sends a commit with these proofs, until its outcome is known.
Send = Callable[[Sequence[LockProof]], Awaitable[A]]


@contextmanager
def waiting(files: object, seconds: float | None) -> Iterator[None]:
    """Commits in the body that a lock is in the way of wait for their turn: each so long, with None for ever.

    When its time is over, a commit is refused with Locked, as it would have been at once, and changed
    nothing. Raises Deadlock where waiting for each other would never end.
    """
    if seconds is not None and not seconds >= 0:
        raise BadRequest("one's turn is waited for 0 seconds or longer")
    before = _limit.get()
    _limit.set(_FOR_EVER if seconds is None else seconds)
    try:
        yield
    finally:
        _limit.set(before)


def bring(context: Context) -> None:
    """Have work in this other context go on under the locks held here too, and wait as is asked here."""
    shown, limit = held.everywhere(), _limit.get()
    if shown:
        context.run(held.enter_all, shown)
    if limit is not None:
        context.run(_limit.set, limit)


def is_plain(control: Control) -> bool:
    """Whether a commit made here has nothing to do with locks."""
    return not (held.anything_here() or control.locks.inherited or _limit.get())


async def in_turn(control: Control, send: Send[A]) -> A:
    """Send a commit under the locks that are held here, and wait for its turn where that is asked for."""
    limit_s = _limit.get()
    desk = control.locks.desk
    if not limit_s or desk is None:
        return await _send(control, send, ())
    until = control.clock.monotonic() + limit_s
    taken: list[Holding] = []
    ways: set[tuple[bytes, bool]] = set()
    try:
        while True:
            try:
                return await _send(control, send, taken)
            except Locked as error:
                left_s = until - control.clock.monotonic()
                if error.where is None or left_s <= 0 or len(taken) >= TURNS_MAX:
                    raise
                way = (error.where, error.subtree)
                if way in ways:
                    # Its lock is shown, and does not help.
                    raise
                ways.add(way)
                wait_s = None if left_s == _FOR_EVER else left_s
                asked = Asked([Path(error.where)], subtree=error.subtree, follow=False, wait_s=wait_s)
                taken.append(await desk.take_turn(asked))
            except LockLost:
                # Nothing was changed. What was locked only for this can be locked again.
                if control.clock.monotonic() >= until or not taken or control.locks.proofs():
                    raise
                await _release(control, taken)
                taken.clear()
                ways.clear()
    except asyncio.CancelledError:
        for holding in taken:
            desk.give_back_later(holding)
        taken.clear()
        raise
    finally:
        await _release(control, taken)


async def _send(control: Control, send: Send[A], taken: Sequence[Holding]) -> A:
    """Send it when each lock that is shown may be relied on. Raises LockLost."""
    own = [*control.locks.holdings(), *taken]
    while True:
        for holding in own:
            await holding.ready()
        if not any(holding.is_changing for holding in own):
            break
    with ExitStack() as uses:
        for holding in own:
            uses.enter_context(holding.used())
        proofs = control.locks.proofs(taken)
        try:
            return await send(proofs)
        except LockLost:
            if control.locks.desk is not None:
                control.locks.desk.doubt(own)
            raise


async def _release(control: Control, taken: Sequence[Holding]) -> None:
    desk = control.locks.desk
    if taken and desk is not None:
        await asyncio.gather(*(desk.give_back(holding) for holding in taken))
