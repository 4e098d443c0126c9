"""A holder that is frozen past its lease, while another takes the lock and writes: awake, it cannot write any
more. Its own clock tells it, and where it does not look, the server.

CAIRN_FREEZES asks for more rounds than the usual ones (each kind of holder has so many).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import cairnfs
from cairnfs.client.filesystem import Filesystem
from cairnfs.core.leases import LeaseTimes
from cairnfs.testing.lock_history import Change, LockBook, read_books
from cairnfs.testing.lock_laws import broken
from cairnfs.testing.lock_story import Version
from tests.faults.lock_deeds import Turn, Witness, read_value
from tests.scenarios.people import Person, kill_what_is_left

ROUNDS = int(os.environ.get("CAIRN_FREEZES") or 30)
AT_ONCE = 10
LEASE = LeaseTimes(400, 800, 1_200)
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    place = tmp_path_factory.mktemp("cluster")
    somebody = Person(place / "home", place / "data")
    try:
        somebody.does("up", "--detach", "--port", "0", "--fileservers", "1", "--lease", str(LEASE))
        yield somebody
        assert somebody.does("verify", "--deep").text.startswith("verify: ok")
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


class Frozen:
    """A holder in a process of its own, and the file that it is about."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, files: Filesystem, book: LockBook
    ) -> None:
        self.name = name
        self.process = process
        self.files = files
        self.book = book
        self.path = f"/{name}"
        self.witness = Witness()
        self.outcomes: Counter[str] = Counter()
        self.rounds = 0

    async def round(self, moment: str) -> None:
        """One freeze, from the grant of the lock to the refusal of the commit."""
        self.rounds += 1
        self._order(f"hold {self.path} {self.name}")
        assert await self._answer() == "held"
        self._order(f"brace {moment}")
        assert await self._answer() == "braced"
        self.book.befell(self.name, "frozen")
        if moment == "still":
            self.process.send_signal(signal.SIGSTOP)
        await self._until_frozen()
        frozen_s = time.monotonic()
        wrote = await self._take_and_write()
        assert time.monotonic() - frozen_s > (LEASE.lease_ms - LEASE.renew_ms) / 1000, "given away too early"
        assert self._is_frozen(), "it was awake meanwhile"
        if moment == "still":
            self._order("go")
        self.process.send_signal(signal.SIGCONT)
        self.book.befell(self.name, "woken")
        outcome = await self._answer()
        assert outcome.startswith("refused by "), outcome
        self.outcomes[f"{moment}: {outcome}"] += 1
        assert await self.files.read_file(self.path) == wrote, "the stale holder wrote"

    async def _take_and_write(self) -> bytes:
        """Another takes the lock, when the lease has ended, and increments the file."""
        turn = Turn(self.book, f"other-{self.name}.{self.rounds}", self.witness)
        self.book.asked(turn.name, owner=f"other/{turn.name}", things=[self.name])
        async with self.files.lock(self.path, wait=PATIENCE_S) as held:
            turn.granted(held.proof)
            value = read_value(await self.files.read_file(self.path))
            attempt = turn.sent({self.name: Change(value, value + 1)})
            content = b"%d %s\n" % (value + 1, attempt.encode())
            made = await self.files.write_file(self.path, content)
            self.book.committed(attempt, made.commit)
            self.book.releasing(turn.name)
        return content

    def _is_frozen(self) -> bool:
        status = Path(f"/proc/{self.process.pid}/stat").read_bytes()
        return status.rpartition(b")")[2].split()[0] == b"T"

    async def _until_frozen(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self._is_frozen():
            assert time.monotonic() < end, "it is not frozen"
            await asyncio.sleep(0.005)

    def _order(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def _answer(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)).decode().strip()


async def begin(person: Person, files: Filesystem, books: Path, number: int, check: str) -> Frozen:
    """A holder that is ready, and its file."""
    name = f"{check}-{number}"
    await files.write_file(f"/{name}", b"0 -\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.lock_holder", str(books / name), name, check,
        cwd=REPOSITORY, env=person.environ, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    frozen = Frozen(name, process, files, LockBook(books / f"other-{name}", f"other-{name}"))
    assert await frozen._answer() == "ready"
    return frozen


async def end(frozen: Frozen) -> None:
    """It goes as it came."""
    assert frozen.process.stdin is not None
    frozen.process.stdin.close()
    await asyncio.wait_for(frozen.process.wait(), PATIENCE_S)
    assert frozen.process.returncode == 0


async def versions_of(files: Filesystem, thing: str) -> list[Version]:
    """What a file ever was."""
    found = []
    async for item in files.history(f"/{thing}"):
        content = await files.read_file(f"/{thing}", at=item.commit)
        found.append(Version(thing, item.commit, content.split()[1].decode(), read_value(content)))
    return found


@pytest.mark.timeout(ROUNDS * 3 + 100)
@pytest.mark.parametrize("check", ["on", "off"])
async def test_it_cannot_write_when_it_awakes(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, check: str
) -> None:
    dice = random.Random(seed)
    monkeypatch.setenv("HOME", str(person.home))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "CAIRN_URL", "CAIRN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    async with await cairnfs.connect_async() as files:
        crew = [await begin(person, files, tmp_path, number, check) for number in range(AT_ONCE)]
        try:
            for _ in range(ROUNDS // AT_ONCE):
                moments = [dice.choice(("still", "sending")) for _ in crew]
                await asyncio.gather(*(one.round(moment) for one, moment in zip(crew, moments, strict=True)))
            await asyncio.gather(*(end(one) for one in crew))
        finally:
            for one in crew:
                if one.process.returncode is None:
                    one.process.kill()
                    await one.process.wait()
        versions = [version for one in crew for version in await versions_of(files, one.name)]
    outcomes = sum((one.outcomes for one in crew), Counter())
    print(check, dict(outcomes))
    assert outcomes.total() == ROUNDS // AT_ONCE * AT_ONCE
    events = await asyncio.to_thread(lambda: read_books(tmp_path.iterdir()))
    assert broken(events, versions, lease_s=LEASE.lease_ms / 1000) == []
    if check == "off":
        assert all("refused by server: " in outcome for outcome in outcomes), outcomes
    else:
        assert outcomes["still: refused by client: LockLost"] > 0, outcomes
