"""Calling endpoints of the table: messages out, messages or Cairn's errors back.

What belongs here: one request, one answer. What does not: retrying (`client/retry.py`) and choosing
servers. A transport's own DeadlineExceeded means that no answer came in time; since the server may
have acted, it is reported as OutcomeUnknown, so that DeadlineExceeded always is the server's word
that nothing happened. Used from one event loop.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import msgspec

from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, CairnError, DeadlineExceeded, Internal, OutcomeUnknown, Unavailable
from cairnfs.net.event_stream import EventStream
from cairnfs.net.transport import Body, Request, Response, Transport
from cairnfs.wire import chunks, codec, events, problems, queries
from cairnfs.wire.endpoints import Endpoint

Q = TypeVar("Q")
A = TypeVar("A")

#: Gives the bearer token of the moment, or None.
TokenSource = Callable[[], Awaitable[str | None]]

REPLY_MAX_BYTES = 64 * 1024 * 1024
PROBLEM_MAX_BYTES = 1024 * 1024
#: How long past the deadline the answer to it is waited for: "the deadline passed" is worth more
#: from the server, which knows.
GRACE_S = 2.0
#: How long a stream of events may say nothing at all: several heartbeats.
IDLE_S = 10.0
_DEADLINE_MAX_MS = 120_000
_JSON = "application/json"
_PARAMETER = re.compile("[A-Za-z0-9_-]{1,128}")


class Calls:
    """The endpoints of one origin, as one caller."""

    def __init__(
        self, transport: Transport, origin: str, *, clock: Clock, token: TokenSource | None = None
    ) -> None:
        """`origin` is `http://host:port`. `token` is asked before each call that needs one."""
        self.origin = origin
        self._transport = transport
        self._clock = clock
        self._token = token

    async def call(
        self,
        endpoint: Endpoint[Q, A],
        request: Q | None = None,
        *,
        params: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        headers: Mapping[str, str] | None = None,
    ) -> A:
        """Ask for a reply. Raises the error that the server answered, Unreachable or OutcomeUnknown."""
        body, media = b"", ""
        if endpoint.method == "POST":
            body, media = (b"{}" if request is None else codec.encode(request)), _JSON
        response = await self._ask(endpoint, body, media, params, timeout_s, headers)
        return await self._reply(endpoint, response)

    async def send(
        self,
        endpoint: Endpoint[Any, A],
        body: Body,
        *,
        length: int | None = None,
        timeout_s: float = 30.0,
        headers: Mapping[str, str] | None = None,
    ) -> A:
        """Send chunk frames and get a reply. `length` in bytes is announced where it is known."""
        more = dict(headers or {})
        if length is not None:
            more["content-length"] = str(length)
        response = await self._ask(endpoint, body, chunks.MEDIA_TYPE, None, timeout_s, more)
        return await self._reply(endpoint, response)

    async def stream(
        self,
        endpoint: Endpoint[Q, Any],
        request: Q,
        *,
        timeout_s: float = 30.0,
        read_timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Ask for chunk frames: a response of status 200 whose body is to be read and closed by the caller.

        `read_timeout_s` bounds each piece; without it `timeout_s` bounds the whole answer.
        """
        response = await self._ask(
            endpoint, codec.encode(request), _JSON, None, timeout_s, headers, read_timeout_s
        )
        if response.status != 200:
            async with response:
                raise await _problem(response)
        return response

    @asynccontextmanager
    async def events(
        self,
        endpoint: Endpoint[Q, Any],
        request: Q | None = None,
        *,
        timeout_s: float = 30.0,
        idle_s: float = IDLE_S,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[EventStream]:
        """Open a stream of events for the body of an `async with`; leaving it closes the stream.

        `timeout_s` bounds the opening, up to the first event or heartbeat; `idle_s` each silence afterwards.
        Raises what the server refuses with, Unreachable or OutcomeUnknown.
        """
        began = self._clock.boottime()
        query = "" if request is None else queries.encode(cast("msgspec.Struct", request))
        sent = {"accept": events.MEDIA_TYPE, **(headers or {})}
        response = await self._ask(endpoint, b"", "", None, timeout_s, sent, idle_s, query)
        async with response:
            if response.status != 200:
                raise await _problem(response)
            if _media(response) != events.MEDIA_TYPE:
                raise Internal(f"{self.origin} answered {endpoint.name} with something else")
            stream = EventStream(response, self.origin, began, idle_s)
            try:
                yield stream
            finally:
                await stream.close()

    async def _ask(
        self,
        endpoint: Endpoint[Any, Any],
        body: Body,
        media: str,
        params: Mapping[str, str] | None,
        timeout_s: float,
        headers: Mapping[str, str] | None,
        read_timeout_s: float | None = None,
        query: str = "",
    ) -> Response:
        began = self._clock.monotonic()
        sent = dict(headers or {})
        if media:
            sent["content-type"] = media
        if self._token is not None and endpoint.access != "anyone":
            token = await self._token()
            if token is not None:
                sent["authorization"] = f"Bearer {token}"
        left_s = timeout_s - (self._clock.monotonic() - began)
        if left_s <= 0:
            raise DeadlineExceeded("the time was over before the request was sent")
        sent[chunks.DEADLINE_HEADER] = str(max(1, min(_DEADLINE_MAX_MS, int(left_s * 1000))))
        path = endpoint.path if params is None else _filled(endpoint.path, params)
        try:
            return await self._transport.request(
                Request(
                    endpoint.method,
                    self.origin,
                    f"{path}?{query}" if query else path,
                    sent,
                    body,
                    left_s + GRACE_S,
                    read_timeout_s,
                )
            )
        except DeadlineExceeded as error:
            raise OutcomeUnknown(f"{self.origin} did not answer within {timeout_s:g} s") from error

    async def _reply(self, endpoint: Endpoint[Any, A], response: Response) -> A:
        async with response:
            if response.status != 200:
                raise await _problem(response)
            try:
                body = await response.read(REPLY_MAX_BYTES)
            except DeadlineExceeded as error:
                raise OutcomeUnknown(f"{self.origin} did not finish its answer in time") from error
            try:
                return codec.decode(endpoint.reply, body)
            except CairnError as error:
                raise Internal(
                    f"{self.origin} answered {endpoint.name} with something else: {error}"
                ) from error


def _filled(path: str, params: Mapping[str, str]) -> str:
    for name, value in params.items():
        if not _PARAMETER.fullmatch(value):
            raise BadRequest(f"{name}: letters, digits, - and _ only, at most 128")
    return path.format_map(params)


async def _problem(response: Response) -> CairnError:
    """The error of an answer that is not 200."""
    body = await response.read(PROBLEM_MAX_BYTES)
    if _media(response) == problems.MEDIA_TYPE:
        try:
            return problems.to_error(codec.decode(problems.Problem, body))
        except CairnError:
            pass
    kind = Unavailable if response.status in (429, 502, 503, 504) else Internal
    return kind(f"answered HTTP {response.status} without a problem document")


def _media(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip()
