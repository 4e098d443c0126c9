"""What every `Transport` must do: the suite behind `cairnfs.net.transport`.

What belongs here: stories that hold with and without a network. What does not: what only sockets can
suffer (a stale connection, a port that refuses): that lies with their own tests.

A new transport's test subclasses `TransportContract` and gives it two fixtures: `transport`, and
`serve`, which puts an ASGI application behind an origin. Streams have their own suite
(`streaming.py`).
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cairnfs.errors import DeadlineExceeded, OutcomeUnknown, TooLarge, Unreachable
from cairnfs.net import asgi
from cairnfs.net.asgi import ASGIApp, RawHeaders, Receive, Scope, Send
from cairnfs.net.transport import Request, Transport

#: Puts an application behind an origin, which it gives back.
Serve = Callable[[ASGIApp], Awaitable[str]]

#: Targets that a well-meaning library would tidy up, and then two names would be one.
RAW_TARGETS = (
    "/plain",
    "/bytes%FF%fe",
    "/escaped%2Fslash",
    "/escaped%2fslash",
    "//two//slashes//",
    "/up/../and/./down",
    "/needless%41escape",
    "/caf%C3%A9",
    "/~!$&'()*+,;=:@",
    "/%3Fnot%23query",
    "/a%20b?at=10%20m&empty=&x=//..%2F",
    "/%25%32%35",
)


def echo_target(scope: Scope) -> bytes:
    """The target as the application saw it."""
    query = scope["query_string"]
    return bytes(scope["raw_path"] + (b"?" + query if query else b""))


def saying(status: int, body: bytes = b"", headers: RawHeaders | None = None) -> ASGIApp:
    """An application that always says the same."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asgi.answer(send, status, headers or [], body)

    return app


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with the body that it got."""
    body = await asgi.BodyPieces(receive, limit_bytes=None, announced_bytes=None).whole()
    await asgi.answer(send, 200, [(b"x-method", scope["method"].encode())], body)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that never answers while somebody waits."""
    while (await receive())["type"] != "http.disconnect":
        pass


def cut(scope: Scope) -> None:
    """Break the connection as a dying server does."""
    peer = asgi.peer_of(scope)
    assert peer is not None
    peer.cut()


