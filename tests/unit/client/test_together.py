"""Commits of callers that wait at the same time share requests, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.commit import new_request_id
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.together import OPERATIONS_MAX, WIDTH
from cairnfs.errors import CairnError, Exists, NotFound, OutcomeUnknown
from cairnfs.testing.transport import Fault, FlakyTransport, script
from cairnfs.wire.commits import COMMITS_MAX, CommitRequest, MakeDirectory, Operation
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster


async def test_who_is_alone_asks_alone(cluster: FakeCluster, files: Filesystem) -> None:
    for number in range(5):
        await files.mkdir(f"/{number}")
    assert (cluster.calls["commit"], cluster.calls["commit_many"]) == (5, 0)


async def test_many_at_once_need_few_requests(cluster: FakeCluster, files: Filesystem) -> None:
    made = await asyncio.gather(*(files.mkdir(f"/{number}") for number in range(40)))
    assert sorted(one.commit for one in made) == list(range(1, 41))
    assert WIDTH + cluster.calls["commit_many"] <= 4
    # The fake makes the commits of a request by itself: what it counted are the others.
    assert cluster.calls["commit"] == WIDTH


async def test_a_refusal_is_for_whom_it_concerns(cluster: FakeCluster, files: Filesystem) -> None:
    await files.mkdir("/there")
    paths = ["/a", "/b", "/there", "/missing/c", "/d", "/e"]
    outcomes = await asyncio.gather(*(files.mkdir(path) for path in paths), return_exceptions=True)
    kinds = [type(one) if isinstance(one, CairnError) else None for one in outcomes]
    assert kinds == [None, None, Exists, NotFound, None, None]
    assert cluster.calls["commit_many"] >= 1


async def test_a_lost_answer_is_asked_for_again_by_each(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    flaky = FlakyTransport(
        cluster.transport, script([Fault.REPLY_LOST], lambda request: request.target == "/v1/commits/many")
    )
    files = connect(transport=flaky)
    made = await asyncio.gather(*(files.mkdir(f"/{number}") for number in range(20)))
    assert flaky.counts[Fault.REPLY_LOST] == 1
    assert sorted(one.commit for one in made) == list(range(1, 21))
    assert len(cluster.trees) == 21


async def test_one_who_gives_up_while_waiting_is_not_sent_and_holds_up_nobody(
    cluster: FakeCluster, files: Filesystem
) -> None:
    tasks = [asyncio.create_task(files.mkdir(f"/{number}")) for number in range(10)]
    waiting = files.connection.control.commits._waiting
    for _ in range(1000):
        if len(waiting) == 10 - WIDTH:
            break
        await asyncio.sleep(0)
    assert len(waiting) == 10 - WIDTH
    tasks[7].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [number for number, one in enumerate(outcomes) if isinstance(one, BaseException)] == [7]
    assert b"/7" not in cluster.tree
    assert len(cluster.trees) == 10


async def test_what_is_large_goes_alone(cluster: FakeCluster, files: Filesystem) -> None:
    def request(number: int) -> CommitRequest:
        made: list[Operation] = [
            MakeDirectory(path=f"/{number}.{step}") for step in range(OPERATIONS_MAX + 1)
        ]
        return CommitRequest(request_id=new_request_id(), operations=made)

    commits = files.connection.control.commits
    await asyncio.gather(*(commits.once(request(number), timeout_s=5) for number in range(6)))
    assert (cluster.calls["commit"], cluster.calls["commit_many"]) == (6, 0)


async def test_a_request_that_fails_fails_all_that_are_in_it(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    flaky = FlakyTransport(
        cluster.transport, script([Fault.REPLY_LOST], lambda request: request.target == "/v1/commits/many")
    )
    commits = connect(transport=flaky).connection.control.commits
    asked = [
        commits.once(
            CommitRequest(request_id=new_request_id(), operations=[MakeDirectory(path=f"/{number}")]),
            timeout_s=5,
        )
        for number in range(COMMITS_MAX // 2)
    ]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    lost = [one for one in outcomes if isinstance(one, OutcomeUnknown)]
    assert len(lost) >= COMMITS_MAX // 4
    assert not [one for one in outcomes if isinstance(one, BaseException) and one not in lost]


async def test_a_closed_client_sends_nothing(cluster: FakeCluster, files: Filesystem) -> None:
    await files.mkdir("/a")
    await files.close()
    with pytest.raises(CairnError, match="closed"):
        await files.mkdir("/b")
