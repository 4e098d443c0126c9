"""One endpoint served: access, limits, deadline, message in, handler, message out.

What belongs here: what is the same for all endpoints. There is no middleware: what every request
needs is written out once, in order. What does not: finding the route (`application.py`), answering
errors (`exchange.py`), what endpoints do. Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairnfs.clock import Clock
from cairnfs.errors import (
    BadRequest,
    DeadlineExceeded,
    Forbidden,
    OutcomeUnknown,
    Unauthenticated,
    UnsupportedMedia,
)
from cairnfs.net import asgi
from cairnfs.net.asgi import BodyPieces, Headers, Receive, Scope, Send
from cairnfs.net.deadlines import within
from cairnfs.net.serving.attending import attended
from cairnfs.net.serving.bodies import Bodies, Hold
from cairnfs.net.serving.context import Authenticate, Caller, Context, Standing
from cairnfs.net.serving.exchange import Exchange
from cairnfs.net.serving.metrics import Meter
from cairnfs.net.serving.streams import Stream, Streams
from cairnfs.wire import chunks, codec, queries
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoints import Endpoint

#: How long past its deadline a handler may still tell the outcome of what it had submitted.
OVERTIME_S = 5.0
DEADLINE_DEFAULT_MS = 30_000
DEADLINE_MAX_MS = 120_000
_DEADLINE = chunks.DEADLINE_HEADER.encode()
_JSON: asgi.RawHeaders = [(b"content-type", asgi.JSON)]
_EMPTY = Empty()


class Route:
    """One endpoint with its handler."""

    def __init__(
        self,
        endpoint: Endpoint[Any, Any],
        handler: Any,
        *,
        authenticate: Authenticate,
        standing: Standing | None = None,
        clock: Clock,
        meter: Meter,
        bodies: Bodies,
        streams: Streams,
    ) -> None:
        self.endpoint = endpoint
        self._handler = handler
        self._authenticate = authenticate
        self._standing = standing if endpoint.access in ("user", "admin") else None
        self._clock = clock
        self._meter = meter
        self._bodies = bodies
        self._streams = streams
        self._has_body = endpoint.method == "POST"
        self._takes_frames = endpoint.frames == "request"
        self._gives_frames = endpoint.frames == "reply"
        self._gives_events = endpoint.frames == "events"
        self._media = chunks.MEDIA_TYPE.encode() if self._takes_frames else asgi.JSON

    async def serve(self, scope: Scope, receive: Receive, send: Send, params: Mapping[str, str]) -> None:
        """Answer one request, whatever happens."""
        began = self._clock.monotonic()
        exchange = Exchange(scope, send)
        await exchange.guard(self._answer(exchange, receive, params, began))
        self._meter.count(self.endpoint.name, exchange.status, self._clock.monotonic() - began)

    async def _answer(
        self, exchange: Exchange, receive: Receive, params: Mapping[str, str], began: float
    ) -> None:
        headers = exchange.headers
        token = _bearer(headers)
        caller = None if token is None else self._authenticate(token)
        self._admit(caller)
        allowed_s = asgi.deadline_ms(headers, _DEADLINE, DEADLINE_DEFAULT_MS, DEADLINE_MAX_MS) / 1000
        client = exchange.scope.get("client")
        peer = client[0] if client else ""
        context = Context(caller, params, exchange.request_id, began + allowed_s, headers, peer, token)
        if self._gives_events:
            await self._stream(exchange, receive, context, began)
            return
        body = self._body(exchange, receive)
        hold = Hold(self._bodies)
        handed_over = False
        try:
            async with within(self._clock, allowed_s + OVERTIME_S):
                await self._judge(caller)
                request = body if self._takes_frames else await self._message(body, context, hold)
                handed_over = True
                if self.endpoint.waits:
                    reply = await self._wait(exchange, receive, context, request)
                else:
                    reply = await self._handler(context, request)
        except TimeoutError as error:
            if handed_over:
                raise OutcomeUnknown("the time was over before the outcome was known") from error
            raise DeadlineExceeded("the time was over before the request had arrived whole") from error
        finally:
            hold.release()
        if self._gives_frames:
            await exchange.stream(reply)
        else:
            await exchange.answer(_JSON, codec.encode(reply))

    async def _wait(self, exchange: Exchange, receive: Receive, context: Context, request: object) -> Any:
        """The reply of what waits for something to happen, as long as somebody waits for it."""
        with self._streams.place(self.endpoint, context.caller):
            return await attended(self._handler(context, request), receive, asgi.peer_of(exchange.scope))

    async def _stream(self, exchange: Exchange, receive: Receive, context: Context, began: float) -> None:
        if exchange.headers.announced() or b"transfer-encoding" in exchange.headers.raw:
            raise BadRequest("events are asked for in the query, without a body")
        request = queries.decode(self.endpoint.request, exchange.scope["query_string"])
        with self._streams.place(self.endpoint, context.caller):
            try:
                async with within(self._clock, context.deadline - began + OVERTIME_S):
                    await self._judge(context.caller)
                    given = await self._handler(context, request)
            except TimeoutError as error:
                raise DeadlineExceeded("the time was over before there was anything to tell") from error
            await Stream(exchange, receive, context, given, clock=self._clock, began=began).run()

    def _admit(self, caller: Caller | None) -> None:
        access = self.endpoint.access
        if access == "anyone":
            return
        if caller is None:
            raise Unauthenticated("this needs a login")
        judged_later = self._standing is not None and caller.role != "fileserver"
        if access not in ("user", caller.role) and not judged_later:
            raise Forbidden(f"this is for the role {access}")

    async def _judge(self, caller: Caller | None) -> None:
        if self._standing is not None and caller is not None:
            await self._standing(self.endpoint, caller)

    def _body(self, exchange: Exchange, receive: Receive) -> BodyPieces:
        headers = exchange.headers
        announced = headers.announced()
        body = BodyPieces(
            receive,
            limit_bytes=self.endpoint.body_max_bytes,
            announced_bytes=announced,
            peer=asgi.peer_of(exchange.scope),
        )
        if self._has_body and (announced or b"transfer-encoding" in headers.raw):
            media = headers.raw.get(b"content-type", b"")
            if media != self._media and media.partition(b";")[0].strip().lower() != self._media:
                raise UnsupportedMedia(f"the body has to be {self._media.decode()}")
        return body

    async def _message(self, body: BodyPieces, context: Context, hold: Hold) -> object:
        if not self._has_body:
            return _EMPTY
        whole = await hold.whole(body)
        if self._clock.monotonic() >= context.deadline:
            raise DeadlineExceeded("the time was over before the request had arrived whole")
        return codec.decode(self.endpoint.request, whole or b"{}")


def _bearer(headers: Headers) -> str | None:
    given = headers.raw.get(b"authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthenticated("only bearer tokens are understood")
    return token.strip().decode("latin-1")
