"""`cairn lock PATH -- COMMAND`: its status, what runs in it, and its end when the lock is lost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.locking import Holder, holding, locks
from tests.scenarios.people import PATIENCE_S, Person, eventually, kill_what_is_left

CAIRN = f"{shlex.quote(sys.executable)} -m cairnfs.cli"
#: Renewed each second; COMMAND is told to end 3.2 s after the last renewal, killed at 4.4 s, all over at 5 s.
LEASE, LEASE_S, TOLD_S = "1000:2000:5000", 5.0, 3.2
#: Writes the time (CLOCK_MONOTONIC) again and again, as long as it lives.
BEATING = f"""exec {shlex.quote(sys.executable)} -c '
import signal, sys, time
if sys.argv[2:]: signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    print(time.monotonic(), file=open(sys.argv[1], "a")); time.sleep(0.02)'"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Who started a cluster with one fileserver and short leases."""
    place = tmp_path_factory.mktemp("quick")
    somebody = Person(place / "somebody", place / "data")
    try:
        somebody.does("up", "--detach", "--port", "0", "--fileservers", "1", "--lease", LEASE)
        yield somebody
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


def sh(person: Person, path: str, script: str, *more: str) -> subprocess.Popen[bytes]:
    """A shell script under a lock, under way."""
    return person.start("lock", path, *more, "--", "sh", "-c", script)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err.decode()


