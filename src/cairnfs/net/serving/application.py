"""From a request to its handler and back: routing, access, limits, deadlines, errors.

What belongs here: everything between the HTTP server and a handler that is the same for all
endpoints. What does not: sockets (`server.py`), tokens (`net/tokens.py`), what endpoints do.
Routing is one dictionary lookup on (method, raw path); only paths with parameters are matched by
pattern. There is no middleware: what every request needs is written out once in `_Route`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast

import structlog

from cairnfs.clock import Clock
from cairnfs.errors import (
    CairnError,
    DeadlineExceeded,
    Forbidden,
    Internal,
    MethodNotAllowed,
    NotFound,
    OutcomeUnknown,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from cairnfs.net import asgi, openapi
from cairnfs.net.asgi import ASGIApp, BodyPieces, ClientGone, Headers, Receive, Scope, Send
from cairnfs.net.deadlines import within
from cairnfs.net.serving.context import Authenticate, Caller, Context, FramesHandler, Handler, Pieces
from cairnfs.net.serving.metrics import Meter
from cairnfs.wire import chunks, codec
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoints import Endpoint

#: How long past its deadline a handler may still tell the outcome of what it had submitted.
OVERTIME_S = 5.0
DEADLINE_DEFAULT_MS = 30_000
DEADLINE_MAX_MS = 120_000
_DEADLINE = chunks.DEADLINE_HEADER.encode()
_FRAMES = chunks.MEDIA_TYPE.encode()
_NO_PARAMS: Mapping[str, str] = {}
_log = structlog.get_logger("cairnfs.net.serving")


class _Route:
    """One endpoint with its handler."""

    def __init__(
        self,
        endpoint: Endpoint[Any, Any],
        handler: Any,
        *,
        authenticate: Authenticate,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self.endpoint = endpoint
        self.handler = handler
        self.authenticate = authenticate
        self.clock = clock
        self.meter = meter
        self.has_body = endpoint.method == "POST"
        self.media = _FRAMES if endpoint.frames == "request" else asgi.JSON

    async def serve(self, scope: Scope, receive: Receive, send: Send, params: Mapping[str, str]) -> None:
        """Answer one request, whatever happens."""
        began = self.clock.monotonic()
        headers = Headers(scope["headers"])
        request_id = headers.request_id()
        sender = _Sender(send)
        work = self._answer(scope, receive, sender, headers, request_id, params, began)
        await _guarded(work, scope, sender, request_id)
        self.meter.count(self.endpoint.name, sender.status, self.clock.monotonic() - began)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        sender: _Sender,
        headers: Headers,
        request_id: str,
        params: Mapping[str, str],
        began: float,
    ) -> None:
        token = _bearer(headers)
        caller = None if token is None else self.authenticate(token)
        self._admit(caller)
        allowed_s = asgi.deadline_ms(headers, _DEADLINE, DEADLINE_DEFAULT_MS, DEADLINE_MAX_MS) / 1000
        client = scope.get("client")
        context = Context(
            caller, params, request_id, began + allowed_s, headers, client[0] if client else "", token
        )
        body = self._body(headers, receive)
        request: object
        if self.endpoint.frames == "request":
            request = body
        else:
            request = await self._decode(body, allowed_s)
        try:
            async with within(self.clock, allowed_s + OVERTIME_S):
                reply = await self.handler(context, request)
        except TimeoutError as error:
            raise OutcomeUnknown("the time was over before the outcome was known") from error
        if isinstance(reply, Pieces):
            await asgi.answer_pieces(
                scope, sender, 200, [(b"content-type", _FRAMES)], reply.pieces, reply.length
            )
        else:
            await asgi.answer(sender, 200, [(b"content-type", asgi.JSON)], codec.encode(reply))

    def _admit(self, caller: Caller | None) -> None:
        access = self.endpoint.access
        if access == "anyone":
            return
        if caller is None:
            raise Unauthenticated("this needs a login")
        if access not in ("user", caller.role):
            raise Forbidden(f"this is for the role {access}")

    def _body(self, headers: Headers, receive: Receive) -> BodyPieces:
        announced = headers.announced()
        body = BodyPieces(receive, limit_bytes=self.endpoint.body_max_bytes, announced_bytes=announced)
        empty = announced in (None, 0) and b"transfer-encoding" not in headers.raw
        if self.has_body and not empty:
            media = headers.raw.get(b"content-type", b"")
            if media != self.media and media.split(b";")[0].strip().lower() != self.media:
                raise UnsupportedMedia(f"the body has to be {self.media.decode()}")
        return body

    async def _decode(self, body: BodyPieces, allowed_s: float) -> object:
        if not self.has_body:
            return _EMPTY
        try:
            async with within(self.clock, allowed_s):
                whole = await body.whole()
        except TimeoutError as error:
            raise DeadlineExceeded("the time was over before the body had arrived") from error
        return codec.decode(self.endpoint.request, whole or b"{}")


_EMPTY = Empty()


class _Sender:
    """ASGI's `send`, remembering the status that went out."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: asgi.Message) -> None:
        if not self.status:
            self.status = message["status"]
        await self._send(message)


