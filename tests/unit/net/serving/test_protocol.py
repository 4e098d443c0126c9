"""A connection with clients that know no manners: nonsense, oversize, silence, sudden departure."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.net import asgi
from cairnfs.net.asgi import Receive, Scope, Send
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.transport import Request
from cairnfs.testing.clock import ManualClock
from tests.unit.net.listening import calling, eventually, problem_in, raw, serving
from tests.unit.net.service import OPEN, service


def head(length: bytes, more: bytes = b"") -> bytes:
    """The head of a question of so many bytes."""
    return (
        b"POST /v1/ask HTTP/1.1\r\nAuthorization: Bearer user:ann\r\nContent-Type: application/json\r\n"
        b"Content-Length: " + length + b"\r\n" + more + b"\r\n"
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x00\xa5",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_what_is_not_http_is_a_problem_and_no_warning(sent: bytes) -> None:
    async with serving(service()) as server, calling(server) as calls:
        assert problem_in(await raw(server, sent)).code in ("bad_request", "not_found")
        assert (await calls.call(OPEN)).text == "open"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 500_000,
    ],
)
async def test_a_head_over_the_limits_is_refused(sent: bytes) -> None:
    async with serving(service()) as server:
        assert problem_in(await raw(server, sent)).code == "too_large"


async def test_many_requests_in_one_read_do_not_count_as_one_head() -> None:
    one = head(b"909") + b'{"text":"' + b"x" * 898 + b'"}'
    async with serving(service()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(one * 150)
        answers = b""
        async with asyncio.timeout(20):
            while answers.count(b"HTTP/1.1 200") < 150:
                answers += await reader.readexactly(1000)
        writer.close()


async def test_fields_after_the_body_are_no_headers() -> None:
    """Whoever stands between may have checked the headers; nothing may slip in behind them."""
    sent = (
        b"POST /v1/ask HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'c\r\n{"text":"x"}\r\n0\r\nAuthorization: Bearer user:ann\r\n\r\n'
    )
    async with serving(service()) as server:
        assert problem_in(await raw(server, sent)).code == "unauthenticated"


async def test_a_body_in_another_transfer_coding_is_not_taken_for_the_bytes_it_stands_for() -> None:
    sent = (
        b"POST /v1/ask HTTP/1.1\r\nAuthorization: Bearer user:ann\r\nContent-Type: application/json\r\n"
        b'Transfer-Encoding: gzip, chunked\r\n\r\nc\r\n{"text":"x"}\r\n0\r\n\r\n'
    )
    async with serving(service()) as server:
        assert problem_in(await raw(server, sent)).code == "unsupported_media"


async def test_an_upgrade_is_not_taken_up() -> None:
    async with serving(service()) as server:
        for protocol in (b"h2c", b"websocket"):
            asked = b"GET /healthz HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"
            assert (await raw(server, asked)).endswith(b"\r\n\r\nok")


async def test_a_client_that_leaves_within_its_body_is_no_defect() -> None:
    """Nothing is answered, nothing is logged as wrong (the fixture that watches the log sees to that)."""
    async with serving(service()) as server, calling(server) as calls:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(b"99") + b"{")
        await writer.drain()
        writer.transport.abort()
        del reader
        assert (await calls.call(OPEN)).text == "open"


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    async with serving(service()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(b"12", b"Expect: 100-continue\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'{"text":"x"}')
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_refused_body_is_answered_before_100_continue() -> None:
    async with serving(service()) as server:
        assert problem_in(await raw(server, head(b"1001", b"Expect: 100-continue\r\n"))).code == "too_large"


async def test_names_in_the_path_stay_bytes() -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        await asgi.answer(send, 200, [], scope["raw_path"])

    async with serving(service(mounts={"/files": door})) as server:
        transport = HttpTransport()
        for target in ("/files//a/../%FF%2f", "/files/%E4", "/files/a%00b"):
            async with await transport.request(Request("GET", server.origin, target)) as response:
                assert await response.read(1000) == target.encode()
        await transport.close()


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server ended the connection."""
    async with asyncio.timeout(10):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass


