"""A cluster on this machine: up, down, and everything that can be in the way."""

from __future__ import annotations

import os
import signal
import socket
import stat
import tomllib
from functools import partial
from pathlib import Path

import pytest

from tests.scenarios.people import Person, eventually, gone, kill_what_is_left

PROCESSES = ["control", "fileserver-1", "fileserver-2", "fileserver-3"]


def ports(person: Person) -> list[int]:
    cluster = tomllib.loads((person.data / "cluster.toml").read_text())
    return [cluster["control"]["port"], *(one["port"] for one in cluster["fileservers"])]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_first_up_makes_a_cluster_that_is_ready(person: Person) -> None:
    said = person.does("up", "--detach", "--port", "0").text
    assert said.startswith("the cluster is up at http://127.0.0.1:")
    assert "3 fileservers, 3 copies" in said
    # At once, without a question and without waiting: the greeting, a put, a status.
    assert person.does("cat", "/Hello.txt").text.startswith("Hello!")
    person.does("put", "-", "/mine.txt", given=b"mine")
    status = person.does("status", "--json").document
    assert status["ready"] is True
    assert [one["state"] for one in status["fileservers"]] == ["up"] * 3
    # Each pid file names the one process that serves, and that is no child of ours.
    for name, port in zip(PROCESSES, ports(person), strict=True):
        pid = int((person.data / "run" / f"{name}.pid").read_text())
        assert pid == person.pid(name)
        assert answers(port)
        assert b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert [one["pid"] for one in status["processes"]] == [person.pid(name) for name in PROCESSES]

    # A second up finds everything as it is.
    pids = [person.pid(name) for name in PROCESSES]
    assert person.does("up", "--detach").text.startswith("the cluster is up already at ")
    assert person.does("up").text.startswith("the cluster is up already at ")
    assert [person.pid(name) for name in PROCESSES] == pids

    # Down takes every process and every port; the files stay, and the next up continues.
    before = ports(person)
    assert person.does("down").text == "stopped control, fileserver-1, fileserver-2, fileserver-3\n"
    assert [person.pid(name) for name in PROCESSES] == [None] * 4
    assert not any(map(answers, before))
    assert person.does("down").text == "nothing was running\n"
    assert "is the cluster up?" in person.fails(6, "cat", "/mine.txt")
    ended = person.tries("status")
    assert ended.status == 6
    assert ended.err.count("not running") == 4
    assert ended.err.endswith("(start it: cairn up)\n")
    person.does("up", "--detach")
    assert ports(person) == before
    assert person.does("cat", "/mine.txt").out == b"mine"
    assert "verify: ok, " in person.does("verify").text
    person.does("down")


