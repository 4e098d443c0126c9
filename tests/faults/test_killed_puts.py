"""SIGKILL for a client at any moment of a put: what was there stays as it was, and the repeated command sends
only what had not arrived."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.people import Person, kill_what_is_left

KIB = 1024
MIB = 1024 * KIB
NOT_FOUND = 3
#: What may have arrived without being known of: not kept yet (32 MiB, while as much is being kept), and in
#: flight (16 MiB) with the parts of it that a fileserver had stored when the client was gone.
SLACK_BYTES = (32 + 32 + 16) * MIB
#: The same for a tree of small files: pages of 1,000 in the making and on their way, and one not kept yet.
SLACK_FILES = 4_000


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Whose cluster has one fileserver: what it stores is what has arrived."""
    place = tmp_path_factory.mktemp("cluster")
    somebody = Person(place / "home", place / "data")
    try:
        somebody.does("up", "--detach", "--port", "0", "--fileservers", "1")
        yield somebody
        verified = somebody.does("verify", "--deep")
        assert verified.text.startswith("verify: ok")
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


def stored_bytes(person: Person) -> int:
    """What the fileserver's segments take on its disk."""
    return sum(
        path.stat().st_blocks * 512 for path in (person.data / "fileserver-1").rglob("*") if path.is_file()
    )


def put(person: Person, local: Path, remote: str, arrived_bytes: int) -> bool:
    """Put, and kill the command once so much more has arrived. Whether it was done before."""
    before = stored_bytes(person)
    process = person.start("put", "-r", str(local), remote, stdout=subprocess.DEVNULL)
    try:
        while stored_bytes(person) - before < arrived_bytes:
            if process.poll() is not None:
                return True
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        return process.wait() != -signal.SIGKILL
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()


def same(left: Path, right: Path) -> bool:
    return subprocess.run(["diff", "-r", left, right], check=False).returncode == 0


def test_a_long_file(person: Person, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    local = tmp_path / "long"
    with local.open("wb") as stream:
        for _ in range(12):
            stream.write(os.urandom(16 * MIB))
    size = local.stat().st_size
    before = stored_bytes(person)
    for _ in range(3):
        if put(person, local, "/home/long", int(dice.uniform(0.0, 0.5) * size)):
            break
        assert person.tries("stat", "/home/long").status == NOT_FOUND
    arrived = min(stored_bytes(person) - before, size)
    repeated = person.does("put", "--json", str(local), "/home/long").document
    assert repeated["bytes"] == size
    assert repeated["sent_bytes"] <= size - arrived + SLACK_BYTES
    person.does("get", "/home/long", str(tmp_path / "back"))
    assert same(local, tmp_path / "back")
    assert not list((person.home / ".local/state/cairn/puts").glob("*"))


@pytest.mark.parametrize("onto", ["nothing", "a directory"])
def test_a_tree(person: Person, tmp_path: Path, seed: int, onto: str) -> None:
    dice = random.Random(seed)
    local, remote = tmp_path / "from", f"/home/{onto.replace(' ', '-')}"
    files, each = 6_000, 4 * KIB
    for number in range(files):
        directory = local / f"{number // 500}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / str(number)).write_bytes(os.urandom(each))
    target = remote
    if onto != "nothing":
        person.does("mkdir", "-p", f"{remote}/from")
        (tmp_path / "kept").write_bytes(b"kept")
        person.does("put", str(tmp_path / "kept"), f"{remote}/from/kept")
    before = stored_bytes(person)
    for _ in range(3):
        if put(person, local, target, int(dice.uniform(0.0, 0.5) * files * each)):
            break
        shown = person.tries("ls", f"{remote}/from" if onto != "nothing" else remote)
        assert shown.text.split() == (["kept"] if onto != "nothing" else [])
    arrived = min(stored_bytes(person) - before, files * each)
    repeated = person.does("put", "-r", "--json", str(local), target).document
    assert repeated["files"] == files
    assert repeated["sent_bytes"] <= files * each - arrived + SLACK_FILES * each
    person.does("get", "-r", f"{remote}/from" if onto != "nothing" else remote, str(tmp_path / "back"))
    if onto != "nothing":
        assert (tmp_path / "back" / "kept").read_bytes() == b"kept"
        (tmp_path / "back" / "kept").unlink()
    assert same(local, tmp_path / "back")
    assert not list((person.home / ".local/state/cairn/puts").glob("*"))