async def _guarded(work: Awaitable[None], scope: Scope, sender: _Sender, request_id: str) -> None:
    """Do the work of one exchange and answer whatever it raises."""
    try:
        await work
    except ClientGone:
        pass
    except CairnError as error:
        await _refuse(scope, sender, error, request_id)
    except asyncio.CancelledError:
        await _refuse(scope, sender, Unavailable("the server is stopping"), request_id)
    except Exception:  # noqa: BLE001 - a defect must not take the connection's other requests with it
        _log.exception("unexpected error", path=scope["raw_path"], request_id=request_id)
        await _refuse(scope, sender, Internal("an unexpected error"), request_id)


async def _refuse(
    scope: Scope,
    sender: _Sender,
    error: CairnError,
    request_id: str | None,
    headers: asgi.RawHeaders | None = None,
) -> None:
    """Answer with a problem, or cut the connection where another answer has begun."""
    if not sender.status:
        await asgi.answer_problem(sender, error, request_id, headers)
        return
    peer = asgi.peer_of(scope)
    if peer is not None:
        peer.cut()


def _bearer(headers: Headers) -> str | None:
    given = headers.raw.get(b"authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthenticated("only bearer tokens are understood")
    return token.strip().decode("latin-1")


class Application:
    """An ASGI application of endpoints, mounted applications and three pages about itself."""

    def __init__(self, routes: Sequence[_Route], mounts: Mapping[str, ASGIApp], pages: Mapping[str, _Page]):
        """`mounts` by path prefix; `pages` by path."""
        self._plain: dict[tuple[str, bytes], _Route] = {}
        self._patterns: list[tuple[str, re.Pattern[bytes], _Route]] = []
        self._mounts = [(prefix.encode(), app) for prefix, app in mounts.items()]
        self._pages = {path.encode(): page for path, page in pages.items()}
        for route in routes:
            method, path = route.endpoint.method, route.endpoint.path
            if "{" in path:
                pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[A-Za-z0-9_-]{1,128})", re.escape(path))
                self._patterns.append((method, re.compile(pattern.encode()), route))
            else:
                self._plain[method, path.encode()] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            raise RuntimeError(f"Cairn serves http, not {scope['type']}")
        path: bytes = scope["raw_path"]
        method: str = scope["method"]
        route = self._plain.get((method, path))
        if route is not None:
            await route.serve(scope, receive, send, _NO_PARAMS)
        else:
            await self._elsewhere(method, path, scope, receive, send)

    async def _elsewhere(self, method: str, path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        for prefix, app in self._mounts:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                sender = _Sender(send)
                request_id = Headers(scope["headers"]).request_id()
                await _guarded(app(scope, receive, sender), scope, sender, request_id)
                return
        for wanted, pattern, route in self._patterns:
            if wanted == method and (found := pattern.fullmatch(path)):
                params = {name: value.decode() for name, value in found.groupdict().items()}
                await route.serve(scope, receive, send, params)
                return
        page = self._pages.get(path)
        if page is not None and method in ("GET", "HEAD"):
            await asgi.answer(send, 200, [(b"content-type", page.media)], page.content())
            return
        await self._unknown(method, path, scope, send)

    async def _unknown(self, method: str, path: bytes, scope: Scope, send: Send) -> None:
        known = {m for m, p in self._plain if p == path}
        known |= {m for m, pattern, _ in self._patterns if pattern.fullmatch(path)}
        known |= {"GET", "HEAD"} if path in self._pages else set()
        request_id = Headers(scope["headers"]).request_id()
        if known:
            allow = ", ".join(sorted(known))
            error: CairnError = MethodNotAllowed(f"{method} is not served here, only {allow}")
            await _refuse(scope, _Sender(send), error, request_id, [(b"allow", allow.encode())])
        else:
            await _refuse(scope, _Sender(send), NotFound("no such address is served here"), request_id)


class _Page:
    """A document about the process: made once, or at each request."""

    def __init__(self, media: str, content: Any) -> None:
        self.media = media.encode()
        self.content = content


def application(
    *,
    endpoints: Sequence[Endpoint[Any, Any]],
    handlers: Mapping[str, Handler],
    authenticate: Authenticate,
    clock: Clock,
    frames: Mapping[str, FramesHandler] | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
    title: str,
) -> Application:
    """An ASGI application that serves `endpoints`, each by the handler of its name.

    `frames` are the handlers of endpoints that carry chunk frames. `mounts` are ASGI applications by path
    prefix ("/files"), given the scope unchanged. Raises ValueError where an endpoint has no handler or
    a handler no endpoint.
    """
    given: dict[str, Any] = {**handlers, **(frames or {})}
    wanted = {endpoint.name for endpoint in endpoints}
    if wanted != given.keys():
        raise ValueError(f"endpoints and handlers differ: {sorted(wanted ^ given.keys())}")
    meter = Meter()
    routes = [
        _Route(endpoint, given[endpoint.name], authenticate=authenticate, clock=clock, meter=meter)
        for endpoint in endpoints
    ]
    document = codec.encode(openapi.document(endpoints, title))
    pages = {
        "/healthz": _Page("text/plain; charset=utf-8", lambda: b"ok"),
        "/openapi.json": _Page("application/json", lambda: document),
        "/metrics": _Page(meter.media_type, meter.text),
    }
    return Application(routes, cast("Mapping[str, ASGIApp]", mounts or {}), pages)
