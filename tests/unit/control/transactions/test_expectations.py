"""Commits that expect nothing to have changed, over the wire: asked again, in pages, far behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.metadata.ops import unchanged
from cairnfs.wire.commits import Unchanged
from tests.unit.control.plane import directory, plane
from tests.unit.control.staging import Staging, files


@pytest.fixture
async def staging() -> AsyncIterator[Staging]:
    async with plane() as cluster:
        await cluster.admin()
        yield Staging(cluster, await cluster.signup("ann"))


async def test_a_commit_that_expected_nothing_to_change_is_asked_again(staging: Staging) -> None:
    since = (await staging.cluster.commit(staging.who.token, directory("/home/ann/d"))).commit
    asked = [Unchanged(path="/home/ann", since=since), *files(0, 1)]
    first = await staging.commit(0, *asked)
    assert await staging.commit(0, *asked) == first
    with pytest.raises(e.VersionChanged):
        await staging.commit(0, *asked, request_id="4" * 32)
    staging.request_id = "5" * 32
    await staging.stage(0, Unchanged(path="/home/ann/d", since=since), *files(5, 1))
    with pytest.raises(e.VersionChanged):
        await staging.commit(1)


async def test_whoever_is_far_behind_looks_again(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, token = staging.cluster, staging.who.token
    since = (await cluster.commit(token, directory("/home/ann/d"))).commit
    honest, late = unchanged.check, [3]

    def behind(*args: Any) -> Any:
        late[0] -= 1
        if late[0] > 0:
            raise unchanged.FarBehind("others were quicker")
        return honest(*args)

    monkeypatch.setattr(unchanged, "check", behind)
    await staging.commit(0, Unchanged(path="/home/ann", since=since), directory("/home/ann/e"))
    assert late == [0]
    late[0] = 99
    with pytest.raises(e.Busy):
        await staging.commit(0, Unchanged(path="/home/ann/d", since=since), request_id="6" * 32)
