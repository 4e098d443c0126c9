"""Asking for locks: whom it is refused and why, and what it costs to be told."""

from __future__ import annotations

import secrets

import msgspec
import pytest

from cairnfs import errors as e
from cairnfs.ids import InodeId, SessionId
from cairnfs.metadata.ops.locks import acquire, circles, promote, spots
from cairnfs.metadata.ops.locks.acquire import Acquire
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state.tree import Tree
from cairnfs.metadata.state.ways import way_up
from cairnfs.testing.ledger import (
    NEVER_LATE,
    Ledger,
    chattr,
    link,
    mkdir,
    rename,
    symlink,
    write,
)
from cairnfs.wire.locks import PATHS_MAX, AcquireRequest, LockPath
from tests.unit.metadata.holders import Holder, fence_of


@pytest.fixture
def tree(ledger: Ledger) -> Ledger:
    ledger.commit(mkdir("/d"), write("/d/f", b"f"), write("/d/g", b"g"), symlink("/s", "d/f"))
    return ledger


def rows(ledger: Ledger) -> list[tuple[object, ...]]:
    """All that there is of locks, and the clock."""
    return ledger.read(
        lambda tx: [
            *tx.rows("SELECT * FROM lock ORDER BY id"),
            *tx.rows("SELECT * FROM lock_key ORDER BY lock, inode, kind, name"),
            (clock.read(tx),),
        ]
    )


def keys(ledger: Ledger, lock: int) -> set[tuple[int, bytes]]:
    return {(kind, name) for kind, name in ledger.read(
        lambda tx: tx.rows("SELECT kind, name FROM lock_key WHERE lock = ?", lock)
    )}  # fmt: skip


def test_who_comes_first_is_told_so_and_who_comes_later_who_has_it(tree: Ledger) -> None:
    ann, bob, cid = Holder(tree), Holder(tree), Holder(tree)
    first, second, third = ann.ask("/d/f"), bob.ask("/d/f", wait=True), cid.ask("/d/f", wait=True)
    assert (first.state, first.fence, first.place) == ("held", 1, 0)
    assert (second.state, second.fence, second.place) == ("waiting", 0, 1)
    assert second.holder is not None
    assert (second.holder.lock, second.holder.user, second.holder.label) == (first.lock, "admin", "test")
    assert (third.place, third.holder) == (2, second.holder)


def test_who_does_not_wait_is_told_who_has_which_path(tree: Ledger) -> None:
    lock = Holder(tree).lock("/d/g")
    before = rows(tree)
    with pytest.raises(e.Locked) as caught:
        Holder(tree).ask("/d/f", "/d/g", "/n")
    assert (caught.value.path, caught.value.where, caught.value.subtree) == ("/d/g", b"/d/g", False)
    assert f"admin (test) by lock {lock.lock}" in str(caught.value)
    assert rows(tree) == before, "nothing was changed"


@pytest.mark.parametrize(
    ("path", "error"),
    [("/no/where", e.NotFound), ("/d/f/below", e.NotADirectory), ("/../x", e.BadName), ("d", e.BadName)],
)
def test_what_is_no_place_cannot_be_locked(tree: Ledger, path: str, error: type[e.CairnError]) -> None:
    before = rows(tree)
    with pytest.raises(error):
        Holder(tree).ask("/d/f", path)
    assert [row for row in rows(tree) if row[:1] != before[-1][:1]] == before[:-1]


def test_what_was_made_and_moved_in_the_same_tx_is_locked_where_it_is(tree: Ledger) -> None:
    ann, bob = Holder(tree), Holder(tree)
    made, moved, asked, late = tree.batch(
        [
            tree.prepared(mkdir("/new"), write("/new/f", b"x")),
            tree.prepared(rename("/d/f", "/new/g"), link("/new/f", "/d/l")),
            ann.asking("/new/f", "/new/g", "/d/f"),
            bob.asking("/d/l"),
        ]
    )
    assert (moved.commit, asked.state) == (made.commit + 1, "held")
    assert isinstance(late, e.Locked), "another name of what the first locked"