@pytest.mark.parametrize(
    ("begun", "patience_s"),
    [
        (b"", 30),
        (b"GET /healthz HT", 30),
        (b"GET /healthz HTTP/1.1\r\nx: y", 30),
        (head(b"12") + b"{", 60),
    ],
)
async def test_who_falls_silent_is_shown_out(begun: bytes, patience_s: float) -> None:
    clock = ManualClock()
    async with serving(service(), clock=clock) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(begun)
        await eventually(lambda: len(server.connections) == 1)
        await clock.run(patience_s - 1)
        server.sweep()
        assert len(server.connections) == 1
        await clock.run(2)
        server.sweep()
        await closed(reader)
        writer.close()


async def test_an_empty_line_after_an_answer_holds_no_place_for_ever() -> None:
    clock = ManualClock()
    async with serving(service(), clock=clock) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"ok")
        (connection,) = server.connections
        writer.write(b"\r\n")
        await eventually(lambda: connection.timeout_keep_alive_task is None)
        await clock.run(29)
        server.sweep()
        assert server.connections == [connection]
        await clock.run(2)
        server.sweep()
        await closed(reader)
        writer.close()


async def test_who_does_not_read_is_shown_out() -> None:
    clock = ManualClock()

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        await asgi.answer(send, 200, [], b"x" * 50_000_000)

    async with serving(service(mounts={"/files": door}), clock=clock) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
        writer.write(b"GET /files HTTP/1.1\r\n\r\n")
        await eventually(lambda: any(each.flow.write_paused for each in server.connections))
        await clock.run(61)
        server.sweep()
        await eventually(lambda: not server.connections)
        writer.close()


async def test_a_refused_body_is_swallowed_for_a_while_and_not_longer() -> None:
    clock = ManualClock()
    async with serving(service(), clock=clock) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(b"999999999"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        writer.write(b"x" * 1_000_000)
        await writer.drain()
        await clock.run(9)
        server.sweep()
        assert len(server.connections) == 1
        await clock.run(2)
        server.sweep()
        await closed(reader)
        writer.close()


async def test_after_a_refused_body_the_connection_goes_on() -> None:
    async with serving(service()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head(b"2000"))
        refusal = await reader.readuntil(b"}")
        assert refusal.startswith(b"HTTP/1.1 413")
        writer.write(b"x" * 2000 + b"GET /healthz HTTP/1.1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.loud
async def test_over_the_limit_of_connections_new_ones_are_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cairnfs.net.serving.protocol.CONNECTIONS_MAX", 2)
    async with serving(service()) as server:
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        await closed(opened[2][0])
        assert len(server.connections) == 2
        assert not caplog.records
        server.sweep()
        server.sweep()
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        for _, writer in opened:
            writer.close()


async def test_a_small_answer_is_one_piece_and_the_connection_goes_on() -> None:
    asked = head(b"12") + b'{"text":"x"}'
    async with serving(service()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(3):
            writer.write(asked)
            answer = await reader.read(10_000)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\ndate: " in answer
            assert answer.endswith(b'\r\n\r\n{"text":"x","caller":"ann"}')
        writer.close()
        await writer.wait_closed()


async def test_who_wants_the_connection_closed_gets_the_answer_and_then_its_end() -> None:
    asked = head(b"12", b"Connection: close\r\n") + b'{"text":"x"}'
    async with serving(service()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(asked)
        answer = await reader.read()
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b'{"text":"x","caller":"ann"}')
        writer.close()
        await writer.wait_closed()


async def test_requests_sent_without_waiting_are_answered_in_order() -> None:
    texts = [b"first", b"second", b"third"]
    asked = b"".join(head(b"%d" % (len(text) + 11)) + b'{"text":"%b"}' % text for text in texts)
    async with serving(service()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(asked)
        answers = b""
        while answers.count(b'"caller"') < len(texts):
            answers += await reader.read(10_000)
        assert sorted(texts, key=answers.index) == texts
        writer.close()
        await writer.wait_closed()
