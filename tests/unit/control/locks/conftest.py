"""A cluster for tests of the lock service, and ann, who has a file in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnfs.metadata.databases.seam import Database
from cairnfs.wire.auth import TokenReply
from tests.unit.control.plane import Plane, empty_file, plane

PATH = "/home/ann/f"


@pytest.fixture
async def cluster(database: Database) -> AsyncIterator[Plane]:
    async with plane(database=database) as made:
        yield made


@pytest.fixture
async def ann(cluster: Plane) -> TokenReply:
    user = await cluster.signup("ann")
    await cluster.commit(user.token, empty_file(PATH))
    return user
