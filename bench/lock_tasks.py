"""What a client does with locks: each is a task of a worker.

Where many wait at once they are tasks of one event loop, each an owner of its own: a machine of two cores has
no room for a thousand processes. What belongs here: taking, holding, waiting, and when each was told what, by
CLOCK_MONOTONIC, which all processes share. What does not: what is made of it (`scenarios/locks.py`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from bench.bursts import Burst, burst
from bench.tasks import client
from bench.turns import Turn
from cairnfs.client.filesystem import Filesystem
from cairnfs.wire import endpoints
from cairnfs.wire.locks import AcquireRequest, LockPath, LockToken, ReleaseRequest, WaitRequest

_WAIT_MS = 20_000
_LOOK_S = 0.005
_MANY = 1_000_000
_held = ExitStack()


def pairs(paths: list[str], seconds: float, start_at: float) -> dict[str, object]:
    """Take a lock and give it back, path after path, round and round."""
    cairn = client()

    def once(index: int) -> None:
        with cairn.lock(paths[index % len(paths)]):
            pass

    return burst(once, seconds=seconds, most=_MANY, start_at=start_at).reply()


def many(paths: list[str], seconds: float, start_at: float) -> dict[str, object]:
    """Take all of these at once and give them back, again and again."""
    cairn = client()

    def once(_: int) -> None:
        with cairn.lock_many(paths):
            pass

    return burst(once, seconds=seconds, most=_MANY, start_at=start_at).reply()


def nothing(seconds: float, start_at: float) -> dict[str, object]:
    """Ask who one is: a request that changes nothing."""
    cairn = client()
    return burst(lambda _: cairn.whoami(), seconds=seconds, most=_MANY, start_at=start_at).reply()


def make_empty(directory: str, count: int) -> None:
    """A directory of empty files, 0 to `count` - 1."""
    cairn = client()
    cairn.mkdir(directory, parents=True)
    for index in range(count):
        cairn.write_file(f"{directory}/{index}", b"")


def take(directory: str, first: int, count: int, at_once: int) -> dict[str, object]:
    """Take the locks of so many names, `at_once` in a request, and keep them. Paths as units."""
    cairn = client()
    times = []
    began = before = time.monotonic()
    for start in range(first, first + count, at_once):
        _held.enter_context(
            cairn.lock_many([f"{directory}/f{number:06d}" for number in range(start, start + at_once)])
        )
        now = time.monotonic()
        times.append((now - before) * 1e6)
        before = now
    return Burst(began, before, times, count).reply()


def drop() -> dict[str, object]:
    """Give back all that `take` took. One unit."""
    began = time.monotonic()
    _held.close()
    return Burst(began, time.monotonic(), [], 1).reply()


def hold(path: str, ready: str, until: str) -> list[dict[str, object]]:
    """Hold a lock from when the file `ready` is made until there is a file `until`: one turn."""
    cairn, asked = client(), time.monotonic()
    with cairn.lock(path) as held:
        granted = time.monotonic()
        Path(ready).touch()
        while not Path(until).exists():
            time.sleep(_LOOK_S)
        released = time.monotonic()
    return [asdict(Turn(held.fence, asked, granted, released))]


def queue(path: str, count: int, by: str, start_at: float = 0.0) -> list[dict[str, object]]:
    """So many owners ask for one lock, each giving it back at once."""
    through, files = client().inside()
    time.sleep(max(0.0, start_at - time.monotonic()))

    async def all_of_them() -> list[dict[str, object]]:
        turns = [asyncio.create_task(_turn(files, path, by, 0.0)) for _ in range(count)]
        return [asdict(turn) for turn in await asyncio.gather(*turns)]

    return through.call(all_of_them())


def alternate(path: str, by: str, hold_s: float, seconds: float, start_at: float) -> list[dict[str, object]]:
    """Take a lock that others want too, and give it back after a while, again and again."""
    through, files = client().inside()
    time.sleep(max(0.0, start_at - time.monotonic()))

    async def again() -> list[dict[str, object]]:
        turns, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            turns.append(asdict(await _turn(files, path, by, hold_s)))
        return turns

    return through.call(again())


async def _turn(files: Filesystem, path: str, by: str, hold_s: float) -> Turn:
    asked = time.monotonic()
    async with _doors[by](files, path) as fence:
        granted = time.monotonic()
        if hold_s:
            await asyncio.sleep(hold_s)
        released = time.monotonic()
    return Turn(fence, asked, granted, released)


@asynccontextmanager
async def _by_events(files: Filesystem, path: str) -> AsyncIterator[int]:
    """The client as shipped."""
    async with files.lock(path) as held:
        yield held.fence


@asynccontextmanager
async def _by_long_poll(files: Filesystem, path: str) -> AsyncIterator[int]:
    """What the client falls back to where it cannot follow events."""
    session = await files.connection.sessions.hold()
    request = AcquireRequest(
        request_id=secrets.token_hex(16),
        session=session.session,
        owner=secrets.token_hex(16),
        token=secrets.token_hex(16),
        paths=[LockPath(path=path)],
        wait=True,
    )
    try:
        reply = await files.ask(endpoints.ACQUIRE_LOCK, request)
        while reply.state == "waiting":
            wait = WaitRequest(token=request.token, timeout_ms=_WAIT_MS)
            reply = await files.ask(endpoints.WAIT_LOCK, wait, params={"lock": str(reply.lock)})
        try:
            yield reply.fence
        finally:
            release = ReleaseRequest(locks=[LockToken(lock=reply.lock, token=request.token)])
            await files.ask(endpoints.RELEASE_LOCKS, release)
    finally:
        session.release()


_Door = Callable[[Filesystem, str], AbstractAsyncContextManager[int]]
_doors: dict[str, _Door] = {"events": _by_events, "long poll": _by_long_poll}

TASKS: dict[str, Callable[..., object]] = {
    "locks.pairs": pairs,
    "locks.many": many,
    "locks.nothing": nothing,
    "locks.make_empty": make_empty,
    "locks.take": take,
    "locks.drop": drop,
    "locks.hold": hold,
    "locks.queue": queue,
    "locks.alternate": alternate,
}
