"""Locks among people: `cairn lock`, `locks`, `unlock`, and what becomes of others' writes meanwhile."""

from __future__ import annotations

import signal
import time
import zlib
from pathlib import Path

import pytest

from tests.scenarios.locking import Holder, holding, locks, queued
from tests.scenarios.people import PATIENCE_S, Person


@pytest.fixture(scope="module")
def bob(admin: Person) -> Person:
    """Another user of the cluster."""
    return admin.signed_up("bob")


@pytest.fixture
def place(admin: Person, ann: Person, bob: Person, request: pytest.FixtureRequest) -> str:
    """A directory in which everybody may do everything, with a file of ann's."""
    name = f"/{zlib.crc32(request.node.name.encode())}"
    admin.does("mkdir", "-m", "777", name)
    ann.does("put", "-", f"{name}/f", given=b"ann's\n")
    ann.does("chmod", "666", f"{name}/f")
    return name


def test_what_is_locked_only_its_holder_writes(ann: Person, bob: Person, place: str) -> None:
    with holding(ann, f"{place}/f") as holder:
        document = holder.held()
        complaint = bob.fails(5, "put", "-", f"{place}/f", given=b"bob's\n")
        assert "ann" in complaint
        assert "--wait SECONDS" in complaint
        # Being ann is not enough either.
        ann.fails(5, "put", "-", f"{place}/f", given=b"elsewhere\n")
        ann.does("put", "-", f"{place}/f", given=b"with the proof\n", CAIRN_LOCK=document["proof"])
        # Nor is the proof, for somebody else.
        bob.fails(4, "put", "-", f"{place}/f", given=b"bob's\n", CAIRN_LOCK=document["proof"])
        bob.does("put", "-", f"{place}/g", given=b"beside it\n")
        assert bob.does("cat", f"{place}/f").text == "with the proof\n"
        assert holder.ends() == (0, "")
    bob.does("put", "-", f"{place}/f", given=b"bob's\n")
    complaint = ann.fails(5, "put", "-", f"{place}/f", given=b"late\n", CAIRN_LOCK=document["proof"])
    assert "lock" in complaint
    assert bob.does("cat", f"{place}/f").text == "bob's\n"


def test_a_name_is_locked_before_anything_is_there(ann: Person, bob: Person, place: str) -> None:
    with holding(ann, f"{place}/new", f"{place}/other"):
        for command in (("mkdir", f"{place}/new"), ("mv", f"{place}/f", f"{place}/other")):
            assert "ann" in bob.fails(5, *command)
        bob.fails(3, "cat", f"{place}/new")
    bob.does("mkdir", f"{place}/new")


def test_a_hard_link_is_no_way_around(ann: Person, bob: Person, place: str) -> None:
    ann.does("ln", f"{place}/f", f"{place}/same")
    with holding(ann, f"{place}/f"):
        bob.fails(5, "put", "-", f"{place}/same", given=b"bob's\n")
        bob.fails(5, "lock", f"{place}/same", "--wait", "0", "--", "true")
    bob.does("lock", f"{place}/same", "--wait", "0", "--", "true")


def test_waiting_in_vain_changes_nothing_and_leaves_nobody_in_line(
    ann: Person, bob: Person, place: str
) -> None:
    with holding(ann, f"{place}/f"):
        began = time.monotonic()
        assert "ann" in bob.fails(5, "put", "-", f"{place}/f", "--wait", "0.5", given=b"bob's\n")
        assert time.monotonic() - began >= 0.5
        assert "ann" in bob.tries("lock", f"{place}/f", "--wait", "0.2").err
        assert [one["state"] for one in locks(ann, place)] == ["held"]
    assert bob.does("cat", f"{place}/f").text == "ann's\n"


def test_a_write_that_waits_is_done_when_it_is_its_turn(ann: Person, bob: Person, place: str) -> None:
    with holding(ann, f"{place}/f") as holder:
        proof = holder.held()["proof"]
        local = bob.home / "local"
        local.write_text("bob's\n")
        waiting = bob.start("put", str(local), f"{place}/f", "--wait", "60")
        queued(ann, place, 1)
        ann.does("put", "-", f"{place}/f", given=b"ann's last\n", CAIRN_LOCK=proof)
        assert waiting.poll() is None
        holder.ends()
        out, err = waiting.communicate(timeout=PATIENCE_S)
        assert waiting.returncode == 0, (out, err)
    assert ann.does("cat", f"{place}/f").text == "bob's\n"
    assert locks(ann, place) == []


