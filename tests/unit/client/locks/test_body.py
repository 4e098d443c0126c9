"""The body of a lock: taken, shown, upgraded, released; asynchronous. Lost: `test_losing.py`."""

# ruff: noqa: PT012 -- it is bodies that are tested

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import (
    BadName,
    BadRequest,
    Locked,
    LockLost,
    NotSoleHolder,
    TooManyLocks,
)
from cairnfs.wire.locks import proofs_from_text
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.locks.conftest import until
from tests.unit.client.locks.fake_locks import FakeLocks


async def test_it_is_held_in_its_body_and_released_at_its_end(cluster: FakeLocks, files: Filesystem) -> None:
    async with files.lock("/f") as lock:
        assert cluster.held() == [lock.id]
        assert lock.fence == cluster.rows[lock.id].fence
        assert not lock.lost
        lock.check()
        [proof] = proofs_from_text(lock.proof)
        assert (proof.lock, proof.fence, proof.incarnation) == (lock.id, lock.fence, 1)
        assert proof.token not in repr(lock)
        assert "/f" in repr(lock)
    assert cluster.rows == {}
    with pytest.raises(LockLost, match="was released"):
        lock.check()


async def test_without_locks_nothing_is_asked_and_nothing_is_shown(
    cluster: FakeLocks, files: Filesystem
) -> None:
    await files.mkdir("/d")
    assert cluster.shown == [[]]
    assert cluster.calls["begin_session"] == 0
    async with files.lock("/f"):
        pass
    await files.mkdir("/e")
    assert cluster.shown[-1] == []
    asked = {name: many for name, many in cluster.calls.items() if "lock" in name}
    assert asked == {"acquire_lock": 1, "release_locks": 1}


async def test_an_error_in_the_body_releases_it(cluster: FakeLocks, files: Filesystem) -> None:
    with pytest.raises(ZeroDivisionError):
        async with files.lock("/f"):
            raise ZeroDivisionError
    assert cluster.rows == {}


async def test_what_is_committed_in_the_body_shows_it(cluster: FakeLocks, files: Filesystem) -> None:
    async with files.lock("/f") as outer:
        await files.write_file("/f", b"small")
        await files.write_file("/f", b"x" * 3_000_000)
        async with files.lock_many(["/g", "/h"], shared=True) as inner:
            await files.mkdir("/d")
        async with asyncio.TaskGroup() as group:
            group.create_task(files.mkdir("/e"))
    assert [[proof.lock for proof in shown] for shown in cluster.shown] == [
        [outer.id],
        [outer.id],
        [outer.id, inner.id],
        [outer.id],
    ]
    request = cluster.acquired[1]
    assert [one.path for one in request.paths] == ["/g", "/h"]
    assert request.mode == "shared"


async def test_locks_are_of_the_client_that_took_them(
    cluster: FakeLocks, files: Filesystem, bob: Filesystem
) -> None:
    async with files.lock("/f"):
        await bob.mkdir("/d")
        with pytest.raises(Locked):
            await bob.mkdir("/f")
    assert cluster.shown == [[], []]


async def test_one_inside_another_has_the_same_owner_and_a_childs_has_not(
    cluster: FakeLocks, files: Filesystem
) -> None:
    async def child() -> None:
        async with files.lock("/h"):
            pass

    async with files.lock("/f"), files.lock("/f"), files.lock("/g", wait=0):
        await asyncio.create_task(child())
    async with files.lock("/i"):
        pass
    owners = [request.owner for request in cluster.acquired]
    assert owners[0] == owners[1] == owners[2]
    assert len(set(owners)) == 3


async def test_it_is_entered_once(files: Filesystem) -> None:
    body = files.lock("/f")
    async with body:
        pass
    with pytest.raises(BadRequest, match="once"):
        async with body:
            pass