class TransportContract:
    """Subclass, and define the fixtures `transport` and `serve`."""

    @pytest.mark.parametrize("target", RAW_TARGETS)
    async def test_the_raw_target_goes_out_byte_for_byte(
        self, transport: Transport, serve: Serve, target: str
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await asgi.answer(send, 200, [], echo_target(scope))

        async with await transport.request(Request("GET", await serve(app), target)) as response:
            assert await response.read(10_000) == target.encode()

    @pytest.mark.parametrize("status", [200, 204, 301, 304, 404, 412, 500, 503, 507])
    async def test_a_status_is_a_result(self, transport: Transport, serve: Serve, status: int) -> None:
        origin = await serve(saying(status, headers=[(b"location", b"/elsewhere")]))
        async with await transport.request(Request("GET", origin, "/")) as response:
            assert response.status == status

    @pytest.mark.parametrize("body", [b"", b"x", b"\0\xff" * 3, b"y" * 1_500_000])
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    async def test_bodies_arrive_whole(
        self, transport: Transport, serve: Serve, method: str, body: bytes
    ) -> None:
        async with await transport.request(Request(method, await serve(echo), "/", {}, body)) as response:
            assert response.headers["x-method"] == method
            assert await response.read(2_000_000) == body

    async def test_headers_travel_both_ways(self, transport: Transport, serve: Serve) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen = asgi.Headers(scope["headers"])["cairn-thing"]
            await asgi.answer(send, 200, [(b"X-Seen", seen.encode())])

        request = Request("GET", await serve(app), "/", {"Cairn-Thing": "a, b"})
        async with await transport.request(request) as response:
            assert response.headers["x-seen"] == "a, b"

    async def test_nothing_is_added_that_changes_the_answer(self, transport: Transport, serve: Serve) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            names = sorted(name.decode() for name, _ in scope["headers"])
            await asgi.answer(send, 200, [], " ".join(names).encode())

        async with await transport.request(Request("GET", await serve(app), "/")) as response:
            assert await response.read(1000) == b"host"

    async def test_large_request_headers_pass(self, transport: Transport, serve: Serve) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            size = sum(len(value) for name, value in scope["headers"] if name.startswith(b"x-"))
            await asgi.answer(send, 200, [], str(size).encode())

        headers = {f"X-{number}": "v" * 2048 for number in range(16)}
        async with await transport.request(Request("GET", await serve(app), "/", headers)) as response:
            assert await response.read(100) == b"32768"

    async def test_content_is_not_unpacked(self, transport: Transport, serve: Serve) -> None:
        packed = gzip.compress(b"hello")
        origin = await serve(saying(200, packed, [(b"content-encoding", b"gzip")]))
        async with await transport.request(Request("GET", origin, "/")) as response:
            assert await response.read(1000) == packed

    async def test_head_has_headers_and_no_body(self, transport: Transport, serve: Serve) -> None:
        origin = await serve(saying(200, b"twelve bytes"))
        async with await transport.request(Request("HEAD", origin, "/")) as response:
            assert response.headers["content-length"] == "12"
            assert await response.read(1000) == b""

    async def test_an_answer_over_the_readers_limit_is_refused(
        self, transport: Transport, serve: Serve
    ) -> None:
        origin = await serve(saying(200, b"x" * 100_001))
        async with await transport.request(Request("GET", origin, "/")) as response:
            with pytest.raises(TooLarge):
                await response.read(100_000)

    async def test_many_requests_at_once_each_get_their_own_answer(
        self, transport: Transport, serve: Serve
    ) -> None:
        origin = await serve(echo)

        async def one(number: int) -> None:
            body = b"%d" % number * 1000
            async with await transport.request(Request("POST", origin, "/", {}, body)) as response:
                assert await response.read(10_000) == body

        await asyncio.gather(*(one(number) for number in range(300)))

    async def test_an_unread_answer_does_not_disturb_the_next(
        self, transport: Transport, serve: Serve
    ) -> None:
        origin = await serve(saying(200, b"x" * 1_000_000))
        for _ in range(5):
            async with await transport.request(Request("GET", origin, "/")):
                pass
        async with await transport.request(Request("GET", origin, "/")) as response:
            assert len(await response.read(2_000_000)) == 1_000_000

    async def test_where_nobody_listens_is_unreachable(self, transport: Transport, nowhere: str) -> None:
        with pytest.raises(Unreachable):
            await transport.request(Request("GET", nowhere, "/"))

    async def test_time_runs_out_before_the_head(self, transport: Transport, serve: Serve) -> None:
        with pytest.raises(DeadlineExceeded):
            await transport.request(Request("GET", await serve(silent), "/", timeout_s=0.1))

    async def test_time_runs_out_within_the_body(self, transport: Transport, serve: Serve) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a beginning", "more_body": True})
            await silent(scope, receive, send)

        origin = await serve(app)
        async with await transport.request(Request("GET", origin, "/", timeout_s=1.0)) as response:
            with pytest.raises(DeadlineExceeded):
                await response.read(1000)
        patient = Request("GET", origin, "/", timeout_s=10, read_timeout_s=0.1)
        async with await transport.request(patient) as response:
            with pytest.raises(DeadlineExceeded):
                await response.read(1000)

    async def test_a_server_that_dies_before_its_head_leaves_the_outcome_unknown(
        self, transport: Transport, serve: Serve
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            cut(scope)

        origin = await serve(app)
        with pytest.raises(OutcomeUnknown):
            await transport.request(Request("POST", origin, "/", {}, b"do it"))

    @pytest.mark.parametrize("announced", [True, False])
    async def test_a_broken_answer_is_never_taken_for_a_short_one(
        self, transport: Transport, serve: Serve, announced: bool
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            headers = [(b"content-length", b"1000")] if announced else []
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"x" * 500, "more_body": True})
            cut(scope)

        with pytest.raises(OutcomeUnknown):
            async with await transport.request(Request("GET", await serve(app), "/")) as response:
                await response.read(10_000)

    async def test_what_the_body_raises_comes_back(self, transport: Transport, serve: Serve) -> None:
        """A file that cannot be read on: the caller learns that, the server sees a client that left."""
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            while (message := await receive())["type"] != "http.disconnect":
                assert message["more_body"]
            heard.put_nowait("disconnect")

        async def body() -> AsyncIterator[bytes]:
            yield b"x" * 1000
            raise ZeroDivisionError("of the producer")

        origin = await serve(app)
        with pytest.raises(ZeroDivisionError):
            await transport.request(Request("PUT", origin, "/", {}, body()))
        async with asyncio.timeout(5):
            assert await heard.get() == "disconnect"

    async def test_a_request_given_up_leaves_the_transport_usable(
        self, transport: Transport, serve: Serve
    ) -> None:
        waiting = await serve(silent)
        task = asyncio.create_task(transport.request(Request("GET", waiting, "/")))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with await transport.request(Request("GET", await serve(saying(200)), "/")) as response:
            assert response.status == 200
