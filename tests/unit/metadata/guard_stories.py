"""Stories of locks and of those who would go round them: each fails where Cairn lets them.

What belongs here: stories that run on any database, and that planted bugs are shown. Each takes a new ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError, Deadlock, Locked, LockLost, LockTokenWrong
from cairnfs.metadata.batch import Committer
from cairnfs.metadata.lane import Task
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.metadata.ops.users import CreateUser
from cairnfs.metadata.patience import Patience
from cairnfs.metadata.state.locks import Shown
from cairnfs.testing.ledger import (
    NEVER_LATE,
    Ledger,
    chattr,
    copy,
    link,
    mkdir,
    remove,
    rename,
    setxattr,
    symlink,
    write,
)
from cairnfs.wire.commits import Operation
from cairnfs.wire.locks import LockProof
from tests.unit.metadata.building import Building
from tests.unit.metadata.copying import Copying
from tests.unit.metadata.holders import Holder, break_lock, fence_of

Refused = tuple[bytes | None, bool]


def planted(ledger: Ledger) -> None:
    """/d/e/f and /d/g are files, /other is an empty directory, /to leads to /d."""
    ledger.commit(
        mkdir("/d/e", parents=True), write("/d/e/f", b"f"), write("/d/g", b"g"), mkdir("/other"),
        symlink("/to", "d"),
    )  # fmt: skip


def refusal(
    ledger: Ledger,
    *operations: Operation,
    kind: type[CairnError] = Locked,
    locks: Sequence[LockProof] = (),
    **who: Any,
) -> CairnError:
    """What refuses a commit, which leaves nothing."""
    newest = ledger.newest()
    [outcome] = ledger.batch([ledger.prepared(*operations, locks=locks, **who)])
    assert type(outcome) is kind, f"{outcome}, not {kind.__name__}: {operations}"
    assert ledger.newest() == newest
    assert isinstance(outcome, CairnError)
    return outcome


def locked(ledger: Ledger, *operations: Operation, locks: Sequence[LockProof] = (), **who: Any) -> Refused:
    """(where, subtree) of a refusal by Locked."""
    error = refusal(ledger, *operations, locks=locks, **who)
    assert isinstance(error, Locked)
    return error.where, error.subtree


def a_lock_keeps_a_name(ledger: Ledger) -> None:
    """Whether something is there or not, by whichever verb, and by whichever path."""
    planted(ledger)
    ann = Holder(ledger)
    free, taken = ann.lock("/d/free"), ann.lock("/d/e")
    for one in (
        write("/d/free", b"1"), mkdir("/d/free"), symlink("/d/free", "x"), link("/d/g", "/d/free"),
        rename("/d/g", "/d/free"), copy("/d/g", "/d/free"), mkdir("/to/free"),
        mkdir("/d/free/x", parents=True),
    ):  # fmt: skip
        assert locked(ledger, one) == (b"/d/free", False), one
        assert locked(ledger, mkdir("/elsewhere"), one, locks=[taken])[0] == b"/d/free", one
    assert locked(ledger, rename("/d/e", "/d/x")) == (b"/d/e", False)
    assert locked(ledger, chattr("/d/e", mode=0o700)) == (b"/d/e", False)
    # What is in a directory is not the directory, unless it is locked with all below it.
    ledger.commit(write("/d/e/new", b"1"), write("/d/e/f", b"2"))
    ledger.commit(mkdir("/d/free"), rename("/d/e", "/d/x"), locks=[free, taken])
    # And it stays locked, whatever its name leads to now.
    assert locked(ledger, chattr("/d/free", mode=0o700))[0] == b"/d/free"
    ledger.commit(rename("/d/x", "/d/y"))
    ann.release()
    ledger.commit(remove("/d/free"), mkdir("/d/e"))


def what_is_there_is_kept(ledger: Ledger) -> None:
    """Content, attributes, and the number of names, by whichever name."""
    planted(ledger)
    ledger.commit(link("/d/g", "/other/h"))
    ann = Holder(ledger)
    proof = ann.lock("/d/g")
    for one, where in (
        (write("/d/g", b"1"), b"/d/g"), (write("/to/g", b"1"), b"/d/g"),
        (write("/other/h", b"1"), b"/other/h"),
        (chattr("/other/h", mode=0o600), b"/other/h"), (setxattr("/d/g", "user.a", b"1"), b"/d/g"),
        (remove("/other/h"), b"/other/h"), (link("/d/g", "/d/i"), b"/d/g"), (remove("/d/g"), b"/d/g"),
        (rename("/d/e/f", "/other/h", replace=True), b"/other/h"),
    ):  # fmt: skip
        assert locked(ledger, one) == (where, False), one
    ledger.commit(rename("/other/h", "/other/i"))  # nothing of it is another
    # A directory that goes takes a name of it along, and so does one that moves.
    assert locked(ledger, remove("/other", recursive=True)) == (b"/other", True)
    ledger.commit(write("/other/i", b"1"), remove("/other/i"), locks=[proof])


def two_hard_links_are_one_file(ledger: Ledger) -> None:
    """Nobody gets two exclusive locks onto one file, from neither side."""
    planted(ledger)
    ledger.commit(link("/d/g", "/other/h"))
    ann, bob = Holder(ledger), Holder(ledger)
    of_ann = ann.lock("/d/g")
    waits = bob.ask("/other/h", wait=True)
    assert waits.state == "waiting"
    of_bob = bob.lock("/other/new")
    assert locked(ledger, link("/d/g", "/other/new"), locks=[of_bob])[0] == b"/d/g"
    assert locked(ledger, link("/d/g", "/other/new"), locks=[of_ann])[0] == b"/other/new"
    # Somebody who shows both brings them together as little.
    assert locked(ledger, link("/d/g", "/other/new"), locks=[of_ann, of_bob]) == (None, False)
    ann.release(of_ann.lock)
    assert fence_of(ledger, waits.lock)
    both = [of_bob, bob.proof(waits.lock, fence_of(ledger, waits.lock))]
    ledger.commit(link("/d/g", "/other/new"), locks=both)
    assert locked(ledger, write("/d/g", b"1"))[0] == b"/d/g"


def all_below(ledger: Ledger) -> None:
    """A lock with all below it keeps that, by names from elsewhere too, and what comes there."""
    planted(ledger)
    ledger.commit(link("/d/e/f", "/elsewhere"))
    ann = Holder(ledger)
    proof = ann.lock("/d", subtree=True)
    for one, where in (
        (write("/d/e/f", b"1"), b"/d/e/f"), (mkdir("/d/e/n/m", parents=True), b"/d/e/n"),
        (write("/elsewhere", b"1"), b"/elsewhere"), (remove("/elsewhere"), b"/elsewhere"),
        (rename("/other", "/d/e/o"), b"/d/e/o"), (rename("/d/g", "/g"), b"/d/g"),
        (chattr("/d", mode=0o700), b"/d"), (link("/d/g", "/g"), b"/d/g"),
    ):  # fmt: skip
        assert locked(ledger, one) == (where, False), one
    ledger.commit(rename("/elsewhere", "/other/elsewhere"), copy("/d/g", "/g"))
    ledger.commit(write("/d/e/f", b"1"), mkdir("/d/e/n/m", parents=True), locks=[proof])
    assert locked(ledger, remove("/d/e/n/m"))[0] == b"/d/e/n/m"


def a_directory_goes_with_all_below(ledger: Ledger) -> None:
    """Moving and removing ask for every lock below."""
    planted(ledger)
    ann = Holder(ledger)
    proof = ann.lock("/d/e/not there")
    building = Building(ledger, "/d")
    for one in (
        rename("/d", "/other/d"), rename("/d/e", "/e"), remove("/d", recursive=True),
        remove("/d/e", recursive=True), building.attaching("/d", replace=True),
    ):  # fmt: skip
        where = (b"/d", True) if one.path == "/d" else (b"/d/e", True)
        assert locked(ledger, one) == where, one
    ledger.commit(rename("/d", "/other/d"), locks=[proof])
    ledger.commit(rename("/other/d/g", "/g"))
    # The lock went along.
    assert locked(ledger, mkdir("/other/d/e/not there"))[0] == b"/other/d/e/not there"
    assert locked(ledger, remove("/other", recursive=True)) == (b"/other", True)
    ledger.commit(remove("/other", recursive=True), locks=[proof])
    ledger.reap()
    # What it kept is gone, and in nobody's way.
    ledger.commit(mkdir("/d/e/not there", parents=True), remove("/d", recursive=True))


def copies_and_trees_meet_locks(ledger: Ledger) -> None:
    """What appears at once, appears at a name."""
    planted(ledger)
    ann = Holder(ledger)
    proof = ann.lock("/other/new")
    building, copying = Building(ledger, "/other/new"), Copying(ledger, "/d", "/other/new")
    building.extend(write("/inside", b"x"))
    assert locked(ledger, building.attaching()) == (b"/other/new", False)
    for _ in copying.steps():
        pass
    attach = copying.attach()
    [outcome] = ledger.batch([attach])
    assert isinstance(outcome, Locked), "a copy was attached at a locked name"
    assert outcome.where == b"/other/new"
    attach.locks = Shown.of(ledger.admin, [proof])
    ledger.do(attach)
    assert locked(ledger, building.attaching("/other/new", replace=True))[0] == b"/other/new"
    ledger.commit(building.attaching("/other/new", replace=True), locks=[proof])
    assert locked(ledger, chattr("/other/new", mode=0o700))[0] == b"/other/new"


def only_what_is_held_now_counts(ledger: Ledger) -> None:
    """A lock that was held is none, whatever it kept and whoever has it now."""
    planted(ledger)
    ann, bob = Holder(ledger), Holder(ledger)

    def lost(proof: LockProof, kind: type[CairnError] = LockLost, **who: Any) -> str:
        # Whatever the commit touches.
        assert str(refusal(ledger, mkdir("/new"), locks=[proof], kind=kind, **who))
        return str(refusal(ledger, write("/d/g", b"late"), locks=[proof], kind=kind, **who))

    proof = ann.lock("/d/g")
    wrong = LockProof(lock=proof.lock, fence=proof.fence, incarnation=proof.incarnation, token="0" * 32)
    lost(wrong, LockTokenWrong)
    lost(proof, LockTokenWrong, person=ledger.person("eve", "admin"))
    old = LockProof(lock=proof.lock, fence=proof.fence, incarnation=7, token=proof.token)
    assert "history" in lost(old)
    fenced = LockProof(lock=proof.lock, fence=proof.fence - 1, incarnation=1, token=proof.token)
    assert "fence" in lost(fenced)
    waits = bob.ask("/d/g", wait=True)
    assert "waited for" in lost(bob.proof(waits.lock))
    break_lock(ledger, proof.lock, "it takes too long")
    assert "broken by admin: it takes too long" in lost(proof)
    now = bob.proof(waits.lock, fence_of(ledger, waits.lock))
    ledger.commit(write("/d/g", b"bob's"), locks=[now])
    lost(proof)
    bob.release(now.lock)
    lost(now)
    assert "never" in lost(LockProof(lock=99, fence=9, incarnation=1, token=proof.token))
    again = ann.lock("/d/g")
    ledger.do(EndSession(ann.session, ann.person.user_id, deadline=NEVER_LATE))
    assert "released, or its session ended" in lost(again)
    reader = bob.lock("/d/g", shared=True)
    lost_by_upgrade, better = reader, bob.upgrade(reader.lock)
    assert "fence" in lost(lost_by_upgrade)
    ledger.commit(write("/d/g", b"bob's again"), locks=[better])


def readers_keep_what_they_read(ledger: Ledger) -> None:
    """A shared lock is in the way of whoever changes something, with a shared lock too."""
    planted(ledger)
    ann, bob = Holder(ledger), Holder(ledger)
    proof, other = ann.lock("/d/g", shared=True), bob.lock("/d/g", shared=True)
    assert locked(ledger, write("/d/g", b"1"))[0] == b"/d/g"
    assert locked(ledger, write("/d/g", b"1"), locks=[proof])[0] == b"/d/g"
    bob.release(other.lock)
    ledger.commit(write("/d/g", b"1"), locks=[proof])


def whoever_waits_is_in_nobodys_way(ledger: Ledger) -> None:
    """And goes on to wait for what the name leads to."""
    planted(ledger)
    ann, bob = Holder(ledger), Holder(ledger)
    proof = ann.lock("/d/g")
    waits = bob.ask("/d/g", "/other/free", wait=True)
    ledger.commit(mkdir("/other/free"))
    ledger.commit(rename("/d/e/f", "/d/g", replace=True), locks=[proof])
    ann.release(proof.lock)
    assert fence_of(ledger, waits.lock)
    assert locked(ledger, chattr("/other/free", mode=0o700))[0] == b"/other/free"


def what_moves_away_is_granted(ledger: Ledger) -> None:
    """Who was kept waiting by what is so no longer has it at once."""
    planted(ledger)
    ann, bob = Holder(ledger), Holder(ledger)
    proof = ann.lock("/d", subtree=True)
    waits = bob.ask("/d/e/f", wait=True)
    ledger.commit(rename("/d/e", "/e"), locks=[proof])
    assert fence_of(ledger, waits.lock)
    assert locked(ledger, write("/e/f", b"1"))[0] == b"/e/f"


def a_move_closes_no_circle(ledger: Ledger) -> None:
    """What waits below a directory goes along, and would wait for others there."""
    planted(ledger)
    ann, bob, eve = Holder(ledger), Holder(ledger), Holder(ledger)
    tree = ann.lock("/d", subtree=True)
    of_eve = eve.lock("/other", subtree=True)
    bob.lock("/free")
    waits = bob.ask("/other/x", wait=True)  # for eve
    assert (waits.state, ann.ask("/free", wait=True).state) == ("waiting", "waiting")  # for bob
    refusal(ledger, rename("/other", "/d/other"), locks=[of_eve, tree], kind=Deadlock)
    eve.release(of_eve.lock)
    assert fence_of(ledger, waits.lock)


def a_link_closes_no_circle(ledger: Ledger) -> None:
    """Bob waits for a name; once it leads to ann's file he would wait for her, who waits for him."""
    planted(ledger)
    ann, bob, eve = Holder(ledger), Holder(ledger), Holder(ledger)
    of_ann = ann.lock("/d/g")
    bob.lock("/free")
    keeps = eve.lock("/other/x", shared=True)
    waits = bob.ask("/other/x", wait=True)
    assert (waits.state, ann.ask("/free", wait=True).state) == ("waiting", "waiting")
    # Eve shares the name and ann may share it, too: but bob, who waits for it, would wait for ann.
    error = refusal(ledger, mkdir("/elsewhere"), link("/d/g", "/other/x"), locks=[of_ann, keeps], kind=Locked)
    assert isinstance(error, Locked)
    reader = ann.lock("/d/e/f", shared=True)
    refusal(ledger, link("/d/e/f", "/other/x"), locks=[reader, keeps], kind=Deadlock)
    ann.release(*[one for one, reply in ann.replies.items() if reply.state == "waiting"])
    ledger.commit(link("/d/e/f", "/other/x"), locks=[reader, keeps])


