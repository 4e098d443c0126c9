"""Every endpoint of locks, asked wrongly over HTTP: a clear error with its code, and nothing has changed.

Ann has a home and a place that is hers alone; bob is somebody else. Each story compares all tables before and
after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs.metadata.ops.locks import acquire
from cairnfs.wire.endpoints import locks
from cairnfs.wire.locks import PATHS_MAX, RELEASED_MAX
from tests.scenarios.lock_door import (
    FILE,
    FREE,
    NONE,
    OTHER,
    SHUT,
    WRONG,
    LockDoor,
    asking,
    everybody,
    fresh,
    session,
    take,
)


@pytest.fixture
async def here() -> AsyncIterator[LockDoor]:
    async with everybody() as door:
        yield door


async def test_a_session_that_does_not_live_or_is_somebody_elses(here: LockDoor) -> None:
    over = await session(here, "ann")
    await here.does(locks.END_SESSION, "ann", session=over)
    for gone in (over, await session(here, "bob"), fresh()):
        said = await asking(here, "ann", FILE, session=gone)
        await here.refuses("session_ended", locks.ACQUIRE_LOCK, "ann", said)
        await here.refuses("session_ended", locks.LOCK_EVENTS, "ann", {"session": gone})


@pytest.mark.parametrize("field", ["session", "owner", "token", "request_id"])
@pytest.mark.parametrize("value", ["", "no id", "AB" * 16, "ab" * 17, "\udcff"])
async def test_what_is_no_id(here: LockDoor, field: str, value: str) -> None:
    said = await asking(here, "ann", FILE)
    await here.refuses("bad_request", locks.ACQUIRE_LOCK, "ann", {**said, field: value})


async def test_messages_of_another_shape(here: LockDoor) -> None:
    said = await asking(here, "ann", FILE)
    shapes: list[dict[str, Any]] = [
        {"paths": []},
        {"paths": "x"},
        {"mode": "mine"},
        {"subtree": 1},
        {"deadline_ms": 0},
        {"token": None},
    ]
    for wrong in shapes:
        await here.refuses("bad_request", locks.ACQUIRE_LOCK, "ann", {**said, **wrong})
    await here.refuses("bad_request", locks.LOCK_EVENTS, "ann", {"session": said["session"], "since": -1})
    await here.refuses("bad_request", locks.WAIT_LOCK, "ann", {"token": WRONG, "timeout_ms": -1}, lock=1)
    await here.refuses("bad_request", locks.RELEASE_LOCKS, "ann", {"locks": []})
    await here.refuses("bad_request", locks.RELEASE_LOCKS, "ann", {"locks": [{"lock": -1, "token": WRONG}]})
    await here.refuses("bad_request", locks.LIST_LOCKS, "ann", {"limit": 0})
    await here.refuses("bad_cursor", locks.LIST_LOCKS, "ann", {"cursor": "garbage"})


async def test_more_than_one_request_holds(here: LockDoor) -> None:
    said = await asking(here, "ann", *[f"/all/{n}" for n in range(PATHS_MAX + 1)])
    await here.refuses("too_many_locks", locks.ACQUIRE_LOCK, "ann", said)
    many = [{"lock": n, "token": WRONG} for n in range(RELEASED_MAX + 1)]
    await here.refuses("too_many_locks", locks.RELEASE_LOCKS, "ann", {"locks": many})


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("not_found", "/none/f"),
        ("not_a_directory", f"{FILE}/below"),
        ("bad_name", "all/f"),
        ("bad_name", "/all/../f"),
        ("bad_name", "/all/" + "x" * 256),
        ("path_too_long", "/x" * 2050),
        ("forbidden", SHUT),
        ("forbidden", "/shut/nobody-knows"),
        ("forbidden", "/read/new"),
        ("forbidden", "/read/f"),
        ("forbidden", "/"),
    ],
)
async def test_paths_that_cannot_be_locked(here: LockDoor, code: str, path: str) -> None:
    """Among others that can: all of them or none."""
    said = await asking(here, "bob", FILE, path, wait=True)
    await here.refuses(code, locks.ACQUIRE_LOCK, "bob", said)


async def test_to_share_takes_less(here: LockDoor) -> None:
    shared = await take(here, "bob", "/read/f", mode="shared")
    await here.refuses("forbidden", locks.UPGRADE_LOCK, "bob", {"token": shared.token}, lock=shared.number)
    said = await asking(here, "bob", "/read/new", mode="shared")
    await here.refuses("forbidden", locks.ACQUIRE_LOCK, "bob", said)
    await here.refuses("forbidden", locks.LIST_LOCKS, "bob", {"path": "/shut/in"})
    await here.refuses("not_found", locks.LIST_LOCKS, "bob", {"path": "/none/f"})


async def test_somebody_else_has_it(here: LockDoor) -> None:
    await take(here, "ann", FILE)
    said = await asking(here, "bob", OTHER, FILE, "/all/d")
    problem = await here.refuses("locked", locks.ACQUIRE_LOCK, "bob", said)
    assert "ann" in problem.detail
    assert problem.path == FILE


async def test_a_queue_at_its_limit(here: LockDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquire, "QUEUE_MAX", 2)
    await take(here, "ann", FILE)
    waiting = [await take(here, who, FILE, wait=True) for who in ("bob", "ann")]
    assert all(one.waits for one in waiting)
    said = await asking(here, "bob", OTHER, FILE, wait=True)
    await here.refuses("queue_full", locks.ACQUIRE_LOCK, "bob", said)
    await take(here, "bob", OTHER)
    await here.does(locks.RELEASE_LOCKS, "ann", {"locks": [waiting[1].named()]})
    await here.does(locks.ACQUIRE_LOCK, "bob", said)  # the same again: it was no first answer


async def test_a_session_with_as_many_locks_as_it_can_have(
    here: LockDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquire, "SESSION_LOCKS_MAX", 2)
    one = await take(here, "ann", FILE)
    await take(here, "ann", OTHER, session=one.session)
    said = await asking(here, "ann", FREE, session=one.session)
    await here.refuses("too_many_locks", locks.ACQUIRE_LOCK, "ann", said)
    other = await take(here, "ann", FREE)  # another session's
    await here.does(locks.RELEASE_LOCKS, "ann", {"locks": [other.named(), one.named()]})
    await here.does(locks.ACQUIRE_LOCK, "ann", said)


async def test_waiting_in_a_circle(here: LockDoor) -> None:
    ann, bob = await take(here, "ann", FILE), await take(here, "bob", OTHER)
    owners = [fresh(), fresh()]
    third = await take(here, "ann", FREE, session=ann.session, owner=owners[0])
    fourth = await take(here, "bob", "/all/d", session=bob.session, owner=owners[1])
    assert (third.waits, fourth.waits) == (False, False)
    await take(here, "ann", "/all/d", session=ann.session, owner=owners[0], wait=True)
    said = await asking(here, "bob", FREE, session=bob.session, owner=owners[1], wait=True)
    problem = await here.refuses("deadlock", locks.ACQUIRE_LOCK, "bob", said)
    assert "ann" in problem.detail
    assert FREE in problem.detail


async def test_a_request_id_that_was_used(here: LockDoor) -> None:
    said = await asking(here, "ann", FILE)
    first = await here.does(locks.ACQUIRE_LOCK, "ann", said)
    before = here.tables()
    assert await here.does(locks.ACQUIRE_LOCK, "ann", said) == first, "sent twice, done once"
    assert here.tables() == before
    await here.refuses("request_reused", locks.ACQUIRE_LOCK, "ann", {**said, "paths": [{"path": OTHER}]})


@pytest.mark.parametrize("number", [NONE, 0, "x", "1" * 19, "-1"])
async def test_a_lock_that_is_not_there(here: LockDoor, number: int | str) -> None:
    shown = {"token": WRONG}
    await here.refuses("no_such_lock", locks.WAIT_LOCK, "ann", shown, lock=number)
    await here.refuses("no_such_lock", locks.RENEW_LOCK, "ann", shown, lock=number)
    await here.refuses("no_such_lock", locks.UPGRADE_LOCK, "ann", shown, lock=number)
    await here.refuses("no_such_lock", locks.BREAK_LOCK, "ann", {}, lock=number)
    await here.refuses("no_such_lock", locks.BREAK_LOCK, "root", {}, lock=number)
    if isinstance(number, int):
        one = {"lock": number, "token": WRONG}
        await here.refuses("no_such_lock", locks.RELEASE_LOCKS, "ann", {"locks": [one]})


@pytest.mark.parametrize("waits", [False, True])
async def test_a_lock_that_is_not_ones_own(here: LockDoor, waits: bool) -> None:
    if waits:
        await take(here, "bob", FILE)
    lock = await take(here, "ann", FILE, mode="shared", wait=True)
    assert lock.waits == waits
    for who, token in (("ann", WRONG), ("ann", ""), ("bob", lock.token), ("root", lock.token)):
        shown = {"token": token}
        for endpoint in (locks.WAIT_LOCK, locks.RENEW_LOCK, locks.UPGRADE_LOCK):
            await here.refuses("lock_token_wrong", endpoint, who, shown, lock=lock.number)
        named = lock.named(token=token)
        await here.refuses("lock_token_wrong", locks.RELEASE_LOCKS, who, {"locks": [named]})
    await here.refuses("forbidden", locks.BREAK_LOCK, "bob", {"reason": "mine!"}, lock=lock.number)


async def test_all_are_released_or_none(here: LockDoor) -> None:
    one, other = await take(here, "ann", FILE), await take(here, "ann", OTHER)
    foreign = await take(here, "bob", FREE)
    for code, named in (
        ("no_such_lock", [one.named(), other.named(), {"lock": NONE, "token": WRONG}]),
        ("no_such_lock", [one.named(), other.named(), one.named()]),
        ("lock_token_wrong", [one.named(), other.named(token=one.token)]),
        ("lock_token_wrong", [one.named(), foreign.named()]),
    ):
        await here.refuses(code, locks.RELEASE_LOCKS, "ann", {"locks": named})
    await here.does(locks.RELEASE_LOCKS, "ann", {"locks": [one.named(), other.named()]})
    for lock in (one, other):
        await here.refuses("no_such_lock", locks.RELEASE_LOCKS, "ann", {"locks": [lock.named()]})


@pytest.mark.parametrize("waits", [False, True])
async def test_a_session_that_ended_has_no_locks(here: LockDoor, waits: bool) -> None:
    if waits:
        await take(here, "bob", FILE)
    lock = await take(here, "ann", FILE, wait=True)
    await here.does(locks.END_SESSION, "ann", session=lock.session)
    shown = {"token": lock.token}
    for endpoint in (locks.WAIT_LOCK, locks.RENEW_LOCK, locks.UPGRADE_LOCK):
        await here.refuses("no_such_lock", endpoint, "ann", shown, lock=lock.number)
    await here.refuses("no_such_lock", locks.RELEASE_LOCKS, "ann", {"locks": [lock.named()]})
    await here.refuses("session_ended", locks.LOCK_EVENTS, "ann", {"session": lock.session})


async def test_upgrading_beside_others(here: LockDoor) -> None:
    ann, bob = [await take(here, who, FILE, mode="shared") for who in ("ann", "bob")]
    problem = await here.refuses(
        "not_sole_holder", locks.UPGRADE_LOCK, "ann", {"token": ann.token}, lock=ann.number
    )
    assert "bob" in problem.detail
    waiting = await take(here, "ann", FILE, wait=True)
    await here.refuses(
        "not_sole_holder", locks.UPGRADE_LOCK, "ann", {"token": waiting.token}, lock=waiting.number
    )
    await here.does(locks.RELEASE_LOCKS, "bob", {"locks": [bob.named()]})
    await here.does(locks.UPGRADE_LOCK, "ann", {"token": ann.token}, lock=ann.number)


@pytest.mark.parametrize("reason", ["x" * 256, "ü" * 128, "a\0b"])
async def test_a_reason_that_cannot_be_kept(here: LockDoor, reason: str) -> None:
    lock = await take(here, "ann", FILE)
    await here.refuses("bad_request", locks.BREAK_LOCK, "ann", {"reason": reason}, lock=lock.number)


async def test_what_was_broken_says_so_to_whom_it_was(here: LockDoor) -> None:
    lock = await take(here, "ann", FILE)
    await here.does(locks.BREAK_LOCK, "root", {"reason": "lunch is over"}, lock=lock.number)
    shown = {"token": lock.token}
    for endpoint in (locks.WAIT_LOCK, locks.RENEW_LOCK, locks.UPGRADE_LOCK):
        problem = await here.refuses("no_such_lock", endpoint, "ann", shown, lock=lock.number)
        assert "broken by root: lunch is over" in problem.detail
        problem = await here.refuses("no_such_lock", endpoint, "bob", shown, lock=lock.number)
        assert "broken" not in problem.detail
    await here.refuses("no_such_lock", locks.RELEASE_LOCKS, "ann", {"locks": [lock.named()]})
    await here.refuses("no_such_lock", locks.BREAK_LOCK, "root", {}, lock=lock.number)
