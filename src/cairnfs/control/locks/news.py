"""News of locks: who waits for a grant, or follows a session's, and how they learn of it.

Grants of this process are heard of when their COMMIT has returned; those of other control-plane processes
when the feed looks at the clock row. Either way the fence there has grown, and one query for all that wait
tells which locks were granted. That a request is gone, or a session is over, is no grant: the clock row tells
that some request ended (numbers given less rows left), and who waits is looked for then, and once a second.

What belongs here: who waits, and the one loop that looks for all of them. What does not: granting (`metadata/
ops/locks`), answering (`waiting.py`, `events.py`), how many may wait (the endpoints say it). One event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import structlog

from cairnfs.clock import Clock
from cairnfs.control.feed import Feed
from cairnfs.errors import CairnError, Unavailable
from cairnfs.ids import SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import CommitEvent, Driver
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows import grants, sessions
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.rows.grants import Grant
from cairnfs.net.deadlines import within
from cairnfs.wire.locks import LockEvent

#: How often it is looked whether what is waited for is there still; sooner, where something ended.
SWEEP_S, SOON_S = 1.0, 0.2
#: Grants of one look.
PAGE = 1_000
#: What a stream has not taken yet; beyond it reads the database again.
PENDING_MAX = 1_000
K = TypeVar("K")
L = TypeVar("L")
_log = structlog.get_logger("cairnfs.control.locks")


class Listener:
    """One who waits for news. `wait` returns when there is some, or when time is over."""

    def __init__(self, news: News, clock: Clock) -> None:
        self._news = news
        self._clock = clock
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Wait for news. Raises Unavailable when the process is stopping."""
        if timeout_s > 0:
            try:
                async with within(self._clock, timeout_s):
                    await self._event.wait()
            except TimeoutError:
                pass
        self._event.clear()
        if self._news.closed:
            raise Unavailable("the server is stopping")

    def wake(self) -> None:
        """There is news."""
        self._event.set()


class Waiter(Listener):
    """Waits for one request. Woken without `granted`, it looks for itself how the request stands."""

    granted: LockEvent | None = None


class Follower(Listener):
    """Follows the grants of a session. `behind`: some were not told, and have to be read; `over`: so is the
    session."""

    def __init__(self, news: News, clock: Clock) -> None:
        super().__init__(news, clock)
        self.grants: deque[LockEvent] = deque()
        self.behind = True
        self.over = False

    def take(self, granted: LockEvent) -> None:
        """One more grant."""
        if len(self.grants) >= PENDING_MAX:
            self.fall_behind()
        elif not self.behind:
            self.grants.append(granted)
        self.wake()

    def fall_behind(self) -> None:
        """What comes now has to be read."""
        self.behind = True
        self.grants.clear()
        self.wake()


class _Point(NamedTuple):
    """How far grants go."""

    incarnation: int
    fence: int


class _Seen(NamedTuple):
    """What one look saw. `present` and `living`: None where it was not looked for them."""

    row: ClockRow
    granted: Sequence[Grant]
    present: set[int] | None
    living: Mapping[SessionId, object] | None