@pytest.mark.parametrize(
    ("paths", "wait", "error"),
    [
        (["relative"], None, BadName),
        ([], None, BadRequest),
        ([f"/{n}" for n in range(1001)], None, BadRequest),
        (["/f"], -1, BadRequest),
        (["/f"], float("nan"), BadRequest),
        ("/f", None, BadRequest),
    ],
)
async def test_bad_input_is_refused_before_anything_is_asked(
    cluster: FakeLocks, files: Filesystem, paths: list[str], wait: float | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        files.lock_many(paths, wait=wait)
    assert cluster.calls["acquire_lock"] == 0


async def test_the_same_path_twice_is_one(cluster: FakeLocks, files: Filesystem) -> None:
    async with files.lock_many(["/f", b"/f"]):
        assert len(cluster.acquired[0].paths) == 1


async def test_a_refusal_passes_through_and_leaves_nothing(cluster: FakeLocks, files: Filesystem) -> None:
    cluster.hold("/f")
    with pytest.raises(Locked) as caught:
        async with files.lock("/f", wait=0):
            raise AssertionError("never")
    assert caught.value.where == b"/f"
    assert cluster.calls["release_locks"] == 0
    assert files.connection.sessions._live is not None
    assert not files.connection.sessions._live.holds


async def test_while_the_session_is_suspended_commits_wait(cluster: FakeLocks, files: Filesystem) -> None:
    cluster.times = (50, 150, 60_000)
    async with files.lock("/f") as lock:
        [holding] = files.connection.locks._held
        cluster.gates["renew_session"] = asyncio.Event()
        await until(lambda: holding.hold.age_s() > 0.15)
        committing = asyncio.create_task(files.mkdir("/f"))
        await asyncio.sleep(0.05)
        assert cluster.shown == []
        assert not lock.lost
        cluster.gates["renew_session"].set()
        await committing
    assert len(cluster.shown) == 1


async def test_an_upgrade_takes_a_new_fence_and_waits_for_commits(
    cluster: FakeLocks, files: Filesystem
) -> None:
    async with files.lock("/f", shared=True) as lock:
        before, fence = lock.proof, lock.fence
        other = cluster.hold("/f", "shared")
        with pytest.raises(NotSoleHolder):
            await lock.upgrade()
        assert lock.proof == before
        cluster.drop(other)
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(files.mkdir(f"/d{number}"))
                if number in (3, 6):
                    group.create_task(lock.upgrade())
        assert lock.fence > fence
    assert len(cluster.shown) == 10
    assert {shown[0].fence for shown in cluster.shown} > {fence}


async def test_an_upgrade_that_is_given_up_loses_nothing(cluster: FakeLocks, files: Filesystem) -> None:
    """Its answer is on the way: what is committed next waits for the fence that it brings."""
    answer = cluster.gates["upgrade_lock"] = asyncio.Event()
    async with files.lock("/f", shared=True) as lock:
        before = lock.fence
        upgrading = asyncio.create_task(lock.upgrade())
        await until(lambda: cluster.rows[lock.id].fence > before)
        upgrading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upgrading
        making = asyncio.create_task(files.mkdir("/d"))
        asyncio.get_running_loop().call_later(0.05, answer.set)
        await making
        assert [proof.fence for shown in cluster.shown for proof in shown] == [cluster.rows[lock.id].fence]


async def test_upgrading_what_is_lost_says_so(cluster: FakeLocks, files: Filesystem) -> None:
    with pytest.raises(LockLost):
        async with files.lock("/f", shared=True) as lock:
            cluster.drop(lock.id)
            await lock.upgrade()


async def test_a_commit_shows_so_many_locks_at_most(cluster: FakeLocks, files: Filesystem) -> None:
    proofs = [proofs_from_text(f"{number}.1.1.{'e' * 32}")[0] for number in range(1, 1002)]
    with files.showing(proofs), pytest.raises(TooManyLocks):
        await files.mkdir("/d")
    assert cluster.shown == []


async def test_locks_of_others_are_shown_where_they_are_given(
    cluster: FakeLocks, files: Filesystem, connect: MakeFilesystem
) -> None:
    async with files.lock("/f") as lock:
        text = files.shown_locks()
        assert text == lock.proof
    number = cluster.hold("/g")
    foreign = proofs_from_text(f"{number}.{cluster.rows[number].fence}.1.{'e' * 32}")
    with files.showing(foreign):
        await files.mkdir("/g")
        async with files.lock("/f") as lock:
            assert len(proofs_from_text(files.shown_locks())) == 2
    await files.mkdir("/h")
    assert cluster.shown == [foreign, []]


async def test_listing_and_breaking(cluster: FakeLocks, files: Filesystem) -> None:
    numbers = [cluster.hold(f"/f{number}") for number in range(3)]
    assert [item.lock async for item in files.locks("/")] == numbers
    await files.break_lock(numbers[1])
    assert [item.lock async for item in files.locks()] == [numbers[0], numbers[2]]
    assert [item.by async for item in files.broken_locks()] == ["root"]


async def test_a_file_is_published_under_the_locks_of_its_opening_and_its_closing(
    cluster: FakeLocks, files: Filesystem
) -> None:
    async with files.lock("/other") as outer:
        writer = await files.open("/f", "wb")
        await writer.write(b"x")
        async with files.lock("/f") as inner:
            await writer.close()
        late = await files.open("/g", "wb")
    assert [proof.lock for proof in cluster.shown[0]] == [outer.id, inner.id]
    with pytest.raises(LockLost):
        await late.close()
    async with files.lock("/f"):
        pass
    plain = await files.open("/h", "wb")
    first = cluster.hold("/h")
    asyncio.get_running_loop().call_later(0.02, cluster.drop, first)
    with files.waiting(10):
        await plain.close()
    assert len(cluster.shown) == 3