def test_a_session_that_is_over_locks_nothing(tree: Ledger) -> None:
    ann, other = Holder(tree), tree.person("other")
    with pytest.raises(e.SessionEnded):
        tree.do(Acquire(other, asked(ann), deadline=NEVER_LATE))
    [ended, refused] = tree.batch(
        [EndSession(ann.session, ann.person.user_id, deadline=NEVER_LATE), ann.asking("/d/f")]
    )
    assert ended is None
    assert isinstance(refused, e.SessionEnded)


def asked(holder: Holder, *paths: str, **rest: object) -> AcquireRequest:
    return msgspec.convert(
        {
            "request_id": secrets.token_hex(16),
            "session": holder.session,
            "owner": holder.owner,
            "token": secrets.token_hex(16),
            "paths": [{"path": path} for path in paths or ("/d/f",)],
            **rest,
        },
        AcquireRequest,
    )


@pytest.mark.parametrize(
    "wrong", [{"session": "x"}, {"owner": "A" * 32}, {"token": "a" * 31}, {"request_id": ""}]
)
def test_ids_are_ids(tree: Ledger, wrong: dict[str, str]) -> None:
    with pytest.raises(e.BadRequest):
        Acquire(tree.admin, asked(Holder(tree), **wrong), deadline=NEVER_LATE)


def test_a_request_has_paths_but_not_too_many(tree: Ledger) -> None:
    request = asked(Holder(tree))
    for paths in ([], [LockPath(path="/d")] * (PATHS_MAX + 1)):
        with pytest.raises(e.TooManyLocks):
            Acquire(tree.admin, msgspec.structs.replace(request, paths=paths), deadline=NEVER_LATE)


def test_a_thousand_paths_are_one_request(tree: Ledger) -> None:
    ann = Holder(tree)
    reply = ann.ask(*(f"/d/{n}" for n in range(PATHS_MAX)))
    assert (reply.lock, reply.fence) == (1, 1)
    with pytest.raises(e.Locked) as caught:
        Holder(tree).ask("/d/999")
    assert caught.value.path == "/d/999"


def test_limits_are_met_with_a_clear_error(tree: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquire, "SESSION_LOCKS_MAX", 12)
    monkeypatch.setattr(acquire, "QUEUE_MAX", 2)
    ann, bob = Holder(tree), Holder(tree)
    with pytest.raises(e.TooManyLocks):
        ann.ask(*(f"/d/{n}" for n in range(13)))
    ann.ask(*(f"/d/{n}" for n in range(9)))
    with pytest.raises(e.TooManyLocks):
        ann.ask(*(f"/d/{n}" for n in range(10, 19)))
    for n in range(11):
        ann.ask(f"/d/x{n}")
    with pytest.raises(e.TooManyLocks):
        ann.ask("/d/more")
    bob.ask("/d/more")  # another session has room
    for _ in range(2):
        Holder(tree).ask("/d/more", wait=True)
    with pytest.raises(e.QueueFull):
        Holder(tree).ask("/d/more", "/d/others", wait=True)
    with pytest.raises(e.Locked):
        Holder(tree).ask("/d/more")
    assert bob.ask("/d/more").state == "held", "its owner asks again, and does not wait"


def test_a_circle_is_told_without_names_that_cannot_be_listed(tree: Ledger) -> None:
    ann, bob = Holder(tree, tree.person("ann")), Holder(tree, tree.person("bob"))
    tree.commit(mkdir("/open", mode=0o777), chattr("/open", mode=0o777), chattr("/", mode=0o777))
    tree.commit(mkdir("/a/hidden", parents=True), person=ann.person)
    tree.commit(write("/a/hidden/f", b"x"), write("/open/x", b"x"), person=ann.person)
    tree.commit(write("/open/y", b"x"), person=bob.person)
    ann.lock("/a/hidden/f", "/open/x")
    bob.lock("/open/y")
    ann.ask("/open/y", wait=True)
    for mode, told in ((0o755, "/a/hidden/f"), (0o711, "/open/x")):
        tree.commit(chattr("/a", mode=mode), person=ann.person)
        with pytest.raises(e.Deadlock) as caught:
            bob.ask("/open", subtree=True, wait=True)
        assert f"you for {told}, held by ann" in str(caught.value)