def in_one_batch(ledger: Ledger) -> None:
    """What came before in the same tx counts."""
    planted(ledger)
    ann = Holder(ledger)
    first = ann.lock("/nowhere")

    def run(*asked: Any) -> list[str]:
        return [type(one).__name__ for one in ledger.batch(asked)]

    make = ledger.prepared
    assert run(make(write("/d/g", b"1")), ann.asking("/d/g"), make(write("/d/g", b"2"))) == [
        "CommitReply", "LockReply", "Locked",
    ]  # fmt: skip
    assert run(
        make(mkdir("/n")), ann.asking("/n/free"), make(mkdir("/n/free")), make(remove("/n", recursive=True))
    ) == ["CommitReply", "LockReply", "Locked", "Locked"]
    # A lock that goes along with its name keeps it where it is then.
    free = ann.lock("/other/free")
    assert run(
        make(rename("/other", "/d/e/o"), locks=[free]),
        make(mkdir("/d/e/o/free")),
        make(mkdir("/d/e/o/else"), remove("/d/e", recursive=True)),
        make(rename("/d/e/o", "/o"), locks=[free]),
        make(remove("/d/e", recursive=True)),
    ) == ["CommitReply", "Locked", "Locked", "CommitReply", "CommitReply"]
    assert run(make(mkdir("/nowhere")), make(mkdir("/nowhere"), locks=[first])) == ["Locked", "CommitReply"]
    # What is made under a lock on it with all below is locked at once.
    tree = ann.lock("/tree", subtree=True)
    assert run(
        make(mkdir("/tree"), locks=[tree]), make(mkdir("/tree/theirs")), make(mkdir("/tree/x"), locks=[tree])
    ) == ["CommitReply", "Locked", "CommitReply"]


