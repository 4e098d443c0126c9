"""Looking back and following: the log, a path's history, differences between moments, changes as they come.

What belongs here: pages one after the other, and a stream that is taken up again. What does not: what is told
to whom (the server decides). Used from one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cairnfs.client import feed
from cairnfs.client.connection import Connection
from cairnfs.client.feed import PATIENCE_S, Liveness
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.client.pin import Pin
from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, CairnError, Forbidden, NotFound
from cairnfs.net.event_stream import EventStream
from cairnfs.wire import codec, endpoints, names
from cairnfs.wire.events import Event
from cairnfs.wire.history import (
    LOG_COMMITS_MAX,
    Changes,
    ChangesRequest,
    Difference,
    DiffReply,
    DiffRequest,
    HistoryItem,
    HistoryRequest,
    LogCommit,
    LogRequest,
)

_PAGE = 100


async def log(
    connection: Connection, path: PathLike = "/", at: At = None, *, limit: int | None = None
) -> AsyncGenerator[LogCommit, None]:
    """Commits that changed something at or below the path, newest first; all, or `limit` of them.

    Raises Forbidden, NoSuchCommit, BeforeHorizon.
    """
    text, base64 = names.to_text(as_path(path))
    moment, cursor, left = as_at(at), None, limit
    while left is None or left > 0:
        request = LogRequest(
            path=text, path_b64=base64, at=moment, cursor=cursor, limit=_page(left, LOG_COMMITS_MAX)
        )
        reply = await connection.control.ask(endpoints.LOG, request)
        for commit in reply.commits:
            yield commit
        left = None if left is None else left - len(reply.commits)
        cursor = reply.cursor
        if cursor is None:
            return


async def history(
    connection: Connection, path: PathLike, at: At = None, *, limit: int | None = None, follow: bool = True
) -> AsyncGenerator[HistoryItem, None]:
    """What the path has led to, newest first, back from now or `at`; all, or `limit` items.

    With `follow`, what was moved there is followed to where it came from, as far as one may see; without,
    what was at the path before comes next. Raises NotFound, Forbidden.
    """
    raw, moment = as_path(path), as_at(at)
    text, base64 = names.to_text(raw)
    cursor, told = None, 0
    while limit is None or told < limit:
        left = None if limit is None else limit - told
        request = HistoryRequest(
            path=text, path_b64=base64, at=moment, cursor=cursor, limit=_page(left, _PAGE)
        )
        try:
            reply = await connection.control.ask(endpoints.PAST, request)
        except (NotFound, Forbidden):
            if not told:
                raise
            return  # where it came from is hidden by now
        cursor, moment = reply.cursor, None
        for item in reply.items[:left]:
            told += 1
            yield item
            if follow and item.what == "moved" and item.from_path is not None:
                text, base64 = item.from_path, item.from_path_b64
                cursor, moment = None, str(item.commit - 1)
                break
        if cursor is None and moment is None:
            break
    if not told and limit != 0:
        raise NotFound("there is no such file or directory, and there was none", path=names.printable(raw))


async def diff_pages(
    connection: Connection, a: At, b: At, path: PathLike = "/"
) -> AsyncGenerator[DiffReply, None]:
    """How the tree at or below the path differs between two moments, page by page; None is the present.

    Raises NotFound where the path leads nowhere at both, Forbidden, NoSuchCommit, BeforeHorizon.
    """
    text, base64 = names.to_text(as_path(path))
    first, second = await _dated(connection, a), await _dated(connection, b)
    cursor: str | None = None
    with Pin(connection.sessions) as pin:
        while True:
            request = DiffRequest(path=text, path_b64=base64, a=first, b=second, cursor=cursor)
            reply = await connection.control.ask(endpoints.DIFF, request)
            cursor = reply.cursor
            if cursor is not None:
                await pin.at(min(reply.a, reply.b))
            yield reply
            if cursor is None:
                return


async def _dated(connection: Connection, at: At) -> str:
    """A moment as it is asked for; the present by its number."""
    moment = as_at(at)
    if moment is not None:
        return moment
    return str((await connection.control.ask(endpoints.LOG, LogRequest(limit=1))).commit)


async def diff(
    connection: Connection, a: At, b: At, path: PathLike = "/"
) -> AsyncGenerator[Difference, None]:
    """As `diff_pages`, one difference after the other, in the order of the commits that made them."""
    async with aclosing(diff_pages(connection, a, b, path)) as pages:
        async for page in pages:
            for difference in page.differences:
                yield difference


async def changes(
    connection: Connection,
    path: PathLike = "/",
    since: int | None = None,
    *,
    positions: bool = False,
    lost: Callable[[CairnError], None] | None = None,
    found: Callable[[], None] | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncGenerator[Changes, None]:
    """What commits change at or below the path, from now on or after the commit `since`, for ever.

    Close it (`contextlib.aclosing`) when done. A connection that breaks off is made again, and nothing is
    lost or told twice; `lost` hears why it broke off, `found` that there is one again. With `positions`, also
    how far all has been told: nothing at or below the commit of such a message (it has no changes) is untold.
    The first tells where it begins. Raises BeforeHorizon, IncarnationChanged (look anew, and begin there),
    NoSuchCommit, Forbidden; and what may pass, once it has not passed for `patience_s`.
    """
    if since is not None and since < 0:
        raise BadRequest("commits are counted from 0")
    text, base64 = names.to_text(as_path(path))
    request = ChangesRequest(path=text, path_b64=base64, since=since)
    heard = _Heard(connection.clock, lost, found)
    following = feed.follow(
        connection.control,
        endpoints.CHANGES,
        request,
        _decode,
        liveness=heard,
        patience_s=patience_s,
        lost=heard.lose,
    )
    async with aclosing(following) as events:
        async for event in events:
            if positions or event.changes:
                yield event


class _Heard(Liveness):
    """Tells when a stream was lost and found again."""

    def __init__(
        self,
        clock: Clock,
        lost: Callable[[CairnError], None] | None,
        found: Callable[[], None] | None,
    ) -> None:
        super().__init__(clock)
        self._lost, self._found = lost, found
        self._missing = False

    def lose(self, error: CairnError) -> None:
        """There is no stream for now."""
        if not self._missing and self._lost is not None:
            self._lost(error)
        self._missing = True

    def hear(self, stream: EventStream) -> None:
        """There is one."""
        super().hear(stream)
        if self._missing and self._found is not None:
            self._found()
        self._missing = False


def _decode(event: Event) -> Changes:
    return codec.decode(Changes, event.data)


def _page(left: int | None, most: int) -> int:
    return min(_PAGE, most) if left is None else max(1, min(left, most))
