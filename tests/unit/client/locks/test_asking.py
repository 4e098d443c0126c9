"""Asking for a lock and waiting: order, limits, lost answers, callers who go away, sessions that end."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.retry import Patience
from cairnfs.errors import CairnError, Deadlock, Locked, LockLost, SessionEnded
from cairnfs.net.transport import Request
from cairnfs.testing.transport import Fault, FlakyTransport
from cairnfs.wire.locks import LockReply, proofs_from_text
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.locks.conftest import until
from tests.unit.client.locks.fake_locks import FakeLocks


def asks(request: Request) -> bool:
    return request.target == "/v1/locks"


async def enter(files: Filesystem, path: str = "/f", wait: float | None = None) -> int:
    """Take a lock and give it back. Its number."""
    async with files.lock(path, wait=wait) as lock:
        return lock.id


async def test_turns_come_in_the_order_of_asking(cluster: FakeLocks, files: Filesystem) -> None:
    order: list[int] = []

    async def take(number: int) -> None:
        async with files.lock("/f"):
            order.append(number)

    first = cluster.hold("/f")
    tasks = []
    for number in range(20):
        tasks.append(asyncio.create_task(take(number)))
        await until(lambda: len(cluster.waiting()) == len(tasks))
    assert cluster.streams == 1
    cluster.drop(first)
    await asyncio.gather(*tasks)
    assert order == list(range(20))
    assert cluster.calls["wait_lock"] == 0
    assert cluster.calls["lock_events"] == 1
    assert cluster.rows == {}


async def test_the_place_in_line_is_told(cluster: FakeLocks, files: Filesystem) -> None:
    told: list[LockReply] = []
    async with files.lock("/f", on_wait=told.append):
        pass
    first = cluster.hold("/f")
    asyncio.get_running_loop().call_later(0.02, cluster.drop, first)
    async with files.lock("/f", on_wait=told.append):
        pass
    [reply] = told
    assert reply.holder is not None
    assert (reply.place, reply.holder.user) == (1, "bob")


async def test_nobody_waits_for_the_lock_under_which_they_were_begun(
    cluster: FakeLocks, files: Filesystem
) -> None:
    """A child process would wait for its parent, and the parent for the child."""
    first = cluster.hold("/f")
    with files.showing(proofs_from_text(f"9.1.1.{'e' * 32}")), pytest.raises(Deadlock, match="lock 9, under"):
        await enter(files)
    await until(lambda: list(cluster.rows) == [first])
    files.connection.control.locks.inherited = tuple(proofs_from_text(f"9.1.1.{'e' * 32}"))
    with pytest.raises(Deadlock):
        await enter(files)
    await until(lambda: list(cluster.rows) == [first])


async def test_when_time_is_over_the_request_is_withdrawn(cluster: FakeLocks, files: Filesystem) -> None:
    first = cluster.hold("/f")
    with pytest.raises(Locked, match=r"waited 0\.05 s in vain: bob \(host x\) holds it, exclusive") as caught:
        await enter(files, wait=0.05)
    assert caught.value.where == b"/f"
    assert list(cluster.rows) == [first]


async def test_a_grant_that_comes_with_the_end_of_the_time_counts(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cluster.hold("/f")
    cluster.silent = True
    asyncio.get_running_loop().call_later(0.02, cluster.drop, first)
    await enter(files, wait=0.1)
    assert cluster.rows == {}


async def test_a_caller_who_goes_away_leaves_nothing(cluster: FakeLocks, files: Filesystem) -> None:
    first = cluster.hold("/f")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: len(cluster.waiting()) == 1)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await until(lambda: list(cluster.rows) == [first])


async def test_a_caller_who_goes_away_before_the_answer_leaves_nothing(
    cluster: FakeLocks, files: Filesystem
) -> None:
    gate = cluster.gates["acquire_lock"] = asyncio.Event()
    asker = asyncio.create_task(enter(files))
    await until(lambda: len(cluster.held()) == 1)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    gate.set()
    await until(lambda: not cluster.rows)
    assert len(cluster.acquired) == 1


async def test_a_caller_who_goes_away_before_the_request_leaves_nothing(
    cluster: FakeLocks, connect: MakeFilesystem
) -> None:
    flaky = FlakyTransport(cluster.transport, lambda request: Fault.DELAY if asks(request) else None)
    files = connect(transport=flaky)
    asker = asyncio.create_task(enter(files))
    await until(lambda: flaky.counts[Fault.DELAY] == 1)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    await until(lambda: cluster.calls["release_locks"] == 1)
    assert cluster.rows == {}


@pytest.mark.parametrize(
    "fault", [Fault.REPLY_LOST, Fault.CUT_REPLY, Fault.CUT_REQUEST, Fault.UNREACHABLE, Fault.DUPLICATE]
)
async def test_a_lost_answer_makes_no_second_lock(
    cluster: FakeLocks, connect: MakeFilesystem, fault: Fault
) -> None:
    faults = [fault, fault]
    flaky = FlakyTransport(
        cluster.transport, lambda request: faults.pop() if asks(request) and faults else None
    )
    files = connect(transport=flaky)
    await files.whoami()
    async with files.lock("/f") as lock:
        assert cluster.held() == [lock.id]
    assert len(cluster.acquired) == 1
    assert cluster.rows == {}


async def test_what_is_granted_to_nobody_is_given_back_later(
    cluster: FakeLocks, connect: MakeFilesystem
) -> None:
    flaky = FlakyTransport(cluster.transport, lambda request: Fault.REPLY_LOST if asks(request) else None)
    files = connect(transport=flaky, patience=Patience(total_s=0.2))
    with pytest.raises(CairnError):
        await enter(files)
    assert len(cluster.held()) == 1
    flaky.plan = lambda request: None
    await until(lambda: not cluster.rows)


async def test_a_release_is_sent_until_it_is_heard(cluster: FakeLocks, connect: MakeFilesystem) -> None:
    faults = [Fault.REPLY_LOST, Fault.UNREACHABLE, Fault.CUT_REPLY]

    def plan(request: Request) -> Fault | None:
        return faults.pop() if request.target == "/v1/locks/release" and faults else None

    files = connect(transport=FlakyTransport(cluster.transport, plan))
    await enter(files)
    assert not faults
    assert cluster.rows == {}


async def test_an_exit_that_is_cancelled_releases_all_the_same(cluster: FakeLocks, files: Filesystem) -> None:
    gate = cluster.gates["release_locks"] = asyncio.Event()
    task = asyncio.create_task(enter(files))
    await until(lambda: cluster.calls["release_locks"] == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await until(lambda: not cluster.rows)


async def test_who_waits_asks_anew_when_its_session_ends(cluster: FakeLocks, files: Filesystem) -> None:
    first = cluster.hold("/f")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: cluster.streams == 1)
    [session] = cluster.sessions
    assert files.connection.sessions._live is not None
    cluster.end(session)
    files.connection.sessions._live.end("as a test")
    await until(lambda: len(cluster.waiting()) == 1)
    assert session not in cluster.sessions
    cluster.drop(first)
    await waiter
    assert cluster.rows == {}


async def test_a_session_that_only_the_cluster_knows_to_be_over_is_replaced(
    cluster: FakeLocks, files: Filesystem
) -> None:
    await enter(files)
    [session] = cluster.sessions
    cluster.end(session)
    await enter(files, wait=0)
    assert cluster.calls["begin_session"] == 2


async def test_inside_a_body_a_waiter_is_not_moved_to_another_session(
    cluster: FakeLocks, files: Filesystem
) -> None:
    cluster.hold("/g")

    async def both() -> None:
        async with files.lock("/f"):
            await enter(files, "/g")

    task = asyncio.create_task(both())
    await until(lambda: len(cluster.waiting()) == 1)
    assert files.connection.sessions._live is not None
    files.connection.sessions._live.end("as a test")
    with pytest.raises(LockLost):
        await task
    assert cluster.calls["begin_session"] == 1


async def test_a_closed_client_lets_go_of_everything(cluster: FakeLocks, connect: MakeFilesystem) -> None:
    files = connect()
    first = cluster.hold("/g")
    body = files.lock("/f")
    inside = asyncio.Event()

    async def hold() -> None:
        async with body:
            inside.set()
            await asyncio.sleep(10)

    holder = asyncio.create_task(hold())
    waiter = asyncio.create_task(enter(files, "/g"))
    await inside.wait()
    await until(lambda: len(cluster.waiting()) == 1)
    await files.close()
    with pytest.raises(LockLost, match="closed"):
        await holder
    with pytest.raises(CairnError):
        await waiter
    assert list(cluster.rows) == [first]


async def test_the_hold_of_a_lock_pins_no_history(cluster: FakeLocks, files: Filesystem) -> None:
    cluster.times = (30, 5_000, 10_000)
    async with files.lock("/f"):
        for number in range(3):
            await files.mkdir(f"/d{number}")
        [session] = cluster.sessions
        before = cluster.calls["renew_session"]
        await until(lambda: cluster.calls["renew_session"] >= before + 3)
        renewal = cluster.sessions[session]
        assert renewal is not None
        assert renewal.needs == 3


async def test_sessions_that_end_again_and_again_are_given_up(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnfs.client.locks.asking._SESSIONS_MAX", 3)
    cluster.sessions.clear()
    begin = cluster.begin_session

    async def at_once_over(*rest: object) -> object:
        reply = await begin(*rest)  # type: ignore[arg-type]
        cluster.sessions.clear()
        return reply

    cluster.begin_session = at_once_over  # type: ignore[assignment, method-assign]
    with pytest.raises(SessionEnded):
        await enter(files)
    assert cluster.calls["begin_session"] == 3