class News:
    """One for a control-plane process; `close` it before the feed."""

    def __init__(self, driver: Driver, feed: Feed, clock: Clock) -> None:
        self.closed = False
        self._driver = driver
        self._feed = feed
        self._clock = clock
        self._waiters: dict[int, set[Waiter]] = {}
        self._followers: dict[SessionId, set[Follower]] = {}
        self._task: asyncio.Task[None] | None = None
        self._stir = asyncio.Event()
        #: Incarnation and fence: all grants up to there were told (None before the first look); heard of.
        self._told: _Point | None = None
        self._newest = _Point(0, 0)
        #: So many requests had ended at the last sweep, and whether more have since.
        self._ended = 0
        self._more_ended = False
        self._swept_at = float("-inf")

    @contextmanager
    def waiting(self, lock: int) -> Iterator[Waiter]:
        """Be told of a request's grant or end while the body runs; look how it stands after entering."""
        waiter = Waiter(self, self._clock)
        with _listed(self._waiters, lock, waiter):
            self._go_on()
            yield waiter

    @contextmanager
    def following(self, session: SessionId) -> Iterator[Follower]:
        """Be told of a session's grants while the body runs."""
        follower = Follower(self, self._clock)
        with _listed(self._followers, session, follower):
            self._go_on()
            yield follower

    def is_awaited(self, lock: int) -> bool:
        """Whether anybody waits for this request here."""
        return lock in self._waiters

    async def close(self) -> None:
        """End all waits."""
        self.closed = True
        for listener in self._everyone():
            listener.wake()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _everyone(self) -> Iterator[Listener]:
        for waiters in self._waiters.values():
            yield from waiters
        for followers in self._followers.values():
            yield from followers

    # -- when to look --------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if not self.closed and (self._task is None or self._task.done()):
            self._told = None
            self._task = asyncio.create_task(self._run(), name="news of locks")

    def _heard(self, row: ClockRow, event: CommitEvent | None) -> None:
        """A clock row: of a commit of this process, or looked at."""
        point = _Point(row.incarnation, row.fence)
        if event is not None and self._told == _Point(event.before.incarnation, event.before.fence):
            # All that came before was told, and what came now is known: nobody has to look for it.
            self._tell_grants(event.granted, row)
            self._told, self._newest = point, max(self._newest, point)
        if point > self._newest:
            self._newest = point
            self._stir.set()
        if not self._more_ended and _ended(row) > self._ended:
            self._more_ended = True
            self._stir.set()

    async def _run(self) -> None:
        """Look until nobody has waited for a whole turn: who waits, waits again and again."""
        idle_since: float | None = None
        with self._feed.following(self._heard):
            while True:
                self._stir.clear()
                if self._waiters or self._followers:
                    idle_since = None
                    rest_s = await self._look()
                else:
                    now = self._clock.monotonic()
                    idle_since = now if idle_since is None else idle_since
                    rest_s = idle_since + SWEEP_S - now
                    if rest_s <= 0:
                        return
                try:
                    async with within(self._clock, rest_s):
                        await self._stir.wait()
                except TimeoutError:
                    pass

    def _sweep_in_s(self) -> float:
        due = self._swept_at + (SOON_S if self._more_ended else SWEEP_S)
        return max(due - self._clock.monotonic(), 0.0)

    async def _look(self) -> float:
        """Look if there may be something to see, and tell. Gives for how many seconds nothing has to be
        looked for that nobody hears of."""
        sweeping = self._sweep_in_s() <= 0
        if not sweeping and self._told is not None and self._newest <= self._told:
            return self._sweep_in_s()
        began, fence = self._clock.monotonic(), None if self._told is None else self._told.fence
        waited = list(self._waiters) if sweeping else None
        followed = list(self._followers) if sweeping else None
        try:
            seen = await self._driver.read(lambda tx: _seen(tx, fence, waited, followed))
        except CairnError as error:
            _log.info("news of locks could not be looked for", error=str(error))
            return SOON_S
        except Exception:  # noqa: BLE001 -- logged, and the next look may go well
            _log.exception("looking for news of locks failed")
            return SWEEP_S
        self._tell(seen)
        if sweeping:
            self._swept_at, self._ended, self._more_ended = began, _ended(seen.row), False
            self._tell_gone(seen, waited or (), followed or ())
        return self._sweep_in_s()

    # -- telling -------------------------------------------------------------------------------------

    def _tell(self, seen: _Seen) -> None:
        row, told = seen.row, self._told
        self._told = max(told or _Point(0, 0), _Point(row.incarnation, row.fence))
        if told is None or told.incarnation != row.incarnation:
            # Nobody knows what was granted in between: everybody looks for themselves.
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.wake()
            for followers in self._followers.values():
                for follower in followers:
                    follower.fall_behind()
            return
        self._tell_grants([one for one in seen.granted if one.fence > told.fence], row)
        if len(seen.granted) == PAGE:
            self._told = max(told, _Point(row.incarnation, seen.granted[-1].fence))
            self._newest = max(self._newest, _Point(row.incarnation, row.fence))
            self._stir.set()

    def _tell_grants(self, granted: Sequence[Grant], row: ClockRow) -> None:
        for grant in granted:
            event = LockEvent(lock=grant.lock, fence=grant.fence, incarnation=row.incarnation)
            for waiter in self._waiters.get(grant.lock, ()):
                waiter.granted = event
                waiter.wake()
            for follower in self._followers.get(grant.session, ()):
                follower.take(event)

    def _tell_gone(self, seen: _Seen, waited: Sequence[int], followed: Sequence[SessionId]) -> None:
        for lock in waited:
            if seen.present is not None and lock not in seen.present:
                for waiter in self._waiters.get(lock, ()):
                    waiter.wake()
        for session in followed:
            if seen.living is not None and session not in seen.living:
                for follower in self._followers.get(session, ()):
                    follower.over = True
                    follower.wake()


@contextmanager
def _listed(listeners: dict[K, set[L]], key: K, listener: L) -> Iterator[None]:
    listeners.setdefault(key, set()).add(listener)
    try:
        yield
    finally:
        present = listeners[key]
        present.discard(listener)
        if not present:
            del listeners[key]


def _ended(row: ClockRow) -> int:
    """A number that grows with each request that ends: those ever made, less those there are."""
    return row.next_lock - row.locks


def _seen(
    tx: Tx, fence: int | None, waited: Sequence[int] | None, followed: Sequence[SessionId] | None
) -> _Seen:
    row = clock_row.read(tx)
    granted = [] if fence is None or row.fence <= fence else grants.since(tx, fence, PAGE)
    present = None if waited is None else grants.present(tx, waited)
    living = None if followed is None else sessions.find(tx, followed)
    return _Seen(row, granted, present, living)
