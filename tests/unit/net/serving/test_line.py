"""A large body that comes straight into its reader's buffer: every byte, and nothing but its bytes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from cairnfs.errors import LengthMismatch
from cairnfs.net import asgi
from cairnfs.net.asgi import BodyPieces, Receive, Scope, Send
from cairnfs.net.serving.line import SHARED_BYTES
from cairnfs.net.tls import client_context
from cairnfs.testing.clock import ManualClock
from tests.unit.net.listening import eventually, serving
from tests.unit.net.serving.test_server import certificate


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def put(body: bytes, more: bytes = b"") -> bytes:
    return b"POST /take HTTP/1.1\r\nContent-Length: %d\r\n%b\r\n" % (len(body), more) + body


class Taker:
    """An application that takes each body into a buffer and says it back."""

    def __init__(self) -> None:
        self.enough: Callable[[int], int] = lambda length: length
        self.lost: list[str] = []
        self.direct: list[bool] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = int(dict(scope["headers"])[b"content-length"])
        peer = asgi.peer_of(scope)
        body = BodyPieces(receive, limit_bytes=None, announced_bytes=length, peer=peer)
        buffer = memoryview(bytearray(length))
        arrival = body.into(buffer)
        self.direct.append(type(arrival).__name__ == "Arriving")
        enough = self.enough(length)
        try:
            await arrival.until(enough)
        except LengthMismatch as error:
            self.lost.append(str(error))
            return await asgi.answer(send, 400, [])
        return await asgi.answer(send, 200, [], bytes(buffer[:enough]))


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.mark.parametrize("size", [1, 1000, 65_536, SHARED_BYTES, SHARED_BYTES + 1, 3_000_000])
async def test_bodies_of_any_size_come_whole_one_after_the_other_on_one_connection(
    taker: Taker, size: int
) -> None:
    async with serving(taker) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for seed in range(3):
            body = content(seed, size)
            writer.write(put(body))
            assert await answer(reader) == body
        assert taker.direct == [True] * 3
        writer.close()


async def test_however_it_is_cut_on_its_way_it_is_the_same(taker: Taker) -> None:
    async with serving(taker) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for seed in range(5):
            random_ = random.Random(seed)
            body = content(seed, random_.randrange(300_000, 600_000))
            sent = put(body)
            at = 0
            while at < len(sent):
                step = random_.choice((1, 37, 5_000, 100_000))
                writer.write(sent[at : at + step])
                await writer.drain()
                await asyncio.sleep(0)
                at += step
            assert await answer(reader) == body, f"seed {seed}"
        writer.close()


async def test_two_requests_in_one_write_do_not_run_into_each_other(taker: Taker) -> None:
    bodies = [content(seed, 500_000) for seed in range(4)]
    async with serving(taker) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"".join(put(body) for body in bodies))
        assert [await answer(reader) for _ in bodies] == bodies
        writer.close()


async def test_who_waits_for_100_continue_is_told_to_go_on(taker: Taker) -> None:
    body = content(1, 400_000)
    async with serving(taker) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(put(body, b"Expect: 100-continue\r\n")[: -len(body)])
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert await answer(reader) == body
        writer.close()


async def test_a_client_that_leaves_within_its_body_is_told_from_a_whole_one(taker: Taker) -> None:
    async with serving(taker) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(put(content(1, 900_000))[:-1])
        await eventually(lambda: bool(server.connections))
        await writer.drain()
        writer.close()
        await eventually(lambda: bool(taker.lost))
        assert "went away" in taker.lost[0]


async def test_the_rest_of_a_body_that_nobody_wants_is_swallowed_and_the_next_request_is_heard(
    taker: Taker,
) -> None:
    taker.enough = lambda length: min(length, 300_000)
    bodies = [content(seed, 2_000_000) for seed in range(2)]
    async with serving(taker) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for body in bodies:
            writer.write(put(body)[:-1_000_000])
            assert await answer(reader) == body[:300_000]
            writer.write(body[-1_000_000:])
        writer.close()


async def test_a_body_that_stops_coming_ends_the_connection_and_one_that_comes_slowly_does_not(
    taker: Taker,
) -> None:
    clock = ManualClock()
    sent = put(content(1, 900_000))
    async with serving(taker, clock=clock) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent[:500_000])
        await writer.drain()
        await eventually(lambda: bool(server.connections))
        (connection,) = server.connections
        for at in range(500_000, 500_003):
            before = connection._heard_at
            clock.advance(40.0)
            writer.write(sent[at : at + 1])
            await eventually(lambda before=before: connection._heard_at > before)  # type: ignore[misc]
            server.sweep()
        assert server.connections == [connection]
        clock.advance(61.0)
        server.sweep()
        await eventually(lambda: bool(taker.lost))
        writer.close()


@pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=("asyncio", "uvloop")
)
@pytest.mark.parametrize("sealed", [False, True], ids=("plain", "tls"))
def test_on_every_loop_with_tls_and_without(
    factory: Callable[[], asyncio.AbstractEventLoop], sealed: bool, tmp_path: Path
) -> None:
    async def main() -> None:
        taker = Taker()
        files = certificate(tmp_path) if sealed else None
        async with serving(taker, tls=files) as server:
            tls = client_context(files.certificate) if files else None
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
            for seed in range(3):
                body = content(seed, 2_500_000)
                writer.write(put(body))
                assert await answer(reader) == body
            assert taker.direct == [True] * 3
            writer.close()
            await writer.wait_closed()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
