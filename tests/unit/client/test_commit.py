"""Commits: sent as often as it takes, done once, and the outcome is always told truly."""

from __future__ import annotations

import pytest

from cairnfs.client import commit as commits
from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.retry import Patience
from cairnfs.errors import (
    Busy,
    DeadlineExceeded,
    Exists,
    Internal,
    Locked,
    NotFound,
    OutcomeUnknown,
    Unreachable,
)
from cairnfs.net.transport import Request
from cairnfs.testing.transport import Fault, FlakyTransport, script, seeded
from cairnfs.wire.commits import MakeDirectory
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import CONTROL, FakeCluster


def sends_commit(request: Request) -> bool:
    return request.target == "/v1/commits"


async def test_a_lost_answer_is_asked_for_again_and_it_happened_once(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    flaky = FlakyTransport(cluster.transport, script([Fault.REPLY_LOST, Fault.REPLY_LOST], sends_commit))
    made = await connect(transport=flaky).mkdir("/d")
    assert flaky.counts[Fault.REPLY_LOST] == 2
    assert made.commit == 1
    assert len(cluster.trees) == 2


async def test_a_refusal_whose_answer_was_lost_is_told(cluster: FakeCluster, connect: MakeFilesystem) -> None:
    await connect().mkdir("/d")
    flaky = FlakyTransport(cluster.transport, script([Fault.REPLY_LOST], sends_commit))
    with pytest.raises(Exists):
        await connect(transport=flaky).mkdir("/d")


async def test_a_busy_cluster_is_asked_again(cluster: FakeCluster, files: Filesystem) -> None:
    cluster.refusals = [Busy(), Busy(), DeadlineExceeded()]
    await files.mkdir("/d")
    assert cluster.calls["commit"] == 4


async def test_what_is_refused_for_good_is_not_asked_again(cluster: FakeCluster, files: Filesystem) -> None:
    with pytest.raises(NotFound):
        await files.mkdir("/missing/d")
    assert cluster.calls["commit"] == 1


async def test_in_time_of_faults_each_change_happens_exactly_once(
    cluster: FakeCluster, connect: MakeFilesystem, seed: int
) -> None:
    faults = (Fault.UNREACHABLE, Fault.CUT_REQUEST, Fault.REPLY_LOST, Fault.DUPLICATE, Fault.CUT_REPLY)
    flaky = FlakyTransport(cluster.transport, seeded(seed, dict.fromkeys(faults, 0.1), sends_commit))
    files = connect(transport=flaky)
    await files.whoami()
    for number in range(40):
        await files.mkdir(f"/{number}")
    assert len(cluster.trees) == 41
    assert sum(flaky.counts.values()) >= 5


async def test_what_a_lock_refuses_is_not_done_by_an_attempt_that_comes_late(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    """Somebody is told that nothing was changed: then nothing is changed afterwards, either."""
    for lost, settled in ((1, 1), (0, 0)):
        flaky = FlakyTransport(cluster.transport, script([Fault.CUT_REQUEST] * lost, sends_commit))
        cluster.refusals = [Locked("by others")]
        cluster.calls["settle"] = 0
        with pytest.raises(Locked, match="by others"):
            await connect(transport=flaky).mkdir("/d")
        assert cluster.calls["settle"] == settled


def mkdir(path: str) -> MakeDirectory:
    return MakeDirectory(path=path)


async def lost_for_ever(cluster: FakeCluster, fault: Fault, connect: MakeFilesystem) -> Filesystem:
    """A client whose commits always meet this fault."""
    flaky = FlakyTransport(cluster.transport, lambda request: fault if sends_commit(request) else None)
    files = connect(transport=flaky)
    await files.whoami()
    return files


async def test_at_the_deadline_a_commit_that_happened_is_found(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    files = await lost_for_ever(cluster, Fault.REPLY_LOST, connect)
    reply = await commit(files.connection.control, [mkdir("/d")], timeout_s=0.3)
    assert reply.commit == 1
    assert cluster.calls["settle"] == 1


async def test_at_the_deadline_a_commit_that_did_not_happen_never_will(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    files = await lost_for_ever(cluster, Fault.CUT_REQUEST, connect)
    with pytest.raises(DeadlineExceeded, match="never takes effect"):
        await commit(files.connection.control, [mkdir("/d")], timeout_s=0.3)
    assert cluster.calls["settle"] == 1
    assert len(cluster.trees) == 1


async def test_a_cluster_that_was_never_reached_is_not_asked_for_an_outcome(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    files = await lost_for_ever(cluster, Fault.UNREACHABLE, connect)
    with pytest.raises(Unreachable):
        await commit(files.connection.control, [mkdir("/d")], timeout_s=0.3)
    assert cluster.calls["settle"] == 0


async def test_unknown_is_said_only_where_nobody_can_be_asked(
    cluster: FakeCluster, connect: MakeFilesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "SETTLE_S", 0.2)
    files = await lost_for_ever(cluster, Fault.REPLY_LOST, connect)
    flaky = files.connection.transport
    assert isinstance(flaky, FlakyTransport)
    flaky.plan = lambda request: Fault.REPLY_LOST if request.origin == CONTROL else None
    with pytest.raises(OutcomeUnknown, match=r"request [0-9a-f]{32} was lost"):
        await commit(files.connection.control, [mkdir("/d")], timeout_s=0.3)


@pytest.mark.loud
async def test_a_defect_in_the_cluster_is_settled_too(cluster: FakeCluster, files: Filesystem) -> None:
    cluster.refusals = [Internal("a defect")]
    with pytest.raises(Internal, match="a defect"):
        await files.mkdir("/d")
    assert cluster.calls["settle"] == 1


async def test_a_cluster_that_is_not_there_is_given_up_soon(
    cluster: FakeCluster, connect: MakeFilesystem
) -> None:
    cluster.transport.apps.clear()
    files = connect(patience=Patience(total_s=60))
    with pytest.raises(Unreachable):
        await files.mkdir("/d")