def beats(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_the_status_is_the_commands_own(quick: Person, script: str, status: int) -> None:
    assert ended(sh(quick, "/status", script)) == (status, b"", "")
    assert locks(quick, "/status") == []


def test_what_is_no_command_takes_no_lock(quick: Person) -> None:
    with holding(quick, "/taken"):
        assert quick.fails(127, "lock", "/taken", "--", "no-such-command") == (
            "cairn: no-such-command: no such command"
        )
        quick.fails(126, "lock", "/taken", "--", "/etc/passwd")


def test_cairn_commands_in_it_write_under_the_lock(quick: Person) -> None:
    script = f"""set -e
        echo inside | {CAIRN} put -q - /nested
        {CAIRN} lock /nested2 -- {CAIRN} cp /nested /nested2
        {CAIRN} locks /nested --json
        if env -u CAIRN_LOCK {CAIRN} rm /nested; then exit 9; else exit $?; fi"""
    status, out, err = ended(sh(quick, "/nested", script))
    assert status == 5, err
    assert "somebody else has a lock there" in err
    assert b'"state":"held"' in out
    assert quick.does("cat", "/nested").text == quick.does("cat", "/nested2").text == "inside\n"


def test_it_is_given_its_input_and_gives_its_output(quick: Person) -> None:
    done = quick.does("lock", "/x", "--", "tr", "a-z", "A-Z", given=b"words\n")
    assert done.out == b"WORDS\n"


def test_others_are_refused_meanwhile_and_have_it_afterwards(quick: Person, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"echo first | {CAIRN} put -q - /meanwhile; while [ ! -e {go} ]; do sleep 0.05; done"
    with sh(quick, "/meanwhile", script) as process:
        eventually(lambda: quick.tries("cat", "/meanwhile").status == 0)
        quick.fails(5, "put", "-", "/meanwhile", given=b"second\n")
        with quick.start("lock", "/meanwhile", "--wait", "60", "--", "echo", "mine") as waiting:
            assert waiting.stderr is not None
            assert b"1st in line" in waiting.stderr.readline()
            go.touch()
            assert ended(process)[0] == 0
            out, _ = waiting.communicate(timeout=PATIENCE_S)
            assert (waiting.returncode, out) == (0, b"mine\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_signals_are_the_commands(quick: Person, tmp_path: Path, number: signal.Signals) -> None:
    with sh(quick, "/signal", f"{BEATING} {tmp_path}/beats") as process:
        eventually(lambda: beats(tmp_path / "beats"))
        process.send_signal(number)
        status, _, err = ended(process)
    # Python says of Ctrl-C that it was one.
    assert (status, "KeyboardInterrupt" in err) == (
        (130, True) if number == signal.SIGINT else (128 + number, False)
    )
    assert locks(quick, "/signal") == []


def test_ctrl_c_before_it_has_the_lock_runs_nothing(quick: Person, tmp_path: Path) -> None:
    with holding(quick, "/before"), sh(quick, "/before", f"touch {tmp_path}/ran") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 130
        assert not (tmp_path / "ran").exists()
        assert [one["state"] for one in locks(quick, "/before")] == ["held"]


def test_a_broken_lock_ends_the_command(quick: Person, tmp_path: Path) -> None:
    with sh(quick, "/broken", f"{BEATING} {tmp_path}/beats") as process:
        eventually(lambda: beats(tmp_path / "beats"))
        [held] = locks(quick, "/broken")
        quick.does("unlock", str(held["lock"]), "--break")
        status, _, err = ended(process)
    assert status == 124
    assert "/broken is lost" in err
    assert "sh was ended" in err
    count = len(beats(tmp_path / "beats"))
    time.sleep(0.1)
    assert len(beats(tmp_path / "beats")) == count


@pytest.mark.parametrize("deaf", ["", "deaf"], ids=["ended", "killed"])
def test_a_frozen_control_plane_ends_the_command_before_the_lease(
    quick: Person, tmp_path: Path, deaf: str
) -> None:
    pid = quick.pid("control")
    assert pid is not None
    with sh(quick, f"/frozen{deaf}", f"{BEATING} {tmp_path}/beats {deaf}") as process:
        eventually(lambda: beats(tmp_path / "beats"))
        frozen_at = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        try:
            eventually(lambda: time.monotonic() - beats(tmp_path / "beats")[-1] > 0.5, "the command's end")
            last = beats(tmp_path / "beats")[-1]
        finally:
            os.kill(pid, signal.SIGCONT)
        status, _, err = ended(process)
    assert status == 124
    assert "sh was ended" in err
    # The last renewal was sent before the freeze, at most one period earlier; a machine under load is late.
    assert last - frozen_at < LEASE_S, "it went on when the cluster could have given the lock away"
    assert last - frozen_at > TOLD_S - 1.5, "it was ended although a renewal could have come through"


def test_a_frozen_holder_cannot_write_and_finds_out(quick: Person, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"""touch {tmp_path}/ready; while [ ! -e {go} ]; do sleep 0.05; done
        echo late | {CAIRN} put -q - /stale; echo $? > {tmp_path}/status; exec sleep 60"""
    with sh(quick, "/stale", script) as process:
        eventually((tmp_path / "ready").exists)
        process.send_signal(signal.SIGSTOP)
        # Its session ends, and the next one in line has the lock.
        with quick.start("lock", "/stale", "--wait", "60", "--", "sh", "-c",
                         f"echo next | {CAIRN} put -q - /stale") as other:  # fmt: skip
            assert ended(other)[0] == 0
        go.touch()
        eventually(lambda: (tmp_path / "status").exists() and (tmp_path / "status").read_text())
        assert (tmp_path / "status").read_text() == "5\n", "the fence is checked by the server"
        process.send_signal(signal.SIGCONT)
        status, _, err = ended(process)
    assert status == 124, err
    assert "sh was ended" in err
    assert quick.does("cat", "/stale").text == "next\n"


def test_whoever_is_locked_out_by_the_own_caller_is_told_at_once(quick: Person) -> None:
    status, _, err = ended(sh(quick, "/own", f"{CAIRN} lock /own -- true"))
    assert status == 5
    assert "under which this is done already" in err
    # Only the caller's way is known: others may end some time.
    with holding(quick, "/own"):
        refused = quick.tries("lock", "/own", "--wait", "0.1", "--", "true")
        assert (refused.status, "in vain" in refused.err) == (5, True), refused


def test_the_command_of_a_killed_holder_ends_with_it(quick: Person, tmp_path: Path) -> None:
    with sh(quick, "/orphan", f"{BEATING} {tmp_path}/beats") as process:
        eventually(lambda: beats(tmp_path / "beats"))
        killed_at = time.monotonic()
        process.kill()
        eventually(lambda: time.monotonic() - beats(tmp_path / "beats")[-1] > 0.3, "the command's end")
        assert beats(tmp_path / "beats")[-1] - killed_at < LEASE_S - 1
        ended(process)


def test_the_lock_of_a_killed_holder_is_free_after_its_lease(quick: Person) -> None:
    with holding(quick, "/killed") as holder:
        began = time.monotonic()
        holder.process.send_signal(signal.SIGKILL)
        with Holder(quick, "/killed", "--wait", "60") as other:
            other.held()
            assert time.monotonic() - began < 4 * LEASE_S


def test_holding_alone_ends_with_the_lease_too(quick: Person) -> None:
    pid = quick.pid("control")
    assert pid is not None
    with holding(quick, "/alone") as holder:
        os.kill(pid, signal.SIGSTOP)
        try:
            status, err = holder.ends(None)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert status == 5
    assert err.startswith("cairn: the lock on /alone is lost: ")
