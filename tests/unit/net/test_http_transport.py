"""What only a transport over sockets can suffer: connections kept open, gone stale, refused, proxied."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from cairnfs.errors import BadRequest, OutcomeUnknown, Unreachable
from cairnfs.net import http_pool
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.serving import Context, Server
from cairnfs.net.transport import Request
from tests.unit.net.listening import calling, serving
from tests.unit.net.service import ASK, OPEN, Ask, Say, service

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@asynccontextmanager
async def odd_server(talk: Talk) -> AsyncIterator[str]:
    """A server of bare bytes. `talk` is given each connection's number, from 1."""
    number = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        number += 1
        try:
            await talk(reader, writer, number)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.close()


async def body_of(transport: HttpTransport, request: Request) -> bytes:
    async with await transport.request(request) as response:
        return await response.read(100_000)


async def test_one_after_the_other_takes_one_connection() -> None:
    async with serving(service()) as server, calling(server) as calls:
        for _ in range(50):
            await calls.call(ASK, Ask(text="x"))
        assert len(server.connections) == 1


async def test_at_once_takes_as_many_as_allowed() -> None:
    most = 0

    async def act(context: Context, request: Ask) -> Say:
        nonlocal most
        most = max(most, len(server.connections))
        await asyncio.sleep(0)
        return Say(text="x")

    async with serving(service(act)) as server, calling(server, connections_max=3) as calls:
        await asyncio.gather(*(calls.call(ASK, Ask(text="x")) for _ in range(50)))
    assert most == 3


async def test_a_server_that_was_restarted_is_found_again() -> None:
    """Whoever was idle must not be told that the outcome of something is unknown."""
    async with serving(service()) as first, calling(first) as calls:
        await calls.call(ASK, Ask(text="x"))
        await first.stop()
        with pytest.raises(Unreachable):
            await calls.call(ASK, Ask(text="x"))
        async with serving(service(), port=first.port):
            assert (await calls.call(ASK, Ask(text="again"))).text == "again"


async def closes_when_asked_again(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
) -> None:
    """Each connection serves one request; the second is read and then dropped."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await reader.readuntil(b"\r\n\r\n")


async def test_a_stale_connection_is_replaced_for_what_may_repeat(transport: HttpTransport) -> None:
    async with odd_server(closes_when_asked_again) as origin:
        for _ in range(3):
            assert await body_of(transport, Request("GET", origin, "/")) == b"ok"


async def test_a_stale_connection_is_an_unknown_outcome_for_the_rest(transport: HttpTransport) -> None:
    async with odd_server(closes_when_asked_again) as origin:
        assert await body_of(transport, Request("POST", origin, "/", {}, b"")) == b"ok"
        with pytest.raises(OutcomeUnknown):
            await transport.request(Request("POST", origin, "/", {}, b""))
        assert await body_of(transport, Request("POST", origin, "/", {}, b"")) == b"ok"


async def test_what_may_repeat_repeats_once(transport: HttpTransport) -> None:
    seen = 0

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal seen
        await reader.readuntil(b"\r\n\r\n")
        seen += 1

    async with odd_server(hangs_up) as origin:
        with pytest.raises(OutcomeUnknown):
            await transport.request(Request("GET", origin, "/"))
    assert seen == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_what_changes_something_never_repeats_by_itself(transport: HttpTransport, method: str) -> None:
    seen = 0

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal seen
        await reader.readuntil(b"\r\n\r\n")
        seen += 1

    async with odd_server(hangs_up) as origin:
        with pytest.raises(OutcomeUnknown):
            await transport.request(Request(method, origin, "/", {}, b"x"))
    assert seen == 1


@pytest.mark.parametrize(
    "said",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
     b"\x15\x03\x01\x00\x02\x02\x46"],
)  # fmt: skip
async def test_an_answer_that_is_none_leaves_the_outcome_unknown(
    transport: HttpTransport, said: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with odd_server(talk) as origin:
        with pytest.raises(OutcomeUnknown):
            await transport.request(Request("POST", origin, "/", {}, b"x"))


@pytest.mark.parametrize("origin", ["http://no-such-host.invalid:80", "http://127.0.0.1:1", "nonsense"])
async def test_no_connection_is_unreachable(transport: HttpTransport, origin: str) -> None:
    with pytest.raises(Unreachable):
        await transport.request(Request("POST", origin, "/", {}, b"x"))


async def test_a_host_that_says_nothing_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose queue is full drops what comes: the connection is never made."""
    monkeypatch.setattr(http_pool, "CONNECT_S", 0.2)
    transport = HttpTransport()
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        with pytest.raises(Unreachable, match="does not accept"):
            await transport.request(Request("GET", f"http://127.0.0.1:{deaf.getsockname()[1]}", "/"))
        for each in waiting:
            each.close()
    await transport.close()


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(service()) as server, calling(server) as calls:
        assert (await calls.call(OPEN)).text == "open"


