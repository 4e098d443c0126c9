"""SIGKILL for every process in turn, again and again, under writers and readers: nothing that was
acknowledged is lost, and nothing that was not is half there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import cairnfs
from cairnfs.client.sync import Client
from cairnfs.errors import NotFound
from tests.faults import acknowledged
from tests.faults.acknowledged import ABSENT, Event, File
from tests.scenarios.people import Person, kill_what_is_left

ROUNDS = 2
PROCESSES = ("fileserver-1", "control", "fileserver-2", "fileserver-3")
WRITERS = 3
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
#: So many more acknowledgements show that work goes on.
PROGRESS = 10


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail after a minute."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited for {what} in vain"
        time.sleep(0.02)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    somebody = Person(tmp_path / "home", tmp_path / "data")
    try:
        somebody.does("up", "--detach", "--port", "0")
        yield somebody
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


@contextmanager
def busy(person: Person, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A writer or reader; it must still be there, without an error of its own, at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.busy", *arguments],
        cwd=ROOT,
        env=person.environ,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
        _, complaint = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, complaint.decode()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def client_of(person: Person) -> Iterator[Client]:
    """A client in this process with the login of a person."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(person.home))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "CAIRN_URL", "CAIRN_TOKEN"):
            patch.delenv(name, raising=False)
        with cairnfs.connect() as client:
            yield client


def address(person: Person, process: str) -> tuple[str, int]:
    """Where a process listens."""
    status = json.loads(person.does("status", "--json").out)
    url = status["url"]
    if process != "control":
        number = int(process.rpartition("-")[2])
        url = next(one["address"] for one in status["fileservers"] if one["id"] == number)
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def refuses(where: tuple[str, int]) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(where, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def kill(person: Person, process: str, where: tuple[str, int]) -> None:
    """SIGKILL; returns when the process is gone and its port refuses."""
    pid = person.pid(process)
    assert pid is not None, f"{process} should run"
    os.kill(pid, signal.SIGKILL)
    until(f"{process} to be gone", lambda: not Path(f"/proc/{pid}").exists())
    until(f"the port of {process} to refuse", lambda: refuses(where))


def count(books: list[Path]) -> int:
    """How many writes were acknowledged."""
    return sum(event.what == "ok" for book in books for event in acknowledged.events(book))


def goes_on(books: list[Path], what: str) -> None:
    """Wait for new acknowledgements."""
    before = count(books)
    until(f"writes to go on {what}", lambda: count(books) >= before + PROGRESS)


def faults(known: dict[str, File], read: Callable[[str], bytes | None]) -> list[str]:
    """The paths whose content is not one that the book allows."""
    return [path for path, file in known.items() if not file.fits(acknowledged.digest(read(path)))]


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_when_processes_are_killed(
    person: Person, tmp_path: Path, seed: int
) -> None:
    books = [tmp_path / f"writer-{number}" for number in range(WRITERS)]
    wrong = tmp_path / "reads"
    addresses = {process: address(person, process) for process in PROCESSES}
    with ExitStack() as work:
        for book in books:
            work.enter_context(busy(person, "writer", str(book), str(seed)))
        work.enter_context(busy(person, "reader", str(books[0]), str(seed), str(wrong)))
        goes_on(books, "at first")
        for _ in range(ROUNDS):
            for process in PROCESSES:
                kill(person, process, addresses[process])
                if process != "control":
                    goes_on(books, f"without {process}")
                person.does("up", "--detach")
                goes_on(books, f"after {process} came back")
    reads = wrong.read_text().split()[::2]
    assert reads.count("right") > 0
    assert "WRONG" not in reads, wrong.read_text()
    judge(person, books)


def judge(person: Person, books: list[Path]) -> None:
    """Everything acknowledged reads back; every group becomes clean; every byte of every copy is right."""

    person.does("status", "--wait", "ready")
    with client_of(person) as client:

        def read(path: str) -> bytes | None:
            try:
                return client.read_file(path)
            except NotFound:
                return None

        for book in books:
            known = acknowledged.files(acknowledged.events(book))
            assert any(file.acknowledged != ABSENT for file in known.values())
            assert faults(known, read) == []
    until("all groups to be clean", lambda: person.does("status", "--json").document["groups_dirty"] == 0)
    assert person.does("verify", "--deep").text.startswith("verify: ok, ")


def test_a_lost_or_torn_file_would_be_found() -> None:
    first, second, third = (acknowledged.digest(text) for text in (b"1", b"2", b"3"))
    known = acknowledged.files(
        [
            Event("try", "/a", first), Event("ok", "/a", first),
            Event("try", "/a", second), Event("no", "/a", second),
            Event("try", "/b", first), Event("no", "/b", first),
            Event("try", "/c", first), Event("ok", "/c", first),
            Event("try", "/c", third), Event("ok", "/c", third),
        ]
    )  # fmt: skip
    held: dict[str, bytes] = {"/a": b"2", "/c": b"3"}
    assert faults(known, held.get) == [], "an unanswered write may have happened, or not"
    assert faults(known, {**held, "/a": b"1", "/b": b"1"}.get) == []
    assert faults(known, {"/a": b"2"}.get) == ["/c"], "lost"
    assert faults(known, {**held, "/c": b"1"}.get) == ["/c"], "an earlier version came back"
    assert faults(known, {**held, "/a": b""}.get) == ["/a"], "torn"
    assert faults(known, {**held, "/b": b"x"}.get) == ["/b"], "half there"
