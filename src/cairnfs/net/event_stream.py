"""A stream of events as its reader sees it: events in order, how far all was told, errors as Cairn's.

What belongs here: from an open response to events. What does not: opening it (`calls.py`), resuming it
(`client/feed.py`), the format (`wire/events.py`). Used from one event loop, by one reader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from cairnfs.errors import CairnError, DeadlineExceeded, Internal, OutcomeUnknown, Unreachable
from cairnfs.net.transport import Response
from cairnfs.wire import codec, problems
from cairnfs.wire.events import PROBLEM, Comment, Event, Parser


class EventStream:
    """An async iterator of events; it ends when the server ends the stream in peace.

    Raises what the server tells of as its last word (`problem`); Unreachable where the connection breaks or
    nothing at all comes for too long; TooLarge past the format's limits. After a `__anext__` that was
    cancelled nothing more can be read: Unreachable.

    `told_at` (the clock's boottime, in seconds): all that had happened by then has been given to the reader,
    and dealt with, if it deals with each event before it asks for the next. Minus infinity until the
    server says so. It grows while the reader waits.
    """

    def __init__(self, response: Response, origin: str, began: float, idle_s: float) -> None:
        """`began`: the clock's boottime before the request was sent. `idle_s` is for texts."""
        self.told_at = float("-inf")
        self._origin = origin
        self._began = began
        self._idle_s = idle_s
        self._pieces = response.pieces()
        self._parser = Parser()
        self._items: deque[Event | Comment] = deque()
        self._over = False
        self._broken = False

    @property
    def retry_ms(self) -> int | None:
        """The pause before coming again that the server asks for, if it does."""
        return self._parser.retry_ms

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while True:
            while self._items:
                item = self._items.popleft()
                if isinstance(item, Comment):
                    self._note(item)
                elif item.event == PROBLEM:
                    raise self._problem(item)
                else:
                    return item
            await self._more()

    def _note(self, comment: Comment) -> None:
        if comment.told_ms is not None:
            self.told_at = max(self.told_at, self._began + comment.told_ms / 1000)

    def _problem(self, event: Event) -> CairnError:
        try:
            return problems.to_error(codec.decode(problems.Problem, event.data))
        except CairnError:
            return Internal(f"{self._origin} ended its stream with something that is no problem document")

    async def _more(self) -> None:
        """Wait for the next bytes. Raises StopAsyncIteration at the end."""
        if self._over:
            raise StopAsyncIteration
        if self._broken:
            raise Unreachable(f"the stream of {self._origin} was given up")
        self._broken = True
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._over = True
            raise
        except DeadlineExceeded as error:
            raise Unreachable(f"{self._origin} has said nothing for {self._idle_s:g} s") from error
        except OutcomeUnknown as error:
            raise Unreachable(f"{self._origin} broke off its stream: {error.detail}") from error
        self._items.extend(self._parser.feed(piece))
        self._broken = False

    async def close(self) -> None:
        """Read no more. The response is its owner's to close."""
        self._over = True
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()
