"""Clients in one process that never look, whose locks are broken in their hands, and who die in the queue:
what comes of it keeps the laws of locks, and with a bug planted anywhere some law is broken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import CairnError, NoSuchLock, Unreachable
from cairnfs.net.transport import Request, Response, Transport
from cairnfs.testing import planted_lock_queues as queues
from cairnfs.testing import planted_locks as guards
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.testing.lock_history import Change, LockBook, read_books
from cairnfs.testing.lock_laws import broken
from cairnfs.testing.lock_story import Story, Version
from cairnfs.testing.planted_lock_client import never_looking
from cairnfs.wire import endpoints
from tests.faults.lock_deeds import (
    ACCOUNTS,
    COUNTERS,
    Turn,
    Witness,
    Worker,
    found,
    names_of,
    read_value,
)
from tests.faults.lock_rarities import Versatile

CLIENTS, TASKS = 4, 3
TURNS = 15
BREAK_EVERY_S, LOOK_EVERY_S = 0.05, 0.2
#: So long they have for their turns; and where one waits for a bug to show.
PATIENCE_S, SHORT_S = 60.0, 4.0
#: So many histories are tried until a planted bug shows.
HISTORIES_MAX = 25


class Cuttable:
    """A client's network, until it is cut off."""

    def __init__(self, inner: Transport) -> None:
        self.cut = False
        self._inner = inner

    async def request(self, request: Request) -> Response:
        if self.cut:
            raise Unreachable("it is dead")
        return await self._inner.request(request)

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Crowd:
    """Clients at work, each with some tasks."""

    books: Path
    seed: int
    kind: type[Worker]
    witness: Witness = field(default_factory=Witness)
    wires: list[Cuttable] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    dead: str | None = None

    def wire(self, transport: Transport, party: str) -> Transport:
        """Between a client and the cluster."""
        if party != "client":
            return transport
        self.wires.append(Cuttable(transport))
        return self.wires[-1]

    async def work(self, here: Cluster, patience_s: float) -> None:
        """Let them take their turns, break what some of them hold, and let one of them die."""
        self.book = LockBook(self.books / "driver", "driver")
        admin = await here.admin()
        dying, *living = [await self._client(here, f"w{number}") for number in range(CLIENTS)]
        besides = [
            asyncio.create_task(self._break_some(admin)),
            asyncio.create_task(self._look_on(admin)),
            asyncio.create_task(self._die(dying, self.wires[-CLIENTS], await here.user("ann"))),
        ]
        working = [asyncio.create_task(self._turns(one)) for client in living for one in client]
        done, late = await asyncio.wait(working, timeout=patience_s)
        self.failures += ["somebody waits for ever"] if late else []
        for task in (*late, *besides):
            task.cancel()
        await asyncio.gather(*late, *besides, return_exceptions=True)
        for task in done:
            task.result()

    async def _turns(self, worker: Worker) -> None:
        """All turns of one; what may not happen to them is noted."""
        worker.slow = 0.03
        while worker.turns < TURNS:
            try:
                await worker.do_something()
            except (CairnError, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")

    async def _client(self, here: Cluster, name: str) -> list[Worker]:
        files = await here.user("ann")
        book = LockBook(self.books / name, name)
        return [
            self.kind(
                files, book, f"{name}-{task}", random.Random(f"{name}-{task}/{self.seed}"), self.witness
            )
            for task in range(TASKS)
        ]

    async def _break_some(self, files: Filesystem) -> None:
        """Now and then a lock is broken in somebody's hands."""
        dice = random.Random(self.seed)
        while True:
            await asyncio.sleep(dice.expovariate(1 / BREAK_EVERY_S))
            items = [item async for item in files.locks() if item.session != self.dead]
            held = [item.lock for item in items if item.state == "held"]
            if held:
                lock = dice.choice(held)
                self.book.breaking(lock)
                with suppress(NoSuchLock):
                    await files.break_lock(lock, "by chance")

    async def _look_on(self, files: Filesystem) -> None:
        """Note who is seen to hold locks."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            async for item in files.locks():
                if item.state == "held":
                    self.book.seen(item.lock, item.session)

    async def _die(self, workers: list[Worker], wire: Cuttable, heir: Filesystem) -> None:
        """All tasks of one client end, one of them while it waits; then its session ends."""
        tasks = [asyncio.create_task(self._turns(one)) for one in workers]
        session = (await workers[0].files.connection.sessions.begin()).id
        while True:
            await asyncio.sleep(0.01)
            items = [item async for item in heir.locks()]
            if any(item.session == session and item.state == "waiting" for item in items):
                break
        wire.cut, self.dead = True, session
        self.book.befell(workers[0].book.process, "killed")
        for task in tasks:
            task.cancel()
        await heir.connection.control.ask(endpoints.END_SESSION, params={"session": session})
        await asyncio.gather(*tasks, return_exceptions=True)


async def versions_of(files: Filesystem) -> list[Version]:
    """Everything that counters and accounts ever were, by the cluster's own history."""
    versions = []
    for thing in (*COUNTERS, *ACCOUNTS):
        path = names_of(thing)[0]
        async for item in files.history(path):
            if item.what in ("created", "written"):
                content = await files.read_file(path, at=item.commit)
                versions.append(Version(thing, item.commit, content.split()[1].decode(), read_value(content)))
    return versions


async def history(
    tmp_path: Path, seed: int, kind: type[Worker] = Versatile, *, patience_s: float = PATIENCE_S
) -> tuple[Story, list[str], list[str]]:
    """What came of it, which laws that breaks, and what else went wrong."""
    books = tmp_path / "books"
    await asyncio.to_thread(books.mkdir)
    crowd = Crowd(books, seed, kind)
    async with cluster(fileservers=1, wrap=crowd.wire) as here:
        await found(await here.admin())
        with crowd.witness.watching(), never_looking():
            await crowd.work(here, patience_s)
        versions = await versions_of(await here.admin())
    events = await asyncio.to_thread(lambda: read_books(books.iterdir()))
    story = Story(events)
    story.settle(versions)
    return story, broken(events, versions, lease_s=0.0), crowd.failures


async def test_all_laws_are_kept(tmp_path: Path, seed: int) -> None:
    story, findings, failures = await history(tmp_path, seed)
    assert not findings, "\n".join(findings)
    assert not failures, failures
    attempts = story.attempts.values()
    counts = {
        "granted": len(story.grants()),
        "acknowledged": sum(one.acknowledged is not None for one in attempts),
        "refused": sum(one.refused for one in attempts),
        "lost": sum(one.lost for one in story.holdings.values()),
        "seen": len(story.seen),
    }
    print(counts)
    assert all(counts.values()), counts


class Hasty(Worker):
    """Reads what it is about to change while it waits for the lock, and does not look again."""

    async def increment(self) -> None:
        """One more than there was before it had the lock."""
        thing = self.dice.choice(COUNTERS)
        path = names_of(thing)[0]
        value = read_value(await self.files.read_file(path))

        async def deed(turn: Turn) -> None:
            attempt = turn.sent({thing: Change(value, value + 1)})
            with turn.trying(attempt):
                made = await self.files.write_file(path, b"%d %s\n" % (value + 1, attempt.encode()))
            self.book.committed(attempt, made.commit)

        await self.turn([path], [thing], "exclusive", deed)


Bug = Callable[[], AbstractContextManager[None]]


@pytest.mark.loud
@pytest.mark.parametrize(
    ("bug", "law"),
    [
        (guards.fence_not_checked, "a stale holder wrote"),
        (guards.inode_key_not_taken, "two at once"),
        (queues.readers_overtake, "overtaken"),
        (queues.last_come_first_served, "overtaken"),
        (queues.the_dead_wait_on, "held by the dead"),
        (queues.waiters_forgotten, "forgotten"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_planted_bug_breaks_a_law(tmp_path: Path, seed: int, bug: Bug, law: str) -> None:
    with bug():
        await finds(tmp_path, seed, law)


async def test_a_lost_update_after_waiting_for_a_lock_breaks_a_law(tmp_path: Path, seed: int) -> None:
    await finds(tmp_path, seed, "a lost update", kind=Hasty)


async def finds(tmp_path: Path, seed: int, law: str, *, kind: type[Worker] = Versatile) -> None:
    """This law is broken in one of these histories: of each bug by about one of three."""
    for number in range(HISTORIES_MAX):
        place = tmp_path / str(number)
        await asyncio.to_thread(place.mkdir)
        _, findings, _ = await history(place, seed + number, kind, patience_s=SHORT_S)
        if any(law in finding for finding in findings):
            print(f"history {number}: {findings[0]}")
            return
    raise AssertionError("no history broke the law")
