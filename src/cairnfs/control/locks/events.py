"""The stream of a session's grants: those after where its reader stands, then each as it comes.

What belongs here: where a stream begins, its ids, its end. What does not: who is told of what (`news.py`),
how a stream goes out (`net/serving`). A stream reads a page when its reader has taken the last. One event
loop.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence

from cairnfs.clock import Clock
from cairnfs.control.locks.news import PAGE, Follower, News
from cairnfs.errors import BadRequest, IncarnationChanged, SessionEnded
from cairnfs.ids import Incarnation, SessionId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows import grants, sessions
from cairnfs.metadata.rows.grants import Grant
from cairnfs.net.serving import Context, Event, Events, Heartbeat
from cairnfs.wire import codec
from cairnfs.wire.events import HEARTBEAT_S, LAST_ID_HEADER
from cairnfs.wire.locks import LOCK_EVENT, LockEvent, LockEventsRequest

_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


class GrantStreams:
    """Streams of grants."""

    def __init__(self, driver: Driver, news: News, clock: Clock) -> None:
        self._driver = driver
        self._news = news
        self._clock = clock

    async def events(self, context: Context, request: LockEventsRequest) -> Events:
        """Begin a stream. Raises SessionEnded, IncarnationChanged, BadRequest."""
        session, user = SessionId(request.session), context.user.user_id
        after, given = request.since, None
        if last_id := context.headers.get(LAST_ID_HEADER, ""):
            given, after = _position(last_id)

        def begin(tx: Tx) -> Incarnation:
            row = clock_row.read(tx)
            if given is not None and given != row.incarnation:
                raise IncarnationChanged(f"the incarnation is {row.incarnation} now: begin anew")
            if after > row.fence:
                raise BadRequest(f"the newest fence is {row.fence}")
            _require_live(tx, session, user)
            return row.incarnation

        incarnation = await self._driver.read(begin)
        return Events(self._items(session, user, after, incarnation))

    async def _items(
        self, session: SessionId, user: UserId, after: int, incarnation: Incarnation
    ) -> AsyncIterator[Event | Heartbeat]:
        with self._news.following(session) as follower:
            yield Heartbeat()
            beat_at = self._clock.monotonic() + HEARTBEAT_S
            while True:
                told_in, granted_since = await self._next(follower, session, user, after)
                if told_in not in (None, incarnation):
                    raise IncarnationChanged("the incarnation has changed: begin anew")
                for granted in granted_since:
                    if granted.fence > after:
                        after = granted.fence
                        yield _event(granted)
                if follower.grants or follower.behind:
                    continue
                if follower.over:
                    raise _over(session)
                await follower.wait(beat_at - self._clock.monotonic())
                if self._clock.monotonic() >= beat_at:
                    yield Heartbeat()
                    beat_at = self._clock.monotonic() + HEARTBEAT_S

    async def _next(
        self, follower: Follower, session: SessionId, user: UserId, after: int
    ) -> tuple[Incarnation | None, Sequence[LockEvent]]:
        """What is to be told next, and in which incarnation where that was looked up: what came meanwhile or,
        for one who is behind, a page."""
        if not follower.behind:
            told = list(follower.grants)
            follower.grants.clear()
            return None, told

        def read(tx: Tx) -> tuple[Incarnation, list[Grant]]:
            _require_live(tx, session, user)
            return clock_row.read(tx).incarnation, grants.of_session(tx, session, after, PAGE)

        # What comes while this is read is told after it.
        follower.behind = False
        incarnation, page = await self._driver.read(read)
        follower.behind = follower.behind or len(page) == PAGE
        return incarnation, [
            LockEvent(lock=one.lock, fence=one.fence, incarnation=incarnation) for one in page
        ]


def _require_live(tx: Tx, session: SessionId, user: UserId) -> None:
    found = sessions.find(tx, [session]).get(session)
    if found is None or found.user_id != user:
        raise _over(session)


def _over(session: SessionId) -> SessionEnded:
    return SessionEnded(f"the session {session[:40]} is not alive")


def _event(granted: LockEvent) -> Event:
    return Event(f"{granted.incarnation}.{granted.fence}", LOCK_EVENT, codec.encode(granted))


def _position(last_id: str) -> tuple[int, int]:
    found = _ID.fullmatch(last_id)
    if found is None:
        raise BadRequest(f"{LAST_ID_HEADER} is no id of this stream")
    return int(found[1]), int(found[2])
