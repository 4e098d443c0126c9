"""Which route answers which request: one ASGI application per process.

Routing is one dictionary lookup on (method, raw path); only paths with parameters are matched by
pattern. What belongs here: finding the route, mounts, and the pages about the process itself
(`/healthz`, `/openapi.json`, `/metrics`). What does not: sockets (`server.py`), what a route does
(`route.py`). Used from one event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, MethodNotAllowed, NotFound
from cairnfs.net import asgi, openapi
from cairnfs.net.asgi import ASGIApp, Receive, Scope, Send
from cairnfs.net.serving.bodies import Bodies
from cairnfs.net.serving.context import Authenticate, FramesHandler, Handler, Standing
from cairnfs.net.serving.exchange import Exchange
from cairnfs.net.serving.metrics import Meter
from cairnfs.net.serving.route import Route
from cairnfs.net.serving.streams import Streams
from cairnfs.wire import codec
from cairnfs.wire.endpoints import Endpoint

_NO_PARAMS: Mapping[str, str] = {}
_READING = ("GET", "HEAD")


class Page(NamedTuple):
    """A document about the process."""

    media: bytes
    content: Callable[[], bytes]


class Application:
    """An ASGI application of endpoints, mounted applications and pages."""

    def __init__(
        self, routes: Sequence[Route], mounts: Mapping[str, ASGIApp], pages: Mapping[str, Page]
    ) -> None:
        """`mounts` by path prefix; `pages` by path."""
        self._plain: dict[tuple[str, bytes], Route] = {}
        self._patterns: list[tuple[str, re.Pattern[bytes], Route]] = []
        self._mounts = [(prefix.encode(), app) for prefix, app in mounts.items()]
        self._pages = {path.encode(): page for path, page in pages.items()}
        for route in routes:
            method, path = route.endpoint.method, route.endpoint.path
            if "{" in path:
                pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[A-Za-z0-9_-]{1,128})", re.escape(path))
                self._patterns.append((method, re.compile(pattern.encode()), route))
            else:
                self._plain[method, path.encode()] = route
                if method == "GET" and route.endpoint.frames != "events":
                    # The server leaves the body out.
                    self._plain["HEAD", path.encode()] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            raise RuntimeError(f"Cairn serves http, not {scope['type']}")
        path: bytes = scope["raw_path"]
        method: str = scope["method"]
        route = self._plain.get((method, path))
        if route is not None:
            await route.serve(scope, receive, send, _NO_PARAMS)
            return
        for wanted, pattern, route in self._patterns:
            if wanted == method and (found := pattern.fullmatch(path)):
                params = {name: value.decode() for name, value in found.groupdict().items()}
                await route.serve(scope, receive, send, params)
                return
        exchange = Exchange(scope, send)
        for prefix, app in self._mounts:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                await exchange.guard(app(scope, receive, exchange.forward))
                return
        await exchange.guard(self._page(exchange, method, path))

    async def _page(self, exchange: Exchange, method: str, path: bytes) -> None:
        page = self._pages.get(path)
        if page is not None and method in _READING:
            await exchange.answer([(b"content-type", page.media)], page.content())
            return
        known: set[str] = {served for served, p in self._plain if p == path}
        known |= {wanted for wanted, pattern, _ in self._patterns if pattern.fullmatch(path)}
        if page is not None:
            known.update(_READING)
        if not known:
            raise NotFound("no such address is served here")
        allow = ", ".join(sorted(known))
        error: CairnError = MethodNotAllowed(f"{method} is not served here, only {allow}")
        await exchange.refuse(error, [(b"allow", allow.encode())])


def application(
    *,
    endpoints: Sequence[Endpoint[Any, Any]],
    handlers: Mapping[str, Handler],
    authenticate: Authenticate,
    clock: Clock,
    frames: Mapping[str, FramesHandler] | None = None,
    standing: Standing | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
    extra: Mapping[str, Any] | None = None,
    title: str,
) -> Application:
    """An ASGI application that serves `endpoints`, each by the handler of its name.

    `frames` are the handlers of endpoints that carry chunk frames or events. `standing` is asked about who
    calls, before all endpoints that are not open to anyone; without it tokens say it all. `mounts` are ASGI
    applications by path prefix ("/files"), given the scope unchanged; `extra` describes them: OpenAPI path
    items by path.
    Raises ValueError where an endpoint has no handler or a handler no endpoint.
    """
    given: dict[str, Any] = {**handlers, **(frames or {})}
    wanted = {endpoint.name for endpoint in endpoints}
    if wanted != given.keys():
        raise ValueError(f"endpoints and handlers differ: {sorted(wanted ^ given.keys())}")
    streams = Streams()
    meter, bodies = Meter(streams.open), Bodies()
    routes = [
        Route(
            endpoint,
            given[endpoint.name],
            authenticate=authenticate,
            standing=standing,
            clock=clock,
            meter=meter,
            bodies=bodies,
            streams=streams,
        )
        for endpoint in endpoints
    ]
    document = codec.encode(openapi.document(endpoints, title, extra))
    pages = {
        "/healthz": Page(b"text/plain; charset=utf-8", lambda: b"ok"),
        "/openapi.json": Page(asgi.JSON, lambda: document),
        "/metrics": Page(meter.media_type.encode(), meter.text),
    }
    return Application(routes, mounts or {}, pages)