def test_whoever_asked_first_has_it_first(admin: Person, ann: Person, bob: Person, place: str) -> None:
    path, admin_name = f"{place}/f", admin.does("whoami", "--json").document["user"]
    with holding(ann, path) as first, Holder(bob, path) as second:
        assert second.waits().startswith("cairn: waiting for lock ")
        with Holder(admin, path) as third:
            told = third.waits()
            assert ", 2nd in line; " in told
            found = locks(admin, path)
            assert [(one["user"], one["state"], one["place"], one["waiting"]) for one in found] == [
                ("ann", "held", 0, 2),
                ("bob", "waiting", 1, 1),
                (admin_name, "waiting", 2, 0),
            ]
            assert " cairn lock " in found[0]["label"]
            first.ends()
            second.held()
            queued(admin, path, 1)
            second.ends()
            third.held()
            fences = [one.held()["fence"] for one in (first, second, third)]
            assert fences == sorted(set(fences))


def test_the_table_is_for_people(ann: Person, bob: Person, place: str) -> None:
    with holding(ann, place, "--subtree") as holder, Holder(bob, f"{place}/f", "--shared") as waiter:
        held = holder.held()
        waiter.waits()
        header, first, second = bob.does("locks", place).text.splitlines()
        assert header.split() == [
            "LOCK", "STATE", "MODE", "USER", "SINCE", "FENCE", "WAITING", "PROCESS", "PATH",
        ]  # fmt: skip
        assert first.split()[:5] == [str(held["lock"]), "held", "exclusive,", "subtree", "ann"]
        assert first.endswith(f"  {place}")
        assert second.split()[1:5] == ["waits,", "1st", "shared", "bob"]
        assert second.endswith(f"  {place}/f")


def test_ctrl_c_while_waiting_leaves_the_line(ann: Person, bob: Person, place: str) -> None:
    with holding(ann, f"{place}/f"):
        with Holder(bob, f"{place}/f") as waiter:
            waiter.waits()
            status, err = waiter.ends(signal.SIGINT)
            assert (status, err) == (130, "cairn: interrupted\n")
        put = bob.start("put", "-", f"{place}/f", "--wait", "60")
        queued(ann, place, 1)
        put.send_signal(signal.SIGINT)
        _, complaint = put.communicate(timeout=PATIENCE_S)
        assert put.returncode == 130, complaint
        queued(ann, place, 0)
    assert bob.does("cat", f"{place}/f").text == "ann's\n"


def test_some_share_and_nobody_writes(ann: Person, bob: Person, place: str) -> None:
    path = f"{place}/f"
    with holding(ann, path, "--shared") as one, Holder(bob, path, "--shared") as other:
        proof = one.held()["proof"]
        other.held()
        ann.fails(5, "put", "-", path, given=b"under a shared lock\n", CAIRN_LOCK=proof)
        ann.fails(5, "lock", path, "--wait", "0", "--", "true")
        other.ends()
        ann.does("put", "-", path, given=b"alone now\n", CAIRN_LOCK=proof)


def test_a_subtree_is_locked_with_all_below(ann: Person, bob: Person, place: str) -> None:
    for name in ("d", "d/e"):
        bob.does("mkdir", "-m", "777", f"{place}/{name}")
    with holding(ann, f"{place}/d", "--subtree") as holder:
        proof = holder.held()["proof"]
        for command in (
            ("mkdir", f"{place}/d/e/new"),
            ("rm", "-r", f"{place}/d/e"),
            ("mv", f"{place}/f", f"{place}/d/f"),
            ("mv", f"{place}/d", f"{place}/elsewhere"),
            ("lock", f"{place}/d/e/x", "--wait", "0", "--", "true"),
        ):
            assert "ann" in bob.fails(5, *command), command
        bob.does("mkdir", f"{place}/beside")
        ann.does("mkdir", f"{place}/d/e/new", CAIRN_LOCK=proof)


