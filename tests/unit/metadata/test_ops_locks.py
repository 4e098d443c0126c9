"""Giving locks back, making them exclusive, breaking them, losing them with a session, asking after them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops.change_user import ChangeUser
from cairnfs.metadata.ops.locks import promote
from cairnfs.metadata.ops.locks.breaking import Break
from cairnfs.metadata.ops.locks.release import Release
from cairnfs.metadata.ops.locks.renewing import renew
from cairnfs.metadata.ops.locks.standing import standing
from cairnfs.metadata.ops.locks.upgrade import Upgrade
from cairnfs.metadata.ops.sessions import EndSession, ExpireSessions
from cairnfs.metadata.rows import clock, locks, sessions
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chattr, mkdir, remove, write
from cairnfs.wire.locks import (
    RELEASED_MAX,
    BreakRequest,
    LockProof,
    LockReply,
    LockToken,
    ReleaseRequest,
    TokenRequest,
)
from cairnfs.wire.people import ChangeUserRequest
from tests.unit.metadata.holders import Holder, break_lock, fence_of


@pytest.fixture
def tree(ledger: Ledger) -> Ledger:
    ledger.commit(mkdir("/d"), write("/d/f", b"f", mode=0o666), write("/d/g", b"g", mode=0o666))
    return ledger


def release(holder: Holder, *named: tuple[int, str]) -> Release:
    request = ReleaseRequest(locks=[LockToken(lock=lock, token=token) for lock, token in named])
    return Release(holder.person, request, deadline=NEVER_LATE)


def numbers(ledger: Ledger) -> dict[int, int]:
    """The fences of all requests."""
    found: dict[int, int] = dict(ledger.read(lambda tx: tx.rows("SELECT id, fence FROM lock")))
    assert ledger.read(clock.read).locks == len(found)
    return found


def test_release_and_the_next_grant_are_one(tree: Ledger) -> None:
    ann, bob = Holder(tree), Holder(tree)
    first = ann.lock("/d/f")
    second = bob.ask("/d/f", wait=True)
    fence = tree.read(clock.read).fence
    ann.release()
    assert numbers(tree) == {second.lock: fence + 1}
    assert first.fence == fence
    assert tree.read(clock.read).fence == fence + 1


def test_all_are_released_or_none(tree: Ledger) -> None:
    ann, other = Holder(tree), Holder(tree, tree.person("other"))
    one, two = ann.lock("/d/f"), ann.lock("/d/g")
    foreign = other.lock("/home/other")
    wrong: list[tuple[type[e.CairnError], list[tuple[int, str]]]] = [
        (e.NoSuchLock, [(one.lock, one.token), (99, one.token)]),
        (e.NoSuchLock, [(one.lock, one.token), (one.lock, one.token)]),
        (e.LockTokenWrong, [(one.lock, one.token), (two.lock, one.token)]),
        (e.LockTokenWrong, [(one.lock, one.token), (two.lock, two.token[:-1])]),
        (e.LockTokenWrong, [(one.lock, one.token), (foreign.lock, foreign.token)]),
    ]
    for error, named in wrong:
        with pytest.raises(error):
            tree.do(release(ann, *named))
    assert len(numbers(tree)) == 3
    tree.do(release(ann, (one.lock, one.token), (two.lock, two.token)))
    with pytest.raises(e.NoSuchLock):
        tree.do(release(ann, (one.lock, one.token)))
    with pytest.raises(e.TooManyLocks):
        release(ann, *((n, one.token) for n in range(RELEASED_MAX + 1)))


def test_a_wrong_token_is_never_repeated(tree: Ledger) -> None:
    proof = Holder(tree).lock("/d/f")
    wrong = secrets.token_hex(16)
    with pytest.raises(e.LockTokenWrong) as caught:
        tree.do(release(Holder(tree), (proof.lock, wrong)))
    assert wrong not in str(caught.value)
    assert proof.token not in str(caught.value)


def test_a_request_that_waits_is_withdrawn_and_lets_those_behind_it_through(tree: Ledger) -> None:
    ann, bob, cid = Holder(tree), Holder(tree), Holder(tree)
    ann.lock("/d/f", shared=True)
    writer = bob.ask("/d/f", wait=True)
    reader = cid.ask("/d/f", shared=True, wait=True)
    bob.release(writer.lock)
    assert fence_of(tree, reader.lock) == 2


def test_a_sole_holders_lock_becomes_exclusive_with_a_new_fence(tree: Ledger) -> None:
    ann, bob = Holder(tree), Holder(tree)
    mine, theirs = ann.lock("/d/f", shared=True), bob.lock("/d/f", shared=True)
    with pytest.raises(e.NotSoleHolder, match="held by admin"):
        ann.upgrade(mine.lock)
    bob.release(theirs.lock)
    waits = bob.ask("/d/f", shared=True, wait=True)
    assert waits.state == "held"
    bob.release(waits.lock)
    stronger = ann.upgrade(mine.lock)
    assert stronger.lock == mine.lock
    assert stronger.fence > mine.fence
    assert ann.upgrade(mine.lock) == stronger, "asked again it says the same"
    assert bob.ask("/d/f", shared=True, wait=True).state == "waiting"


def test_an_upgrade_takes_the_rights_of_an_exclusive_one(tree: Ledger) -> None:
    other = Holder(tree, tree.person("other"))
    tree.commit(chattr("/d/f", mode=0o644))
    proof = other.lock("/d/f", shared=True)
    with pytest.raises(e.Forbidden):
        other.upgrade(proof.lock)
    above = Holder(tree).lock("/", shared=True)
    assert Holder(tree).ask("/d").state == "held"
    with pytest.raises(e.LockTokenWrong):
        tree.do(Upgrade(tree.admin, above.lock, TokenRequest(token="0" * 32), deadline=NEVER_LATE))


def test_what_waits_is_no_sole_holders(tree: Ledger) -> None:
    ann, bob = Holder(tree), Holder(tree)
    ann.lock("/d/f")
    waits = bob.ask("/d/f", shared=True, wait=True)
    with pytest.raises(e.NotSoleHolder):
        bob.upgrade(waits.lock)


def test_an_upgrade_that_lets_others_wait_in_a_circle_is_refused(tree: Ledger) -> None:
    ann, bob, cid = Holder(tree), Holder(tree), Holder(tree)
    shared = ann.lock("/d/f", shared=True)
    cid.lock("/x")
    bob.lock("/d/g")
    bob.ask("/d/f", "/x", shared=True, wait=True)
    ann.ask("/d/g", wait=True)
    with pytest.raises(e.Deadlock, match="you for /d/g, held by you; you for /d/f, held by you"):
        ann.upgrade(shared.lock)
    assert fence_of(tree, shared.lock) == shared.fence


def test_a_lock_on_what_is_gone_is_given_back_like_any(tree: Ledger) -> None:
    ann = Holder(tree)
    proof = ann.lock("/d/f", shared=True)
    tree.commit(remove("/d", recursive=True), locks=[proof])
    assert ann.upgrade(proof.lock).fence > proof.fence
    ann.release()


def test_a_broken_lock_is_recorded_and_its_user_told_why(tree: Ledger) -> None:
    owner = tree.person("owner")
    ann, bob = Holder(tree, owner), Holder(tree)
    proof = ann.lock("/d/f")
    waits = bob.ask("/d/f", wait=True)
    break_lock(tree, proof.lock, "was away")
    assert numbers(tree) == {waits.lock: 2}
    record = tree.read(lambda tx: locks.broken(tx, [proof.lock]))[proof.lock]
    assert (record.fence, record.user_id, record.broken_by, record.reason) == (
        proof.fence, owner.user_id, tree.admin.user_id, "was away"
    )  # fmt: skip
    with pytest.raises(e.NoSuchLock, match="was broken by admin: was away"):
        tree.do(release(ann, (proof.lock, proof.token)))
    with pytest.raises(e.NoSuchLock) as caught:
        tree.do(release(Holder(tree, tree.person("nosy")), (proof.lock, proof.token)))
    assert "broken" not in str(caught.value), "it is nobody else's business"


def test_one_breaks_ones_own_and_administrators_all(tree: Ledger) -> None:
    owner, other = tree.person("owner"), tree.person("other")
    first, second = Holder(tree, owner).lock("/d/f"), Holder(tree, owner).lock("/d/g")

    def breaking(person: Any, lock: int, reason: str = "") -> Break:
        return Break(person, lock, BreakRequest(reason=reason), deadline=NEVER_LATE)

    with pytest.raises(e.Forbidden):
        tree.do(breaking(other, first.lock))
    tree.do(breaking(owner, first.lock))
    tree.do(breaking(tree.admin, second.lock))
    with pytest.raises(e.NoSuchLock):
        tree.do(breaking(tree.admin, second.lock))
    for reason in ("x" * 256, "\0"):
        with pytest.raises(e.BadRequest):
            breaking(owner, 1, reason)


def _ends(ledger: Ledger, holder: Holder) -> None:
    ledger.do(EndSession(holder.session, holder.person.user_id, deadline=NEVER_LATE))


def _expires(ledger: Ledger, holder: Holder) -> None:
    ended = ledger.do(ExpireSessions([(holder.session, 0)], deadline=NEVER_LATE))
    assert ended == [holder.session]


def _stands(state: Any) -> Callable[[Ledger, Holder], None]:
    def change(ledger: Ledger, holder: Holder) -> None:
        request = ChangeUserRequest(request_id=secrets.token_hex(16), user=holder.person.name, state=state)
        ledger.do(ChangeUser(ledger.admin, request, deadline=NEVER_LATE))

    return change


@pytest.mark.parametrize("many", [1, 1_000])
@pytest.mark.parametrize("end", [_ends, _expires, _stands("disabled"), _stands("removed")])
def test_with_a_session_goes_all_that_it_had(
    tree: Ledger, end: Callable[[Ledger, Holder], None], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promote, "_MANY", many)
    ann, bob, cid = Holder(tree, tree.person("ann")), Holder(tree), Holder(tree)
    ann.lock("/d/f")
    bob.lock("/d/g")
    ann.ask("/d/g", wait=True)
    waits = cid.ask("/d/f", wait=True)
    asked = cid.ask("/d/g", wait=True)
    end(tree, ann)
    assert numbers(tree)[waits.lock] > 0
    assert numbers(tree)[asked.lock] == 0
    bob.release()
    assert numbers(tree)[asked.lock] > 0, "who is dead stands in nobody's way"
    assert len(numbers(tree)) == 2


def test_two_sessions_that_end_together_grant_each_other_nothing(tree: Ledger) -> None:
    ann, bob, cid = Holder(tree), Holder(tree), Holder(tree)
    ann.lock("/d/f")
    bob.ask("/d/f", wait=True)
    last = cid.ask("/d/f", wait=True)
    fence = tree.read(clock.read).fence
    tree.do(ExpireSessions([(ann.session, 0), (bob.session, 0)], deadline=NEVER_LATE))
    assert numbers(tree) == {last.lock: fence + 1}


def test_somebody_elses_word_ends_no_session(tree: Ledger) -> None:
    ann = Holder(tree)
    proof = ann.lock("/d/f")
    tree.do(EndSession(ann.session, UserId(99), deadline=NEVER_LATE))
    assert numbers(tree) == {proof.lock: proof.fence}


def stands(
    ledger: Ledger, holder: Holder, proof: LockProof | LockReply, token: str | None = None
) -> LockReply:
    shown = token if token is not None else holder.proof(proof.lock).token
    return ledger.read(lambda tx: standing(tx, holder.person, proof.lock, shown))


def test_one_asks_after_ones_request(tree: Ledger) -> None:
    ann, bob, cid = Holder(tree), Holder(tree), Holder(tree, tree.person("cid"))
    held, second, third = ann.lock("/d/f"), bob.ask("/d/f", wait=True), cid.ask("/d/f", wait=True)
    assert stands(tree, ann, held) == LockReply(lock=held.lock, state="held", fence=1, incarnation=1)
    assert stands(tree, bob, second) == second
    assert stands(tree, cid, third).place == 2
    bob.release()
    assert stands(tree, cid, third).place == 1
    ann.release()
    assert stands(tree, cid, third).fence == 2
    with pytest.raises(e.LockTokenWrong):
        stands(tree, bob, third, cid.proof(third.lock).token)
    with pytest.raises(e.LockTokenWrong):
        stands(tree, cid, third, "0" * 32)
    with pytest.raises(e.NoSuchLock):
        stands(tree, ann, held, held.token)


def test_a_place_is_counted_over_all_that_a_request_is_for(tree: Ledger) -> None:
    ann = Holder(tree)
    ann.lock("/", subtree=True)
    for paths in (["/d/f"], ["/d/f", "/d/g"], ["/x"], ["/n"]):
        Holder(tree).ask(*paths, wait=True)
    assert Holder(tree).ask("/d/g", "/n", wait=True).place == 3
    assert Holder(tree).ask("/", "/n", wait=True).place == 3
    assert Holder(tree).ask("/d", subtree=True, wait=True).place == 4


def test_whoever_shows_a_lock_keeps_its_session_alive(tree: Ledger) -> None:
    ann = Holder(tree)
    proof = ann.lock("/d/f")
    seen = tree.read(sessions.counters)

    def renewed(token: str) -> object:
        return tree.database.write(lambda tx: renew(tx, ann.person, proof.lock, token))

    with pytest.raises(e.LockTokenWrong):
        renewed("f" * 32)
    assert tree.read(sessions.counters) == seen
    assert renewed(proof.token).commit == tree.newest()  # type: ignore[attr-defined]
    raised = {one[0]: one[1] for one in tree.read(sessions.counters)}
    assert raised[ann.session] == 1
    tree.do(ExpireSessions([(ann.session, 0)], deadline=NEVER_LATE))
    assert numbers(tree) == {proof.lock: proof.fence}
    # The client's own counter knows nothing of it, and counts nevertheless.
    tree.database.write(lambda tx: sessions.renew(tx, ann.session, ann.person.user_id, 1, 0))
    assert {one[0]: one[1] for one in tree.read(sessions.counters)}[ann.session] == 2


def test_a_session_of_very_many_locks_ends_in_pieces(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(database)
    monkeypatch.setattr(promote, "_MANY", 10)
    monkeypatch.setattr(locks, "_AT_ONCE", 7)
    ann, bob = Holder(ledger), Holder(ledger)
    for n in range(50):
        ann.lock(f"/{n}", f"/x{n}")
    waits = [bob.ask(f"/{n}", f"/x{n}", wait=True).lock for n in range(3)]
    ledger.do(EndSession(ann.session, ann.person.user_id, deadline=NEVER_LATE))
    assert list(numbers(ledger)) == waits
    assert all(numbers(ledger).values())
    ledger.verify()
