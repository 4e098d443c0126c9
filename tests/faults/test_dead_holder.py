"""A client is killed with a lock in its hand, and another in the queue behind it: whoever waits next has the
lock soon, by the times that a cluster has by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cairnfs.client.sync import Client
from cairnfs.core.leases import LeaseTimes
from tests.faults.lock_crew import REPOSITORY, locks_of
from tests.faults.test_kill_loop import client_of
from tests.scenarios.people import Person, eventually, kill_what_is_left

LEASE = LeaseTimes()
#: What the design promises, in seconds.
FREE_WITHIN_S = 20.0
PATH = "/kept"


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    somebody = Person(tmp_path / "home", tmp_path / "data")
    try:
        somebody.does("up", "--detach", "--port", "0", "--fileservers", "1")
        yield somebody
        assert somebody.does("verify", "--deep").text.startswith("verify: ok")
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


@contextmanager
def asking(person: Person, book: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that asks for the lock on the path, and keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.lock_holder", str(book), book.name, "on"],
        cwd=REPOSITORY,
        env=person.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(f"hold {PATH} kept\n".encode())
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.communicate()


def states(client: Client) -> list[str]:
    return [item.state for item in locks_of(client)]


def lock_and_write(client: Client) -> float:
    """Wait for the lock, write under it; when it was granted."""
    with client.lock(PATH):
        granted_s = time.monotonic()
        client.write_file(PATH, b"mine\n")
    return granted_s


def test_its_lock_is_free_within_20_seconds(person: Person, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with client_of(person) as client, ExitStack() as dying, ThreadPoolExecutor() as pool:
        client.write_file(PATH, b"0 -\n")
        holder = dying.enter_context(asking(person, tmp_path / "holder"))
        eventually(lambda: states(client) == ["held"], "the holder to hold")
        waiter = dying.enter_context(asking(person, tmp_path / "waiter"))
        eventually(lambda: states(client) == ["held", "waiting"], "the waiter to wait")
        mine = pool.submit(lock_and_write, client)
        eventually(lambda: len(states(client)) == 3, "this client to wait")
        time.sleep(dice.uniform(0.0, LEASE.renew_ms / 1000))  # at any moment between two renewals
        killed_s = time.monotonic()
        for process in (holder, waiter):
            os.kill(process.pid, signal.SIGKILL)
        free_s = mine.result(timeout=60.0) - killed_s
        print(f"free after {free_s:.1f} s")
        assert (LEASE.lease_ms - LEASE.renew_ms) / 1000 - 0.5 < free_s < FREE_WITHIN_S
        eventually(lambda: states(client) == [], "no lock to be there")