def test_no_secret_is_in_any_argument_or_log(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    secrets = [tomllib.loads((person.data / "admin.toml").read_text())["password"]]
    profile = person.home / ".config" / "cairn" / "profile.toml"
    secrets.append(tomllib.loads(profile.read_text())["refresh_token"])
    for name in ("control", "fileserver-1"):
        seen = Path(f"/proc/{person.pid(name)}/cmdline").read_bytes()
        seen += Path(f"/proc/{person.pid(name)}/environ").read_bytes()
        seen += (person.data / "log" / f"{name}.log").read_bytes()
        for secret in secrets:
            assert secret.encode() not in seen
    assert not (person.data / "control" / "first-admin").exists()
    assert not (person.data / "fileserver-1" / "join-token").exists()
    for path in (person.data / "admin.toml", profile):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    person.does("down")


def test_what_was_killed_is_started_again(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "2")
    kept = person.pid("fileserver-2")
    for name in ("control", "fileserver-1"):
        pid = person.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(partial(gone, person, name))
    assert (person.data / "run" / "control.pid").exists(), "a pid file without a process"
    said = person.does("up", "--detach").text
    assert said.startswith("started control, fileserver-1; ")
    assert person.pid("fileserver-2") == kept
    assert person.does("cat", "/Hello.txt").out
    person.does("down")


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    person.does("down")
    (person.data / "run" / "control.pid").write_text(f"{os.getpid()}\n")
    assert person.does("down").text == "nothing was running\n"
    person.does("up", "--detach")
    person.does("down")


def test_a_taken_port_is_an_error_that_names_the_process(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        said = person.fails(5, "up", "--detach", "--port", str(taken))
        assert f"port {taken}" in said
        assert f"process {os.getpid()} (" in said
    assert not (person.data / "cluster.toml").exists()


def test_a_port_that_is_taken_later_is_an_error_too(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    person.does("down")
    with socket.create_server(("127.0.0.1", ports(person)[1])):
        said = person.fails(5, "up", "--detach")
    assert "which fileserver-1 is to serve at" in said
    assert f"process {os.getpid()} (" in said
    person.does("up", "--detach")
    person.does("down")


def test_what_cannot_be_changed_yet_is_said(person: Person) -> None:
    person.fails(2, "up", "--detach", "--port", "0", "--fileservers", "2", "--replicas", "3")
    person.does("up", "--detach", "--port", "0", "--fileservers", "2")
    assert "2 copies" in person.fails(5, "up", "--detach", "--replicas", "1")
    assert "2 fileservers" in person.fails(5, "up", "--detach", "--fileservers", "1")
    assert "cairn down" in person.fails(5, "up", "--detach", "--port", "1")
    person.does("down")


def test_in_the_foreground_it_runs_until_it_is_told_to_stop(person: Person) -> None:
    with person.start("up", "--port", "0", "--fileservers", "1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0].startswith(b"the cluster is up at ")
        assert lines[2] == b"press Ctrl-C to stop it\n"
        pid = person.pid("fileserver-1")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert process.stderr.readline().startswith(b"fileserver-1 was ended by SIGKILL")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert person.pid("control") is None


def test_a_killed_up_leaves_no_confusion(person: Person) -> None:
    with person.start("up", "--port", "0", "--fileservers", "1") as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.kill()
        process.wait()
    pid = person.pid("control")
    assert pid is not None, "the servers go on"
    assert person.does("up").text.startswith("the cluster is up already")
    assert person.pid("control") == pid
    person.does("down")


@pytest.mark.parametrize("after_s", [0.4, 1.0, 1.6])
def test_an_up_that_is_killed_while_starting_is_finished_by_the_next(person: Person, after_s: float) -> None:
    with person.start("up", "--detach", "--port", "0", "--fileservers", "2") as process:
        try:
            process.wait(after_s)
        except Exception:  # noqa: BLE001 -- it is still at work, which is the point
            process.kill()
    person.does("up", "--detach", *([] if (person.data / "cluster.toml").exists() else ["--port", "0"]))
    assert person.does("cat", "/Hello.txt").text.startswith("Hello!")
    assert person.does("whoami", "--json").document["role"] == "admin"
    person.does("down")


def test_two_ups_at_once_make_one_cluster(person: Person) -> None:
    with (
        person.start("up", "--detach", "--port", "0", "--fileservers", "1") as one,
        person.start("up", "--detach", "--port", "0", "--fileservers", "1") as two,
    ):
        said = [process.communicate() for process in (one, two)]
    assert [one.returncode, two.returncode] == [0, 0], said
    assert sum(b"is up already" in out for out, _ in said) == 1
    assert person.does("cat", "/Hello.txt").out
    person.does("down")


def test_a_second_cluster_takes_the_login_and_says_so(person: Person, tmp_path: Path) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    first = person.does("status", "--json").document["url"]
    second = Person(person.home, tmp_path / "second")
    try:
        ended = second.does("up", "--detach", "--port", "0", "--fileservers", "1")
        assert f"--url {first}" in ended.err
        assert second.does("status", "--json").document["url"] != first
        person.does("down")
        # Neither a stop and start of the first one takes it back.
        ended = person.does("up", "--detach")
        assert ended.err == ""
        assert second.does("status", "--json").document["url"] != first
        user = second.does("whoami", "--json").document["user"]
        person.does("login", user, "--url", first)
        assert person.does("status", "--json").document["url"] == first
        second.does("down")
        person.does("down")
    finally:
        kill_what_is_left(second)


def test_what_others_may_not_read_is_closed(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    for name in ("control", "fileserver-1", "log"):
        assert stat.S_IMODE((person.data / name).stat().st_mode) == 0o700, name
    assert stat.S_IMODE((person.data / "cluster.toml").stat().st_mode) == 0o644
    person.does("down")


def test_a_fileserver_can_be_started_by_hand(person: Person, tmp_path: Path) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    token = person.does("invite", "--fileserver").text.strip()
    control = person.does("status", "--json").document["url"]
    person.environ |= {"CAIRN_FILESERVER_DIR": str(tmp_path / "by-hand"), "CAIRN_JOIN_TOKEN": token}
    serve = ("serve", "fileserver", "--control", control)
    with person.start(*serve) as server:
        try:
            eventually(lambda: len(person.does("status", "--json").document["fileservers"]) == 2)
            assert (tmp_path / "by-hand" / "credentials.json").exists()
            assert person.tries(*serve).status == 5, "one process a directory"
        finally:
            server.terminate()
            _, said = server.communicate()
    assert server.returncode == 0, said
    assert token.encode() not in said
    person.environ["CAIRN_FILESERVER_DIR"] = str(tmp_path / "another")
    assert person.tries(*serve).status == 4, "a token is good once"
    person.does("down")


def test_a_greeting_that_was_removed_stays_removed(person: Person) -> None:
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    person.does("rm", "/Hello.txt")
    person.does("down")
    person.does("up", "--detach")
    person.fails(3, "cat", "/Hello.txt")
    person.does("down")


def test_another_address_is_refused_without_tls(person: Person) -> None:
    assert "--insecure" in person.fails(2, "up", "--detach", "--port", "0", "--host", "192.0.2.7")


def test_logs_are_for_people(admin: Person) -> None:
    text = admin.does("logs", "-n", "5").text
    assert {line.split()[0] for line in text.splitlines()} <= set(PROCESSES)
    assert "{" not in admin.does("logs", "control", "-n", "1").text[:20]
    admin.fails(3, "logs", "fileserver-9")


def test_a_cluster_is_waited_for(admin: Person) -> None:
    assert ": ready\n" in admin.does("status", "--wait", "ready").text
    lost = admin.another("lost")
    assert "cannot connect" in lost.fails(6, "status", "--url", "http://127.0.0.1:9", CAIRN_TOKEN="x")


def test_verification_counts_what_is_there(admin: Person) -> None:
    admin.does("put", "-", "/counted", given=b"x" * 100)
    text = admin.does("verify", "--deep").text
    assert text.startswith("verify: ok, ")
    checked = admin.does("verify", "--json").document
    assert checked["ok"] is True
    assert checked["findings"] == []
    assert checked["chunks"] >= 2
    assert checked["copies"] >= 3 * 2 - checked["copies_missing"]
