"""This process's session: begun when first needed, renewed in the background, ended at close.

What reads an earlier commit than the session needs by now gets one more, which pins that commit: needs
never fall.

The client counts from *sending* a renewal, on the clock that goes on while the machine sleeps. After
`suspend_ms` without an answer the session is suspended: work waits. After `lease_ms`, or at the
server's word, it is over, and everything that held it fails with SessionEnded; so this client stops
before the server gives away what it held. A session that ended while locks were held is not replaced in their
bodies. What belongs here: that, and `needs`. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cairnfs.client.control import CLOSED, Control
from cairnfs.client.retry import persist
from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import BadRequest, CairnError, SessionEnded
from cairnfs.ids import NEVER
from cairnfs.net.deadlines import within
from cairnfs.wire import endpoints
from cairnfs.wire.sessions import RenewRequest, SessionReply, SessionRequest

_END_S = 2.0
_RETRY_S = 0.5


class Hold:
    """A use of the session: an unfinished upload, a commit that is being read, a lock. To be released."""

    def __init__(self, live: _Live, needs: int) -> None:
        """`needs` is the commit that the session still needs for this use."""
        self.needs = needs
        self._live = live
        self._ended: list[Callable[[SessionEnded], None]] = []

    @property
    def session(self) -> str:
        """The session's id."""
        return self._live.id

    @property
    def incarnation(self) -> int:
        """The incarnation in which the session was begun, and with which it ends."""
        return self._live.incarnation

    @property
    def is_over(self) -> bool:
        """Whether the session is over, or nobody has noticed yet that it is. Any thread."""
        return self._live.is_late()

    @property
    def times(self) -> LeaseTimes:
        """The session's, as the cluster promised them."""
        reply = self._live.reply
        return LeaseTimes(reply.renew_ms, reply.suspend_ms, reply.lease_ms)

    def age_s(self) -> float:
        """How long ago, by boottime, the renewal was sent that was answered last. Any thread."""
        return self._live.age_s()

    @property
    def begin(self) -> int:
        """The begin number of an upload under this hold."""
        return self.needs

    def when_ended(self, tell: Callable[[SessionEnded], None]) -> None:
        """Call `tell` once if the session ends while this is held."""
        self._ended.append(tell)

    async def ready(self) -> None:
        """Return when work may go on; wait while the session is suspended. Raises SessionEnded."""
        await self._live.ready()

    def end(self, why: str) -> None:
        """The cluster has said that the session is over."""
        self._live.end(why)

    def release(self) -> None:
        """The use is over."""
        self._live.holds.discard(self)
        self._ended.clear()

    def tell_ended(self, error: SessionEnded) -> None:
        """The session is over."""
        for tell in list(self._ended):
            tell(error)


class Sessions:
    """Gives holds on the one session, or one more that goes further back; begins what is not there."""

    def __init__(self, control: Control, label: str) -> None:
        self._control = control
        self._label = label
        self._live: _Live | None = None
        #: Sessions besides, for commits that are earlier than what that one needs.
        self._earlier: list[_Live] = []
        self._beginning = asyncio.Lock()
        self._closed = False

    async def hold(self, commit: int | None = None) -> Hold:
        """A hold for an upload that begins now, or for reading at `commit`."""
        live = await self.begin(commit)
        if commit is not None and not live.covers(commit):
            live = await self._begin_earlier(commit)
        return live.hold(commit)

    async def hold_lock(self) -> Hold:
        """A hold for a lock, which needs no commit."""
        return (await self.begin()).hold(NEVER)

    async def begin(self, needs: int | None = None) -> _Live:
        """See that there is a session, and give it. A new one may need an earlier commit than the present.

        Raises BadRequest once they are closed, LockLost in the body of a lock that the last one held.
        """
        if self._live is not None and not self._live.is_over():
            return self._live
        self._control.locks.check()
        async with self._beginning:
            if not self._closed and (self._live is None or self._live.is_over()):
                self._live = await self._begin(needs)
            if self._closed or self._live is None:
                await self.close()
                raise BadRequest(CLOSED)
            return self._live

    async def _begin_earlier(self, commit: int) -> _Live:
        async with self._beginning:
            for one in list(self._earlier):
                if one.is_over() or not (one.holds or one.covers(commit)):
                    self._earlier.remove(one)
                    await one.close()
            fit = next((one for one in self._earlier if one.covers(commit)), None)
            if fit is None and not self._closed:
                fit = await self._begin(commit)
                self._earlier.append(fit)
            if self._closed or fit is None:
                await self.close()
                raise BadRequest(CLOSED)
            return fit

    async def _begin(self, needs: int | None) -> _Live:
        clock = self._control.clock
        sent = 0.0

        async def attempt(timeout_s: float) -> SessionReply:
            nonlocal sent
            sent = clock.boottime()
            request = SessionRequest(label=self._label, needs=needs)
            return await self._control.once(endpoints.BEGIN_SESSION, request, timeout_s=timeout_s)

        reply = await persist(clock, self._control.patience, attempt, stranger=not self._control.met)
        return _Live(self._control, reply, sent, reply.commit if needs is None else needs)

    async def close(self) -> None:
        """End the session, for good; if nobody hears it, the cluster ends it by itself soon."""
        self._closed = True
        live, self._live = self._live, None
        earlier, self._earlier = self._earlier, []
        await asyncio.gather(*(one.close() for one in (live, *earlier) if one is not None))