def test_every_writing_command_is_refused_or_waits(
    admin: Person, ann: Person, bob: Person, place: str, tmp_path: Path
) -> None:
    d = f"{place}/d"
    bob.does("mkdir", "-p", *(f"{d}/{name}" for name in ("made", "asked", "restored", "published")))
    for name in ("gone", "moved", "read", "old", "mode", "owner", "named"):
        bob.does("put", "-", f"{d}/{name}", given=b"0\n")
    bob.does("put", "-", f"{d}/restored/f", given=b"0\n")
    [before] = bob.does("log", d, "-n", "1", "--json").document["commits"]
    bob.does("rm", f"{d}/restored/f")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("1\n")
    tree = str(tmp_path / "tree")
    commands = [
        ("put", "-r", tree, f"{d}/put"),
        ("publish", tree, f"{d}/published"),
        ("mkdir", f"{d}/new"),
        ("rm", f"{d}/gone"),
        ("mv", f"{d}/moved", f"{d}/away"),
        ("cp", f"{place}/f", f"{d}/copy"),
        ("cp", "-r", f"{d}/made", f"{d}/tree"),
        ("ln", f"{d}/read", f"{d}/link"),
        ("ln", "-s", "read", f"{d}/symlink"),
        ("touch", f"{d}/touched"),
        ("chmod", "600", f"{d}/mode"),
        ("xattr", "set", f"{d}/named", "user.color", "red"),
        ("policy", f"{d}/asked", "all"),
        ("restore", f"{d}/restored", "--at", str(before["commit"])),
    ]
    with holding(ann, d, "--subtree") as holder:
        refused = [bob.start(*command) for command in commands]
        for command, process in zip(commands, refused, strict=True):
            _, err = process.communicate(timeout=PATIENCE_S)
            assert (process.returncode, b"ann" in err) == (5, True), (command, err)
        under_way = [bob.start(*command, "--wait", "60") for command in commands]
        queued(admin, d, len(under_way))
        holder.ends()
        for command, process in zip(commands, under_way, strict=True):
            out, err = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, (command, out, err)
    names = {one["name"] for one in bob.does("ls", d, "--json").document["entries"]}
    assert names >= {"put", "new", "away", "copy", "tree", "link", "symlink", "touched"}
    assert "gone" not in names
    assert bob.does("ls", f"{d}/published").text == "file\n"
    assert locks(admin, place) == []


def test_breaking_ones_own_lock_and_an_administrator_anybodys(
    admin: Person, ann: Person, bob: Person, place: str
) -> None:
    path = f"{place}/f"
    with holding(ann, path) as first, Holder(bob, path) as second:
        number = first.held()["lock"]
        second.waits()
        assert f"cairn unlock {number} --break" in ann.fails(4, "unlock", str(number))
        bob.fails(4, "unlock", str(number), "--break")
        said = ann.does("unlock", str(number), "--break", "--reason", "went home").text
        assert said == f"lock {number} is broken\n"
        # The next in line has it at once, whatever the first one believes.
        other = second.held()["lock"]
        ann.fails(5, "put", "-", path, given=b"late\n", CAIRN_LOCK=first.held()["proof"])
        status, err = first.ends(None)
        assert status == 5
        assert err.startswith("cairn: ")
        admin.does("unlock", str(other), "--break")
        assert second.ends(None)[0] == 5
    ann.fails(3, "unlock", str(number), "--break")
    [broken] = ann.does("locks", "--broken", "--json").document["broken"]
    assert (broken["lock"], broken["by"], broken["reason"]) == (number, "ann", "went home")
    assert "went home" in admin.does("locks", "--broken").text
    assert [one["lock"] for one in bob.does("locks", "--broken", "--json").document["broken"]] == [other]


def test_giving_back_by_the_proof(ann: Person, bob: Person, place: str) -> None:
    with holding(ann, f"{place}/f") as holder:
        document = holder.held()
        number, proof = str(document["lock"]), document["proof"]
        wrong = proof[:-4] + ("0000" if not proof.endswith("0000") else "1111")
        ann.fails(4, "unlock", number, CAIRN_LOCK=wrong)
        bob.fails(4, "unlock", number, CAIRN_LOCK=proof)
        ann.does("unlock", number, CAIRN_LOCK=proof)
        assert locks(ann, place) == []
        ann.fails(3, "unlock", number, CAIRN_LOCK=proof)
        assert holder.ends(None)[0] == 5


def test_who_may_not_see_a_path_is_not_told_of_locks_there(ann: Person, bob: Person, place: str) -> None:
    secret = f"/home/ann/{place[1:]}"
    ann.does("mkdir", secret)
    with holding(ann, f"{secret}/plan"):
        assert [one["paths"] for one in locks(ann, secret)] == [[{"path": f"{secret}/plan"}]]
        assert all(secret not in str(one) for one in locks(bob))
        bob.fails(4, "lock", f"{secret}/plan", "--", "true")


def test_what_cannot_be_locked_is_told(ann: Person, bob: Person, place: str) -> None:
    bob.fails(3, "lock", f"{place}/no/such", "--", "true")
    bob.fails(5, "lock", f"{place}/f/below", "--", "true")
    ann.does("mkdir", "-p", f"{place}/mine/inner")
    bob.fails(4, "lock", f"{place}/mine/x", "--", "true")
    bob.fails(4, "lock", f"{place}/mine/inner", "--", "true")
    bob.does("lock", f"{place}/mine/inner", "--shared", "--", "true")
    bob.fails(3, "unlock", "999999", "--break")
