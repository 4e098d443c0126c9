"""Looking back and following by commands, on a cluster of real processes."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from pathlib import Path
from typing import IO

import pytest

from tests.scenarios.people import PATIENCE_S, Person, eventually, gone

NOT_UTF8 = b"caf\xe9 \xff\n"


@pytest.fixture
def place(ann: Person, request: pytest.FixtureRequest) -> str:
    """A directory of ann's in Cairn that this test has for itself."""
    path = f"/home/ann/{request.node.name[:80]}"
    ann.does("mkdir", path)
    return path


def put(person: Person, text: str, path: str | bytes) -> int:
    """Write a file. The commit that did it."""
    person.does("put", "-", path, given=text.encode())
    return int(person.does("stat", "--json", path).document["commit"])


class Watch:
    """`cairn watch` under way: what it says, line by line. Killed at the end of the `with`, if need be."""

    def __init__(self, person: Person, *arguments: str) -> None:
        self.process = person.start("watch", *arguments)
        self.readers: list[threading.Thread] = []
        self.out = self._lines(self.process.stdout)
        self.err = self._lines(self.process.stderr)

    def _lines(self, stream: IO[bytes] | None) -> queue.Queue[str]:
        assert stream is not None
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            for line in stream:
                lines.put(line.decode().rstrip("\n"))

        self.readers.append(threading.Thread(target=read))
        self.readers[-1].start()
        return lines

    def says(self) -> str:
        """The next line."""
        return self.out.get(timeout=PATIENCE_S)

    def ends(self) -> int:
        """Press Ctrl-C. The status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE_S)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        for reader in self.readers:
            reader.join(PATIENCE_S)
        self.process.__exit__(None, None, None)


def test_the_log_the_history_and_the_diff(ann: Person, place: str, tmp_path: Path) -> None:
    first = put(ann, "one\n", f"{place}/f")
    second = put(ann, "three\n", f"{place}/f")
    ann.does("mv", f"{place}/f", f"{place}/g")
    ann.does("mkdir", f"{place}/d")
    ann.does("rm", f"{place}/g")
    lines = ann.does("log", place, "-n", "2").text.splitlines()
    assert lines[0].split()[3:] == ["ann"]
    assert [line.split() for line in (lines[1], lines[3])] == [
        ["removed", f"{place}/g"],
        ["created", f"{place}/d/"],
    ]
    document = ann.does("log", place, "--json", "-n", "3").document
    assert [one["counts"] for one in document["commits"]] == [{"removed": 1}, {"created": 1}, {"moved": 1}]
    past = [line.split() for line in ann.does("history", f"{place}/f").text.splitlines()]
    assert [line[4:] for line in past] == [
        ["moved", "-", "to", f"{place}/g"],
        ["written", "6", "B"],
        ["created", "4", "B"],
    ]
    assert [line[0] for line in past[1:]] == [str(second), str(first)]
    document = ann.does("history", f"{place}/g", "--json").document
    assert [(one["what"], one["path"]) for one in document["history"]] == [
        ("removed", f"{place}/g"),
        ("moved", f"{place}/g"),
        ("written", f"{place}/f"),
        ("created", f"{place}/f"),
    ]
    assert document["history"][1]["from_path"] == f"{place}/f"
    there = ann.does("history", "--no-follow", f"{place}/g", "--json").document["history"]
    assert [one["what"] for one in there] == ["removed", "moved"]
    then = ann.does("history", "--at", str(second), f"{place}/f", "--json").document["history"]
    assert [one["what"] for one in then] == ["written", "created"]
    said = ann.does("diff", str(first), str(second + 2), place).text
    assert said == f"RM\t{place}/f\t{place}/g\nA\t{place}/d/\n"
    assert ann.tries("diff", "--exit-code", str(second), str(second), place).status == 0
    document = ann.does("diff", str(first), str(second), place, "--json").document
    assert [
        (one["what"], one["before"]["size"], one["after"]["size"]) for one in document["differences"]
    ] == [("written", 4, 6)]
    ann.fails(3, "history", f"{place}/never")
    ann.fails(3, "diff", str(first), "999999", place)
    ann.fails(2, "diff", "a year ago", "1", place)


def test_names_of_others_are_nobodys_business(admin: Person, ann: Person, place: str) -> None:
    bob = admin.signed_up("bob-who-looks")
    before = put(ann, "1", f"{place}/secret")
    put(ann, "2", f"{place}/secret")
    for arguments in (("log",), ("log", "/home"), ("diff", str(before), str(before + 1))):
        assert "secret" not in bob.does(*arguments).text
    for command in (("log", place), ("history", f"{place}/secret"), ("watch", place)):
        assert "secret'" not in bob.fails(4, *command)


def test_names_that_are_no_text(ann: Person, place: str) -> None:
    path = os.fsencode(place) + b"/" + NOT_UTF8
    since = put(ann, "1", path)
    assert f"{place}/caf\\xe9 \\xff\\n" in ann.does("log", place, "-n", "1").text
    with Watch(ann, place, "--since", str(since - 1)) as watch:
        assert watch.says() == f"{since}  ann  created  {place}/caf\\xe9 \\xff\\n"
        assert watch.ends() == 130
    change = ann.does("log", place, "-n", "1", "--json").document["commits"][0]["changes"][0]
    assert change["path_b64"]


def test_watching_ends_with_ctrl_c_and_without_a_word(ann: Person, place: str) -> None:
    start = put(ann, "1", f"{place}/f")
    with Watch(ann, place, "--json", "--since", str(start - 1)) as watch:
        assert json.loads(watch.says())["changes"][0]["what"] == "created"
        second = put(ann, "2", f"{place}/f")
        document = json.loads(watch.says())
        assert (document["commit"], document["user"], document["more"]) == (second, "ann", False)
        assert watch.ends() == 130
    assert watch.err.empty()


@pytest.fixture
def own(person: Person) -> Person:
    """Somebody with a cluster for themselves."""
    person.does("up", "--detach", "--port", "0", "--fileservers", "1")
    return person


def test_a_watcher_outlives_the_control_plane(own: Person) -> None:
    """Killed and started again under it: no line is missing, none comes twice, and it says so once."""
    own.does("mkdir", "/d")
    made = own.does("stat", "--json", "/d").document["commit"]
    with Watch(own, "/d", "--since", str(made - 1)) as watch:
        assert watch.says().endswith("created  /d/")
        put(own, "1", "/d/1")
        assert watch.says().endswith("created  /d/1")
        pid = own.pid("control")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert watch.err.get(timeout=PATIENCE_S).endswith("; trying again")
        eventually(lambda: gone(own, "control"))
        own.does("up", "--detach")
        for number in range(2, 5):
            put(own, "1", f"/d/{number}")
        assert [watch.says().split()[-1] for _ in range(3)] == ["/d/2", "/d/3", "/d/4"]
        assert watch.ends() == 130
        assert watch.err.get(timeout=PATIENCE_S) == "cairn: watching again"
    assert watch.out.empty()
    own.does("down")