def homes_of_new_people_too(ledger: Ledger) -> None:
    """Whatever makes names is looked at, though nobody thought of it."""
    ann = Holder(ledger)
    ann.lock("/home/bob")
    asked = CreateUser("bob", "user", "hash", deadline=NEVER_LATE)
    beside = ledger.prepared(mkdir("/beside"))
    [error, none] = driven(ledger, asked, beside)
    assert isinstance(error, Locked)
    assert error.where is None
    assert none is None
    ann.release()
    assert driven(ledger, asked) == [None]


def driven(ledger: Ledger, *asked: Any) -> list[CairnError | None]:
    """What refuses each of these, in one batch as the driver runs it."""
    tasks: list[Task[Any]] = [Task(one, None) for one in asked]  # type: ignore[arg-type]
    Committer(ledger.database, SystemClock(), partial(Patience, threading.Event())).commit(tasks)
    return [task._error for task in tasks]


def refused_by_locks_is_not_for_good(ledger: Ledger) -> None:
    """The same request, sent again, is done once nothing is in its way: what it shows is not of its body."""
    planted(ledger)
    ann = Holder(ledger)
    proof = ann.lock("/d/g")
    asked = ledger.prepared(write("/d/g", b"1"))
    for shown, kind in (
        ([], Locked),
        ([LockProof(lock=7, fence=1, incarnation=1, token="0" * 32)], LockLost),
        ([LockProof(lock=proof.lock, fence=proof.fence, incarnation=1, token="0" * 32)], LockTokenWrong),
    ):
        asked.locks = Shown.of(ledger.admin, shown)
        assert [type(one) for one in driven(ledger, asked)] == [kind]
    asked.locks = Shown.of(ledger.admin, [proof])
    assert driven(ledger, asked) == [None]
    newest = ledger.newest()
    ann.release()
    # Its first answer stays, whatever it shows now.
    asked.locks = Shown.of(ledger.admin, [proof])
    assert driven(ledger, asked) == [None]
    assert ledger.newest() == newest


STORIES: tuple[Callable[[Ledger], None], ...] = (
    a_lock_keeps_a_name,
    what_is_there_is_kept,
    two_hard_links_are_one_file,
    all_below,
    a_directory_goes_with_all_below,
    copies_and_trees_meet_locks,
    only_what_is_held_now_counts,
    readers_keep_what_they_read,
    whoever_waits_is_in_nobodys_way,
    what_moves_away_is_granted,
    a_move_closes_no_circle,
    a_link_closes_no_circle,
    in_one_batch,
    homes_of_new_people_too,
    refused_by_locks_is_not_for_good,
)
