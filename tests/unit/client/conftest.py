"""A fake cluster and a client of it, ended after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cairnfs.client.filesystem import Filesystem
from tests.unit.client.fake_cluster import FakeCluster

MakeFilesystem = Callable[..., Filesystem]


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """Three fileservers, three copies."""
    fake = FakeCluster()
    yield fake
    fake.stop.set()
    await fake.transport.close()


@pytest.fixture
async def connect(cluster: FakeCluster) -> AsyncIterator[MakeFilesystem]:
    """Makes clients of the cluster; options as for `FakeCluster.filesystem`."""
    made: list[Filesystem] = []

    def make(**options: Any) -> Filesystem:
        made.append(cluster.filesystem(**options))
        return made[-1]

    yield make
    cluster.stop.set()
    for filesystem in made:
        await filesystem.close()


@pytest.fixture
def files(connect: MakeFilesystem) -> Filesystem:
    """One client."""
    return connect()
