"""Eight processes on one cache that is too small for them, and SIGKILL for any of them at any time: nobody
ever reads a wrong byte, and the bound is kept.

CAIRN_CACHE_READS asks for more reads than the usual 100,000.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = 8
READS = int(os.environ.get("CAIRN_CACHE_READS") or 100_000)
LIMIT_BYTES = 1024 * 1024
#: A file system may give files their room in pieces as large as this.
SLACK_BYTES = 64 * 1024
KILL_EVERY_S = 0.25
PATIENCE_S = 100 + READS / 2000


@dataclass
class Found:
    """What the members said, all together."""

    read: int = 0
    found: int = 0
    wrong: int = 0
    damaged: int = 0
    kills: int = 0
    most_bytes: int = 0
    failures: list[str] = field(default_factory=list)


class Crew:
    """The members, each of which is replaced when it is killed."""

    def __init__(self, directory: Path, seed: int, bug: str | None) -> None:
        self.directory = directory
        self.seed = seed
        self.bug = [] if bug is None else [bug]
        self.number = 0
        self.found = Found()
        self.rests: dict[int, bytes] = {}
        self.members = [self.begin() for _ in range(MEMBERS)]

    def begin(self) -> subprocess.Popen[bytes]:
        self.number += 1
        arguments = [str(self.directory), str(LIMIT_BYTES), f"{self.seed}/{self.number}", *self.bug]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.cache_member", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def kill(self, place: int) -> None:
        """SIGKILL for one, and another in its place."""
        member = self.members[place]
        member.send_signal(signal.SIGKILL)
        out, complaint = member.communicate(timeout=PATIENCE_S)
        self.count(member, out)
        if complaint:
            self.found.failures.append(complaint.decode())
        self.found.kills += 1
        self.members[place] = self.begin()

    def listen(self) -> None:
        """Add up what was said by now."""
        streams = {member.stdout.fileno(): member for member in self.members if member.stdout is not None}
        for stream in select.select(list(streams), [], [], 0.005)[0]:
            said = os.read(stream, 65536)
            if not said:
                streams[stream].wait()
            self.count(streams[stream], said)

    def count(self, member: subprocess.Popen[bytes], said: bytes) -> None:
        *lines, self.rests[member.pid] = (self.rests.get(member.pid, b"") + said).split(b"\n")
        for line in lines:
            read, found, wrong, damaged = map(int, line.split())
            self.found.read += read
            self.found.found += found
            self.found.wrong += wrong
            self.found.damaged += damaged

    def measure(self) -> None:
        used = sum(
            (self.directory / "chunks" / name).stat().st_blocks * 512
            for name in ("header", "index", "ring")
            if (self.directory / "chunks" / name).exists()
        )
        self.found.most_bytes = max(self.found.most_bytes, used)

    def end(self) -> None:
        """Let everybody finish."""
        for member in self.members:
            out, complaint = member.communicate(timeout=PATIENCE_S)
            self.count(member, out)
            if member.returncode or complaint:
                self.found.failures.append(complaint.decode())

    def leave(self) -> None:
        """Whatever happened, leave nobody."""
        for member in self.members:
            if member.poll() is None:
                member.kill()
                member.communicate()


def share(directory: Path, seed: int, enough: Callable[[Found], bool], bug: str | None = None) -> Found:
    """Let a crew share a cache until that is enough. What they found."""
    chance = random.Random(seed)
    crew = Crew(directory, seed, bug)
    try:
        next_kill = end = time.monotonic()
        end += PATIENCE_S
        while not enough(crew.found):
            assert time.monotonic() < end, f"too slow: {crew.found}"
            crew.listen()
            crew.measure()
            if time.monotonic() >= next_kill and crew.found.read:
                crew.kill(chance.randrange(MEMBERS))
                next_kill = time.monotonic() + chance.uniform(0, 2 * KILL_EVERY_S)
        crew.end()
    finally:
        crew.leave()
    return crew.found


def is_right(found: Found) -> bool:
    """What must be true of every crew."""
    return found.wrong == 0 and found.damaged == 0 and not found.failures


@pytest.mark.timeout(PATIENCE_S * 2)
def test_members_that_are_killed_leave_no_wrong_byte(tmp_path: Path, seed: int) -> None:
    found = share(tmp_path, seed, lambda now: now.read >= READS and now.kills >= 30)
    print(found)
    assert is_right(found), found
    assert 0.2 * found.read < found.found < 0.9 * found.read, "much was found, and much was written over"
    assert LIMIT_BYTES // 2 < found.most_bytes <= LIMIT_BYTES + SLACK_BYTES


@pytest.mark.timeout(PATIENCE_S * 2)
@pytest.mark.parametrize("bug", ["trusting", "torn", "hasty"])
def test_a_planted_bug_is_found_by_the_same_check(tmp_path: Path, seed: int, bug: str) -> None:
    found = share(tmp_path, seed, lambda now: not is_right(now), bug)
    print(found)
    assert not is_right(found)
    assert not found.failures, found
