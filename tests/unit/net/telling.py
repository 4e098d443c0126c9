"""Sources of events for the tests of this room: one that gives what is put in, one that never stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from cairnfs.clock import SystemClock
from cairnfs.net.serving import Context, Event, Events, Heartbeat
from tests.unit.net.service import Look

TELL = Look(path="/")
Item = Event | Heartbeat | Exception


class Source:
    """Gives what is put in; knows whether it was closed, and how many items were taken."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Item | None] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.contexts: list[Context] = []
        self.requests: list[Look] = []

    def put(self, *items: Item | None) -> None:
        for item in items:
            self.queue.put_nowait(item)

    async def watch(self, context: Context, request: Look) -> Events:
        self.contexts.append(context)
        self.requests.append(request)
        return Events(self.items())

    async def items(self) -> AsyncIterator[Event | Heartbeat]:
        try:
            while (item := await self.queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.ended.set()


def event(number: int, data: bytes = b"{}") -> Event:
    return Event(str(number), "count", data)


class Flood:
    """Gives events of 64 KiB as fast as they are taken."""

    def __init__(self) -> None:
        self.given = 0
        self.ended = asyncio.Event()

    async def watch(self, context: Context, request: Look) -> Events:
        return Events(self.items())

    async def items(self) -> AsyncIterator[Event | Heartbeat]:
        try:
            while True:
                self.given += 1
                yield event(self.given, b'"' + b"x" * 65_536 + b'"')
        finally:
            self.ended.set()

    async def standstill(self) -> int:
        """Wait until nothing more is taken; how much was."""
        before, quiet = -1, 0
        while quiet < 10:
            quiet = quiet + 1 if self.given == before else 0
            before = self.given
            await SystemClock().sleep(0.01)
        return before