class _Live:
    """One session from its beginning to its end."""

    def __init__(self, control: Control, reply: SessionReply, sent: float, needs: int) -> None:
        """`sent` is when its beginning was asked for, by `boottime`; `needs` what it needs at first."""
        self.id = reply.session
        self.holds: set[Hold] = set()
        self._control = control
        self._clock = control.clock
        self.incarnation = reply.incarnation
        self._commit = reply.commit
        #: What the cluster was told; an answer that is lost may have told it all the same.
        self._needs = needs
        self.reply = reply
        self._renew_s = reply.renew_ms / 1000
        self._suspend_s = reply.suspend_ms / 1000
        self._lease_s = reply.lease_ms / 1000
        self._confirmed = sent
        self._counter = 0
        self._over: SessionEnded | None = None
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._renew_on(), name="cairn session")

    def hold(self, commit: int | None) -> Hold:
        hold = Hold(self, self._commit if commit is None else commit)
        self.holds.add(hold)
        return hold

    def covers(self, commit: int) -> bool:
        """Whether what this session needs goes back to a commit."""
        return self._needs <= commit

    def is_late(self) -> bool:
        """Whether it is over by the clock, or by somebody's word. Changes nothing; any thread."""
        return self._over is not None or self.age_s() >= self._lease_s

    def is_over(self) -> bool:
        """Look at the clock: a machine that slept wakes up past its lease."""
        if self._over is None and self.is_late():
            self.end("it could not be renewed in time")
        return self._over is not None

    async def ready(self) -> None:
        while not self.is_over():
            if self.age_s() < self._suspend_s:
                return
            self._news.clear()
            await self._news.wait()
        assert self._over is not None
        raise self._over

    def age_s(self) -> float:
        """Since the last renewal that was answered, from its sending."""
        return self._clock.boottime() - self._confirmed

    def end(self, why: str) -> None:
        """It is over; who holds it is told."""
        if self._over is None:
            self._over = SessionEnded(f"the session is over: {why}", hint="try again")
            for hold in list(self.holds):
                hold.tell_ended(self._over)
        self._news.set()

    async def _renew_on(self) -> None:
        pause_s = self._renew_s
        while True:
            await self._clock.sleep(min(pause_s, max(self._lease_s - self.age_s(), 0.0)))
            if self.is_over():
                return
            pause_s = self._renew_s if await self._renew() else min(_RETRY_S, self._renew_s / 2)

    async def _renew(self) -> bool:
        """Ask once; whether there was an answer, good or bad."""
        self._counter += 1
        needs = max(self._needs, min([self._commit, *(hold.needs for hold in self.holds)]))
        self._needs = needs
        sent = self._clock.boottime()
        # An attempt ends in time for another one before the session would be suspended for long.
        timeout_s = min(self._renew_s, max(self._lease_s - self.age_s(), 0.001))
        request = RenewRequest(counter=self._counter, needs=needs)
        try:
            async with within(self._clock, timeout_s):
                reply = await self._control.once(
                    endpoints.RENEW_SESSION, request, params={"session": self.id}, timeout_s=timeout_s
                )
        except SessionEnded as error:
            self.end(error.detail)
            return True
        except (CairnError, TimeoutError):
            return False
        if reply.incarnation != self.incarnation:
            self.end("the cluster's history was cut")
            return True
        self._confirmed = sent
        self._commit = max(self._commit, reply.commit)
        self._news.set()
        return True

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._over is not None:
            return
        self.end("it was closed")
        try:
            await self._control.once(endpoints.END_SESSION, params={"session": self.id}, timeout_s=_END_S)
        except CairnError:
            return
