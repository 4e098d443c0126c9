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
from cairnfs.client.locks.here import TakesTurns
from cairnfs.client.retry import Pauses
from cairnfs.errors import BadRequest, Deadlock, Locked, LockLost
from cairnfs.ids import Path
from cairnfs.net.deadlines import within
from cairnfs.wire.locks import LockProof

if TYPE_CHECKING:
    from cairnfs.client.control import Control

A = TypeVar("A")

#: So many locks in the way of one commit are waited for, one after the other.
TURNS_MAX = 100
_FOR_EVER = float("inf")
_LONG_S = 365 * 24 * 3600.0

#: How long each commit made here waits for its turn, in seconds; None: not at all.
_limit: ContextVar[float | None] = ContextVar("cairn_waiting", default=None)

#: Sends a commit with these proofs, until its outcome is known.
Send = Callable[[Sequence[LockProof]], Awaitable[A]]


@contextmanager
def waiting(files: object, seconds: float | None) -> Iterator[None]:
    """Commits in the body that a lock is in the way of wait for their turn: each so long, with None for ever.

    When its time is over, a commit is refused with Locked, as it would have been at once, and changed
    nothing. Raises Deadlock where waiting would never end, because of locks that are held here.
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
    turns = _Turns(control, desk, control.clock.monotonic() + limit_s)
    try:
        while True:
            try:
                return await _send(control, send, turns.taken)
            except Locked as error:
                await turns.wait(error)
            except LockLost:
                # Nothing was changed. What was locked only for this can be locked again.
                if turns.is_over or not turns.taken or control.locks.proofs():
                    raise
                await turns.begin_anew()
    except asyncio.CancelledError:
        turns.drop()
        raise
    finally:
        await turns.end()


class _Turns:
    """What one commit has waited for."""

    def __init__(self, control: Control, desk: TakesTurns, until: float) -> None:
        """`until` in seconds of the monotonic clock; infinity for ever."""
        self.taken: list[Holding] = []
        self._ways: dict[tuple[bytes, bool], None] = {}
        self._clock = control.clock
        self._pauses = Pauses(self._clock, until - self._clock.monotonic())
        self._desk = desk
        self._until = until
        #: All that one commit waits for is one owner's: that of the body in which it is made, if there is
        #: one. Else nobody could see that it waits in a circle.
        self._owner = held.owner_here(control.locks.circle, None) or held.new_owner()
        self._queue = desk.queue(self._owner)
        self._first = False

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self._clock.monotonic() >= self._until

    async def wait(self, refused: Locked) -> None:
        """Wait for the turn where a lock was in the way. Raises `refused` where that would not help."""
        if refused.where is None or self.is_over:
            raise refused
        if not self._first and await self._become_first(refused):
            return
        way = (refused.where, refused.subtree)
        if way in self._ways:
            # Its lock is shown, and does not help: something else goes on there that ends by itself.
            await self._pauses.after(refused)
            return
        if len(self._ways) >= TURNS_MAX:
            raise refused
        self._ways[way] = None
        try:
            await self._take([refused.where], subtree=refused.subtree)
        except Deadlock:
            if not self.taken:
                raise
            # Who holds nothing waits in no circle: so all at once.
            await self.give_back()
            await self._take([where for where, _ in self._ways], subtree=any(tree for _, tree in self._ways))

    async def _become_first(self, refused: Locked) -> bool:
        """Wait until no other commit of this owner waits. Whether one did, and may have been in the way."""
        waited = self._queue.locked()
        left_s = self._until - self._clock.monotonic()
        try:
            async with within(self._clock, min(left_s, _LONG_S)):
                await self._queue.acquire()
        except TimeoutError:
            raise refused from None
        self._first = True
        return waited

    async def end(self) -> None:
        """Release what was taken; the next one of this owner may wait."""
        try:
            await self.give_back()
        finally:
            if self._first:
                self._first = False
                self._queue.release()

    async def _take(self, places: Sequence[bytes], *, subtree: bool) -> None:
        left_s = max(self._until - self._clock.monotonic(), 0.0)
        wait_s = None if left_s == _FOR_EVER else left_s
        paths = [Path(place) for place in dict.fromkeys(places)]
        asked = Asked(paths, subtree=subtree, follow=False, wait_s=wait_s)
        self.taken.append(await self._desk.take_turn(asked, self._owner))

    async def begin_anew(self) -> None:
        """What was taken is not held any more."""
        self._ways.clear()
        await self.give_back()

    async def give_back(self) -> None:
        """Release what was taken."""
        taken, self.taken = self.taken, []
        if taken:
            await asyncio.gather(*(self._desk.give_back(holding) for holding in taken))

    def drop(self) -> None:
        """Release it without waiting."""
        for holding in self.taken:
            self._desk.give_back_later(holding)
        self.taken = []


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
