"""Commits over HTTP with proofs that prove nothing, or with none where somebody has a lock: refused whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs.errors import BY_CODE, Locked
from cairnfs.wire.endpoints import COMMIT, COPY, locks
from cairnfs.wire.locks import PROOFS_MAX
from tests.scenarios.lock_door import FILE, FREE, NONE, OTHER, WRONG, LockDoor, everybody, fresh, take

MAKE_OTHER = {"op": "mkdir", "path": "/all/made"}


@pytest.fixture
async def here() -> AsyncIterator[LockDoor]:
    async with everybody() as door:
        yield door


def commit(*shown: Any, **operation: Any) -> dict[str, Any]:
    """A commit that shows these, and touches nothing that anybody holds."""
    return {"request_id": fresh(), "operations": [{**MAKE_OTHER, **operation}], "locks": list(shown)}


@pytest.mark.parametrize(
    "proof",
    [
        "1.1.1." + WRONG,
        {},
        {"lock": 1},
        {"lock": -1, "fence": 1, "incarnation": 1, "token": WRONG},
        {"lock": 1, "fence": 1, "incarnation": 1, "token": None},
        {"lock": 1.5, "fence": 1, "incarnation": 1, "token": WRONG},
        {"lock": 2**63, "fence": 1, "incarnation": 1, "token": WRONG},
    ],
    ids=str,
)
async def test_a_proof_of_garbage(here: LockDoor, proof: Any) -> None:
    await here.refuses("bad_request", COMMIT, "ann", commit(proof))


async def test_a_proof_that_proves_nothing(here: LockDoor) -> None:
    """Whatever the commit touches, it is refused: who showed it believed that it was held."""
    lock, foreign = await take(here, "ann", FILE), await take(here, "bob", OTHER)
    waiting = await take(here, "ann", OTHER, wait=True)
    for code, shown in (
        ("lock_lost", lock.proof(lock=NONE)),
        ("lock_lost", lock.proof(fence=lock.fence + 1)),
        ("lock_lost", lock.proof(fence=0)),
        ("lock_lost", lock.proof(incarnation=lock.incarnation + 1)),
        ("lock_lost", waiting.proof()),
        ("lock_token_wrong", lock.proof(token=WRONG)),
        ("lock_token_wrong", lock.proof(token="")),
        ("lock_token_wrong", lock.proof(token=foreign.token)),
        ("lock_token_wrong", foreign.proof()),
    ):
        await here.refuses(code, COMMIT, "ann", commit(shown))
        await here.refuses(code, COMMIT, "ann", commit(lock.proof(), shown))
    many = [lock.proof() for _ in range(PROOFS_MAX + 1)]
    await here.refuses("too_many_locks", COMMIT, "ann", commit(*many))
    await here.does(locks.RELEASE_LOCKS, "ann", {"locks": [lock.named()]})
    problem = await here.refuses("lock_lost", COMMIT, "ann", commit(lock.proof()))
    assert "released" in problem.detail
    again = await take(here, "ann", FILE)
    await here.does(locks.BREAK_LOCK, "root", {"reason": "why not"}, lock=again.number)
    problem = await here.refuses("lock_lost", COMMIT, "ann", commit(again.proof()))
    assert "broken by root: why not" in problem.detail


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (FILE, {"op": "remove", "path": FILE}),
        (FILE, {"op": "rename", "path": FILE, "target": FREE}),
        (FREE, {"op": "rename", "path": FILE, "target": FREE}),
        (FREE, {"op": "link", "path": FILE, "target": FREE}),
        (FILE, {"op": "link", "path": FILE, "target": FREE}),
        (FREE, {"op": "mkdir", "path": FREE}),
        ("/all/d/x", {"op": "rename", "path": "/all/d", "target": "/all/e"}),
        ("/all/d", {"op": "remove", "path": "/all/d"}),
    ],
    ids=lambda one: one if isinstance(one, str) else one["op"],
)
@pytest.mark.parametrize("mode", ["exclusive", "shared"])
async def test_changing_what_somebody_else_holds(
    here: LockDoor, path: str, operation: dict[str, Any], mode: str
) -> None:
    lock = await take(here, "ann", path, mode=mode)
    asked = {"request_id": fresh(), "operations": [MAKE_OTHER, operation]}
    problem = await here.refuses("locked", COMMIT, "bob", asked)
    assert "ann" in problem.detail
    assert problem.locked is not None
    await here.refuses("lock_token_wrong", COMMIT, "bob", {**asked, "locks": [lock.proof()]})
    await here.does(locks.RELEASE_LOCKS, "ann", {"locks": [lock.named()]})
    await here.does(COMMIT, "bob", asked)


@pytest.mark.parametrize("held", ["/all", "/all/d/x"])
async def test_a_tree_copied_to_where_somebody_else_has_it(here: LockDoor, held: str) -> None:
    """What was built on the way is attached to nothing."""
    await here.does(COMMIT, "root", commit(path="/read/in"))
    lock = await take(here, "ann", held, subtree=held == "/all")
    asked = {"request_id": fresh(), "path": "/read", "target": "/all/d/x"}
    for code, shown in (
        ("locked", []),
        ("lock_lost", [lock.proof(lock=NONE)]),
        ("lock_token_wrong", [lock.proof()]),
    ):
        status, answer = await here.send(COPY, "root", {**asked, "locks": shown})
        assert (status, answer["code"]) == (BY_CODE[code].status, code), answer
        assert not [row for row in here.tables()["dentry"] if row[1] == b"x"], "it has its name"
    await here.does(locks.RELEASE_LOCKS, "ann", {"locks": [lock.named()]})
    await here.does(COPY, "root", asked)


async def test_a_home_where_somebody_has_all_below_locked(here: LockDoor) -> None:
    """Whoever signs up gets a directory: that is a change as any other."""
    lock = await take(here, "root", "/home", subtree=True)
    before = here.tables()
    with pytest.raises(Locked, match="root"):
        await here.meet("eve")
    assert here.tables() == before
    await here.does(locks.RELEASE_LOCKS, "root", {"locks": [lock.named()]})
    await here.meet("eve")
