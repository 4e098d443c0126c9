"""One cluster serves all tests of a module, so they share its loop."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cairnfs.client import credentials
from cairnfs.clock import SystemClock
from cairnfs.testing.cluster import CONTROL, PASSWORD, cluster
from tests.unit.gateways.scene import Scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with cluster(fileservers=3) as here:
        files = await here.user("ann")
        reply = await credentials.login(here.network, CONTROL, SystemClock(), "ann", PASSWORD)
        made = Scene(here, files, reply.token)
        yield made
        await made.door.close()


@pytest.fixture
def home(scene: Scene, request: pytest.FixtureRequest) -> str:
    """A directory for each test."""
    return f"/home/ann/{zlib.crc32(request.node.name.encode())}"
