"""SIGKILL to `cairn get` and `cairn sync` at random moments: each local file old or new, the rest goes on."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenarios.people import Person, kill_what_is_left

KIB = 1024
MIB = 1024 * KIB
FILES, KILLS = 1200, 5
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Who has a cluster of real processes, and no cache that could help."""
    place = tmp_path_factory.mktemp("cluster")
    somebody = Person(place / "admin", place / "data")
    somebody.environ["CAIRN_CACHE_BYTES"] = "0"
    try:
        somebody.does("up", "--detach", "--port", "0", "--fileservers", "1", "--replicas", "1")
        yield somebody
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


@pytest.fixture(scope="module")
def new(admin: Person) -> dict[str, bytes]:
    """What is at /tree."""
    dice = random.Random(1)
    held = {f"d{number % 20:02}/{number:05}": dice.randbytes(4 * KIB) for number in range(FILES)}
    held |= {f"long{number}": dice.randbytes(5 * MIB) for number in range(4)}
    fill(admin.home / "tree", held)
    admin.does("put", "-r", str(admin.home / "tree"), "/tree")
    return held


def fill(root: Path, held: dict[str, bytes]) -> None:
    for name, content in held.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def aged(new: dict[str, bytes], dice: random.Random) -> dict[str, bytes]:
    """An older state of the tree: files that differ, lack, or are too much."""
    old = dict(new)
    for name in dice.sample(sorted(new), len(new) // 2):
        fate = dice.random()
        if fate < 0.5:
            old[name] = dice.randbytes(len(new[name]))
        elif fate < 0.8:
            old[name] = new[name][: len(new[name]) // 2]
        else:
            del old[name]
    return old | {f"d00/extra{number}": b"too much" for number in range(30)}


def held(root: Path) -> dict[str, bytes]:
    """What is there, but for drafts and trials."""
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            if ".cairn-" not in directory and not name.startswith(".cairn-"):
                place = Path(directory) / name
                found[str(place.relative_to(root))] = place.read_bytes()
    return found


def killed(person: Person, command: list[str], root: Path, dice: random.Random) -> None:
    """Start the command, and kill it soon after it wrote anything, if it is not done before."""
    before = stamps(root)
    with person.start(*command) as process:
        until = time.monotonic() + PATIENCE_S
        while process.poll() is None and stamps(root) == before:
            assert time.monotonic() < until
            time.sleep(0.005)
        time.sleep(dice.random() ** 2 * 0.6)  # the random moment
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def stamps(root: Path) -> dict[str, int]:
    """Of the directories of a tree, when they changed."""
    found = {}
    for directory, _, _ in os.walk(root):
        with suppress(FileNotFoundError):
            found[directory] = os.stat(directory).st_ctime_ns
    return found


def judge(now: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> None:
    """Each file is whole, old or new; nothing went that was not to go, or before all else was there."""
    for name in old.keys() | new.keys():
        assert now.get(name) in (old.get(name), new.get(name)), f"{name} is neither old nor new"
    assert now.keys() <= old.keys() | new.keys()
    if any(name not in now for name in old.keys() - new.keys()):
        assert all(now.get(name) == content for name, content in new.items()), "removed too early"


@pytest.mark.parametrize("verb", ["get", "sync"])
def test_each_file_is_old_or_new_and_the_rest_goes_on(
    admin: Person, new: dict[str, bytes], tmp_path: Path, seed: int, verb: str
) -> None:
    dice = random.Random(seed)
    local = tmp_path / "local"
    old = aged(new, dice)
    fill(local, old)
    source = ["-r", "/tree/."] if verb == "get" else ["/tree"]
    for _ in range(KILLS):
        killed(admin, [verb, *source, str(local)], local, dice)
        judge(held(local), old, new)
    left = held(local)
    missing = sum(len(content) for name, content in new.items() if left.get(name) != content)
    done = admin.does(verb, "--json", *source, str(local)).document
    assert done["received_bytes"] <= missing, "what was there was fetched again"
    after = held(local)
    if verb == "sync":
        assert after == new
        assert not [name for _, _, names in os.walk(local) for name in names if ".cairn-" in name]
    else:
        assert after == {name: content for name, content in old.items() if name not in new} | new
    again = admin.does(verb, "--json", *source, str(local)).document
    assert again["received_bytes"] == 0
