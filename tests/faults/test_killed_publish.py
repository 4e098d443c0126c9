"""SIGKILL for a client at any moment of a publish: the directory is what it was, or what it was to be; the
repeated command makes it so, and sends only what had not arrived."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.people import Person, kill_what_is_left

KIB = 1024
REMOTE = "/home/site"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    place = tmp_path_factory.mktemp("cluster")
    somebody = Person(place / "home", place / "data")
    try:
        somebody.does("up", "--detach", "--port", "0", "--fileservers", "1")
        yield somebody
        assert somebody.does("verify", "--deep").text.startswith("verify: ok")
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


def grow(root: Path, files: int, dice: random.Random, size: int = 4 * KIB) -> None:
    """New content for so many of the files, and some of them gone or renamed."""
    for number in dice.sample(range(3000), files):
        place = root / f"{number % 30}" / str(number)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(dice.randbytes(size))
    for place in dice.sample(sorted(root.glob("*/*")), 20):
        place.rename(place.with_name(f"{place.name}-renamed"))


def killed(person: Person, root: Path, after_s: float) -> bool:
    """Publish, and kill the command after a while. Whether it was done before."""
    process = person.start("publish", "-q", str(root), REMOTE, stdout=subprocess.DEVNULL)
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return False
    finally:
        assert process.stderr is not None
        process.stderr.close()
    return True


def same(left: Path, right: Path) -> bool:
    return subprocess.run(["diff", "-r", left, right], check=False, capture_output=True).returncode == 0


def test_it_is_whole_or_not_at_all(person: Person, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    root, before, got = tmp_path / "root", tmp_path / "before", tmp_path / "got"
    before.mkdir()
    outcomes = []
    for number in range(8):
        grow(root, 1500 if number < 4 else 20, dice)
        done = killed(person, root, dice.uniform(0.15, 0.9))
        subprocess.run(["rm", "-rf", got], check=True)
        if person.tries("get", "-r", REMOTE, str(got)).status:
            got.mkdir()
        now, old = same(root, got), same(before, got)
        assert now or old, "neither what it was nor what it was to be"
        assert now or not done
        outcomes.append(now)
        person.does("publish", "-q", str(root), REMOTE, "--yes")
        subprocess.run(["rm", "-rf", got, before], check=True)
        person.does("get", "-r", REMOTE, str(got))
        assert same(root, got)
        subprocess.run(["cp", "-a", root, before], check=True)
    print(f"took effect before the kill: {outcomes}")


def test_what_arrived_is_not_sent_again(person: Person, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    root = tmp_path / "root"
    root.mkdir()
    for number in range(120):
        (root / f"{number}").write_bytes(os.urandom(1000 * KIB))
    size = 120 * 1000 * KIB
    servers = person.data / "fileserver-1"

    def stored() -> int:
        return sum(path.stat().st_blocks * 512 for path in servers.rglob("*") if path.is_file())

    before = stored()
    for _ in range(3):
        if killed(person, root, dice.uniform(0.4, 1.2)):
            break
    arrived = min(stored() - before, size)
    done = person.does("publish", "--json", "--yes", str(root), REMOTE).document
    # What was not kept yet (32 MiB, while as much is being kept), and in flight (16 MiB).
    assert done["sent_bytes"] <= max(size - arrived, 0) + 80 * 1024 * KIB
    person.does("get", "-r", REMOTE, str(tmp_path / "got"))
    assert same(root, tmp_path / "got")
