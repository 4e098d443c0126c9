"""A fake cluster with locks, and clients of it, ended after each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.testing.clock import ManualClock
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.locks.fake_locks import FakeLocks


@pytest.fixture
async def cluster() -> AsyncIterator[FakeLocks]:
    """On the machine's clock."""
    fake = FakeLocks()
    yield fake
    fake.stop.set()
    await fake.transport.close()


@pytest.fixture
def bob(connect: MakeFilesystem) -> Filesystem:
    """Another client, of the same user as `files`."""
    return connect()


@pytest.fixture
def clock() -> ManualClock:
    """Moved by hand."""
    return ManualClock()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go round until something has come about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- whatever the condition is
            await asyncio.sleep(0.001)
