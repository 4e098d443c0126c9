"""The machine's own limits, by the fewest lines that reach them. Each is a task of a worker.

What belongs here: plain system calls and sockets. What does not: Cairn. A limit is not a promise
that anything could be as fast; it says what the disk or the loopback alone would allow, on the same
cores, in the same minute.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from bench.bursts import Burst, burst

_PIECE = 1 << 20
_SMALL = b"x" * 4096
_QUESTION = b"q" * 128
_MANY = 10_000_000
_ANSWER_WITHIN_S = 10.0


def fsyncs(path: str, seconds: float, start_at: float) -> dict[str, object]:
    """Append 4 KiB and fdatasync, again and again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:

        def append(_: int) -> None:
            os.write(descriptor, _SMALL)
            os.fdatasync(descriptor)

        return burst(append, seconds=seconds, most=_MANY, start_at=start_at).reply()
    finally:
        os.close(descriptor)
        os.unlink(path)


def write_file(path: str, size: int) -> dict[str, object]:
    """Write bytes that do not compress and fdatasync once, at the end. MB as units."""
    piece = os.urandom(_PIECE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:

        def write() -> None:
            for offset in range(0, size, _PIECE):
                os.pwrite(descriptor, piece, offset)
            os.fdatasync(descriptor)

        return _bulk(write, size)
    finally:
        os.close(descriptor)


def read_file(path: str) -> dict[str, object]:
    """Read a file that was just written, from the system's cache. MB as units."""
    buffer = bytearray(_PIECE)
    with open(path, "rb", buffering=0) as file:

        def read() -> None:
            while file.readinto(buffer):
                pass

        return _bulk(read, Path(path).stat().st_size)


def create_files(directory: str, count: int) -> dict[str, object]:
    """Make files of 4 KiB of distinct content, then have all of them on disk by one sync."""
    Path(directory).mkdir(parents=True)

    def create() -> None:
        for index in range(count):
            Path(directory, f"{index:06d}").write_bytes(os.urandom(len(_SMALL)))
        os.sync()

    return _counted(create, count)


def scan(directory: str) -> dict[str, object]:
    """List a directory with every entry's attributes."""

    def look() -> None:
        with os.scandir(directory) as entries:
            for entry in entries:
                entry.stat()

    return _counted(look, len(os.listdir(directory)))


def serve() -> dict[str, int]:
    """Answer questions (an echo on asyncio, as the servers' loop) and pour bytes, on two free ports.

    Goes on in threads of this worker until it ends.
    """
    ports: list[int] = []
    ready = threading.Event()
    threading.Thread(target=_echo, args=(ports, ready), daemon=True).start()
    ready.wait()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_pour, args=(listener,), daemon=True).start()
    return {"echo": ports[0], "pour": listener.getsockname()[1]}


def questions(port: int, seconds: float, start_at: float) -> dict[str, object]:
    """Small requests on one connection, each after the answer of the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_WITHIN_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(_: int) -> None:
            connection.sendall(_QUESTION)
            missing = len(_QUESTION)
            while missing:
                missing -= _more(len(connection.recv(missing)))

        return burst(ask, seconds=seconds, most=_MANY, start_at=start_at).reply()


def swallow(port: int, size: int) -> dict[str, object]:
    """Receive `size` bytes over one connection. MB as units."""
    buffer = bytearray(_PIECE)
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_WITHIN_S) as connection:

        def receive() -> None:
            connection.sendall(size.to_bytes(8, "little"))
            missing = size
            while missing:
                missing -= _more(connection.recv_into(buffer, min(missing, _PIECE)))

        return _bulk(receive, size)


def _more(received: int) -> int:
    if not received:
        raise ConnectionError("the server went away")
    return received


def _bulk(work: Callable[[], None], size: int) -> dict[str, object]:
    return _counted(work, size / 1e6)


def _counted(work: Callable[[], None], units: float) -> dict[str, object]:
    began = time.monotonic()
    work()
    return Burst(began, time.monotonic(), [], units).reply()


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def _echo(ports: list[int], ready: threading.Event) -> None:
    from cairnfs.net.loop import run

    async def listen() -> None:
        server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    run(listen())


def _pour(listener: socket.socket) -> None:
    piece = bytes(_PIECE)
    while True:
        connection, _ = listener.accept()
        with connection:
            missing = int.from_bytes(connection.recv(8), "little")
            while missing:
                missing -= connection.send(memoryview(piece)[: min(missing, _PIECE)])


TASKS: dict[str, Callable[..., object]] = {
    "machine.fsyncs": fsyncs,
    "machine.write_file": write_file,
    "machine.read_file": read_file,
    "machine.create_files": create_files,
    "machine.scan": scan,
    "machine.serve": serve,
    "machine.questions": questions,
    "machine.swallow": swallow,
}
