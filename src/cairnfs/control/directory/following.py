"""The stream of changes: what commits do at or below a path, told to whoever follows it.

What belongs here: where a stream begins, when it looks, and how far it says that all has been told. What does
not: what is told (`ops/changes`), who wakes it (`control/feed.py`), how a stream ends (`net/serving`). A
stream holds one page and no more, and reads it when the reader has taken the last. One event loop.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from cairnfs.clock import Clock
from cairnfs.control.feed import Feed
from cairnfs.control.people import person
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, BeforeHorizon, IncarnationChanged, NoSuchCommit
from cairnfs.ids import CommitNumber, Incarnation, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import changes, moment
from cairnfs.metadata.ops.changes import Position
from cairnfs.metadata.ops.trace import physical
from cairnfs.net.serving import Context, Event, Events, Heartbeat
from cairnfs.wire import codec, names
from cairnfs.wire.events import HEARTBEAT_S, LAST_ID_HEADER
from cairnfs.wire.history import COMMIT_EVENT, POSITION_EVENT, Changes, ChangesRequest

_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,9})")


class Following:
    """Streams over one feed."""

    def __init__(self, driver: Driver, feed: Feed, clock: Clock) -> None:
        self._driver = driver
        self._feed = feed
        self._clock = clock

    async def changes(self, context: Context, request: ChangesRequest) -> Events:
        """Begin a stream. Raises Forbidden, SymlinkLoop, BeforeHorizon, NoSuchCommit, IncarnationChanged."""
        who = person(context)
        path = names.to_path(request.path, request.path_b64)
        last_id = context.headers.get(LAST_ID_HEADER, "")

        def begin(tx: Tx) -> tuple[Path, Position, Incarnation]:
            sight = moment.look(tx, None)
            told, incarnation = Position(sight.commit), sight.clock.incarnation
            if last_id:
                told, given = _position(last_id)
                if given != incarnation:
                    raise IncarnationChanged(f"the incarnation is {incarnation} now: begin anew")
            elif request.since is not None:
                told = Position(CommitNumber(request.since))
            if told.commit > sight.commit:
                raise NoSuchCommit(f"the newest commit is {sight.commit}")
            if told.commit - (told.told > 0) < sight.clock.horizon:
                raise BeforeHorizon(f"changes are told from commit {sight.clock.horizon} on")
            return physical(sight.view, sight.people.now(who), path, follow=True), told, incarnation

        return Events(self._items(who, *await self._driver.read(begin)))

    async def _items(
        self, who: Person, path: Path, told: Position, incarnation: Incarnation
    ) -> AsyncIterator[Event | Heartbeat]:
        position = told
        yield _at(position, incarnation)
        beat_at = self._clock.monotonic() + HEARTBEAT_S
        while True:
            left_s = beat_at - self._clock.monotonic()
            newest = await self._feed.wait_beyond(position.commit - (position.told > 0), max(left_s, 0.0))
            as_of = self._feed.as_of
            if self._feed.incarnation not in (None, incarnation):
                raise IncarnationChanged("the incarnation has changed: begin anew")
            while position.commit < newest or position.told:
                after = position
                page = await self._driver.read(
                    lambda tx, after=after: changes.page(tx, who, path, after, incarnation)  # type: ignore[misc]
                )
                for told, event in page.events:
                    yield _event(COMMIT_EVENT, told, event)
                position = page.position
                if position == after:
                    break
            if self._clock.monotonic() < beat_at:
                continue
            if position != told:
                told = position
                yield _at(told, incarnation)
            # What the feed knows of and a page did not have yet is not told yet.
            yield Heartbeat(as_of if position.commit >= newest else None)
            beat_at = self._clock.monotonic() + HEARTBEAT_S


def _at(position: Position, incarnation: Incarnation) -> Event:
    """How far all has been told; of a commit that is told in part, the one before it."""
    commit = position.commit - (position.told > 0)
    return _event(POSITION_EVENT, position, Changes(commit=commit, incarnation=incarnation))


def _event(kind: str, position: Position, message: Changes) -> Event:
    last_id = f"{message.incarnation}.{position.commit}.{position.told}"
    return Event(last_id, kind, codec.encode(message))


def _position(last_id: str) -> tuple[Position, int]:
    found = _ID.fullmatch(last_id)
    if found is None:
        raise BadRequest(f"{LAST_ID_HEADER} is no id of this stream")
    return Position(CommitNumber(int(found[2])), int(found[3])), int(found[1])