def test_a_circle_that_is_too_large_to_see_is_not_closed(
    tree: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Holder(tree), Holder(tree)
    ann.lock("/d/f")
    bob.lock("/d/g")
    ann.ask("/d/g", wait=True)
    with pytest.raises(e.Deadlock):
        bob.ask("/d/f", wait=True)
    monkeypatch.setattr(circles, "_LOOKED_AT_MAX", 1)
    with pytest.raises(e.QueueFull):
        bob.ask("/d/f", wait=True)


def test_a_request_sent_again_is_answered_again(tree: Ledger) -> None:
    """By the driver, which keeps the answer under this key."""
    ann = Holder(tree)
    request = asked(ann)
    first, second = (Acquire(ann.person, request, deadline=NEVER_LATE) for _ in range(2))
    assert first.reply_key == second.reply_key
    other = msgspec.structs.replace(request, paths=[LockPath(path="/d/g")])
    third = Acquire(ann.person, other, deadline=NEVER_LATE)
    assert third.reply_key.request_id == first.reply_key.request_id
    assert third.reply_key.body_hash != first.reply_key.body_hash


def test_a_symlink_leads_on_or_is_locked_itself(tree: Ledger) -> None:
    ann = Holder(tree)
    assert keys(tree, ann.lock("/s").lock) >= {(0, b"f")}
    assert keys(tree, ann.lock("/s", follow=False).lock) >= {(0, b"s")}


def test_a_file_is_below_all_its_directories(tree: Ledger) -> None:
    tree.commit(mkdir("/o"), link("/d/f", "/o/g"))
    Holder(tree).lock("/o", subtree=True)
    with pytest.raises(e.Locked):
        Holder(tree).ask("/d/f")
    assert Holder(tree).ask("/d/g").state == "held"


def test_what_has_a_name_in_anothers_tree_is_not_ones_own(tree: Ledger) -> None:
    tree.commit(mkdir("/o"), link("/d/f", "/o/g"))
    ann, bob = Holder(tree), Holder(tree)
    ann.lock("/d", subtree=True)
    bob.lock("/o", subtree=True)
    with pytest.raises(e.Locked):
        ann.ask("/d/f")
    assert ann.ask("/d/f", wait=True).state == "waiting"
    with pytest.raises(e.Deadlock):
        bob.ask("/o/g", wait=True)
    bob.release()
    assert fence_of(tree, max(ann.replies)) > 0
    assert ann.ask("/d/f").state == "held"


def test_who_is_passed_by_for_another_name_closes_no_circle(tree: Ledger) -> None:
    tree.commit(mkdir("/o"), write("/o/z", b"z"), link("/d/f", "/o/g"))
    ann, bob, cid = Holder(tree), Holder(tree), Holder(tree)
    ann.lock("/d", subtree=True)
    bob.lock("/o/z")
    cid.lock("/q")
    waiting = ann.ask("/q", wait=True)
    cid.ask("/o", subtree=True, wait=True)
    with pytest.raises(e.Deadlock):
        ann.ask("/d/f", wait=True)
    ann.release(waiting.lock)
    assert ann.ask("/d/f", wait=True).state == "held"


def test_a_file_of_very_many_names_is_not_locked(tree: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spots, "NAMES_MAX", 2)
    tree.commit(link("/d/f", "/l1"), link("/d/f", "/l2"))
    with pytest.raises(e.TooManyLocks):
        Holder(tree).ask("/d/f")


def test_a_file_is_looked_at_once_by_however_many_names_it_is_locked(
    tree: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"/d/{n}/l" for n in range(5)]
    tree.commit(*[mkdir(f"/d/{n}") for n in range(5)], *[link("/d/f", name) for name in names])
    ways: list[InodeId] = []

    def counted(state_tree: Tree, directory: InodeId) -> tuple[InodeId, ...]:
        ways.append(directory)
        return way_up(state_tree, directory)

    monkeypatch.setattr(spots, "way_up", counted)
    held = Holder(tree)
    proof = held.lock(*names)
    assert len(ways) == len(names) + 1
    # What goes on to mean something else is gone through once, too.
    del ways[:]
    tree.commit(rename("/d/0/l", "/d/l"), locks=[proof])
    assert len(ways) == len(names)
    monkeypatch.setattr(spots, "NAMES_MAX", 7)
    tree.commit(link("/d/g", "/d/m"))
    held.release()
    assert held.ask(*names[1:]).state == "held"
    with pytest.raises(e.TooManyLocks):
        held.ask(*names[1:], "/d/g")


def test_a_circle_is_told_by_people_and_paths_that_one_may_see(tree: Ledger) -> None:
    tree.commit(chattr("/d/f", mode=0o666), chattr("/d/g", mode=0o666))
    ann, bob = Holder(tree), Holder(tree, tree.person("bob"))
    bob.lock("/d/f")
    ann.lock("/d/g")
    bob.ask("/d/g", wait=True)
    with pytest.raises(e.Deadlock, match="you for /d/f, held by bob; bob for /d/g, held by you"):
        ann.ask("/d/f", wait=True)


def test_a_circle_does_not_tell_what_one_may_not_see(tree: Ledger) -> None:
    tree.commit(mkdir("/secret"), write("/secret/x", b"x"), chattr("/d/f", mode=0o666),
                chattr("/secret/x", mode=0o666))  # fmt: skip
    ann, bob = Holder(tree), Holder(tree, tree.person("bob"))
    ann.lock("/d/f")
    bob.lock("/secret/x")
    ann.ask("/secret/x", wait=True)
    tree.commit(chattr("/secret", mode=0o711))
    with pytest.raises(e.Deadlock, match="you for /d/f, held by admin; admin for something, held by you"):
        bob.ask("/d/f", wait=True)


def test_what_one_holds_already_is_granted_past_whoever_waits(tree: Ledger) -> None:
    ann, bob = Holder(tree), Holder(tree)
    above = ann.lock("/d", subtree=True)
    waits = bob.ask("/d/f", wait=True)
    again = ann.lock("/d/f")
    assert again.fence > above.fence
    ann.release(above.lock)
    assert fence_of(tree, waits.lock) == 0
    ann.release(again.lock)
    assert fence_of(tree, waits.lock) > again.fence


def test_all_who_share_come_at_once_and_each_with_a_fence_of_their_own(tree: Ledger) -> None:
    ann, readers = Holder(tree), [Holder(tree) for _ in range(promote._PAGE * promote._MORE)]
    ann.lock("/d/f")
    asked = [one.ask("/d/f", shared=True, wait=True).lock for one in readers]
    ann.release()
    fences = [fence_of(tree, lock) for lock in asked]
    assert fences == list(range(2, 2 + len(readers)))


def test_sessions_are_of_their_users(tree: Ledger) -> None:
    other = tree.person("other")
    holder = Holder(tree)
    holder.person = other
    with pytest.raises(e.SessionEnded):
        holder.ask("/d/f")
    holder.session = SessionId("0" * 32)
    with pytest.raises(e.SessionEnded):
        holder.ask("/d/f")


def test_the_root_is_locked_as_the_inode_alone(tree: Ledger) -> None:
    assert keys(tree, Holder(tree).lock("/", subtree=True).lock) == {(1, b"")}