async def test_a_closed_transport_opens_again() -> None:
    transport = HttpTransport()
    await transport.close()
    server = Server(service())
    await server.start()
    for _ in range(2):
        assert await body_of(transport, Request("GET", server.origin, "/healthz")) == b"ok"
        await transport.close()
    await server.stop()


async def answers(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same answer to every request, byte by byte: no seam of the stream means anything."""
    while await reader.readuntil(b"\r\n\r\n"):
        for at in range(len(answer)):
            writer.write(answer[at : at + 1])
            await writer.drain()


async def test_an_answer_may_come_in_any_pieces_and_after_interim_ones(transport: HttpTransport) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    answer = interim + b"HTTP/1.1 200 OK\r\nX-Last: 1\r\ncontent-length: 2\r\n\r\nok"
    connections: set[int] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        connections.add(number)
        with suppress(asyncio.IncompleteReadError):
            await answers(answer, reader, writer)

    async with odd_server(talk) as origin:
        for _ in range(3):
            async with await transport.request(Request("POST", origin, "/", {}, b"")) as response:
                assert dict(response.headers) == {"x-last": "1", "content-length": "2"}
                assert await response.read(10) == b"ok"
        await transport.close()
    assert connections == {1}


async def test_a_head_request_leaves_the_connection_usable(transport: HttpTransport) -> None:
    async with serving(service()) as server:
        for _ in range(3):
            for method in ("HEAD", "GET"):
                async with await transport.request(Request(method, server.origin, "/healthz")) as response:
                    assert await response.read(10) == (b"ok" if method == "GET" else b"")
        assert len(server.connections) == 1


async def test_more_than_was_asked_for_ends_the_connection(transport: HttpTransport) -> None:
    numbers: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                numbers.append(number)
                writer.write(OK + OK)

    async with odd_server(talk) as origin:
        for _ in range(2):
            assert await body_of(transport, Request("POST", origin, "/", {}, b"")) == b"ok"
        await transport.close()
    assert numbers == [1, 2]


async def test_a_server_that_wants_to_close_is_left(transport: HttpTransport) -> None:
    numbers: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        numbers.append(number)
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        await reader.read()

    async with odd_server(talk) as origin:
        for _ in range(2):
            assert await body_of(transport, Request("POST", origin, "/", {}, b"")) == b"ok"
    assert numbers == [1, 2]


async def test_an_answer_without_an_end_is_never_whole(transport: HttpTransport) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")

    async with odd_server(talk) as origin:
        with pytest.raises(OutcomeUnknown):
            await body_of(transport, Request("POST", origin, "/", {}, b""))


async def test_what_a_producer_raises_is_told_even_if_it_looks_like_ours(transport: HttpTransport) -> None:
    """A body that is itself another server's broken answer."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise OutcomeUnknown("of the other server")

    async with serving(service()) as server:
        with pytest.raises(OutcomeUnknown, match="of the other server"):
            await transport.request(Request("PUT", server.origin, "/v1/take", {}, body()))


async def test_a_producer_is_closed_when_nobody_wants_its_rest(transport: HttpTransport) -> None:
    closed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            closed.set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async with (
        odd_server(talk) as origin,
        await transport.request(Request("PUT", origin, "/", {}, body())) as response,
    ):
        assert response.status == 413
        assert closed.is_set()


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\rb"])
async def test_a_header_cannot_hold_a_line_break(transport: HttpTransport, value: str) -> None:
    with pytest.raises(BadRequest):
        await transport.request(Request("GET", "http://127.0.0.1:1", "/", {"X-Name": value}))


async def test_waiting_for_a_connection_can_be_given_up() -> None:
    transport = HttpTransport(connections_max=1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.read()

    async with serving(service()) as server, odd_server(silent) as origin:
        holder = asyncio.create_task(transport.request(Request("GET", origin, "/")))
        await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(body_of(transport, Request("GET", server.origin, "/healthz")))
            for _ in range(3)
        ]
        for _ in range(10):
            await asyncio.sleep(0)
        waiting[0].cancel()
        holder.cancel()
        assert [await one for one in waiting[1:]] == [b"ok", b"ok"]
        await asyncio.gather(holder, waiting[0], return_exceptions=True)
    await transport.close()
