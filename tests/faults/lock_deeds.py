"""What is done under locks, by those who keep a book of it: counters that grow, money that moves.

A counter's file says `VALUE ATTEMPT`, so that the cluster's own history tells who wrote what, whatever became
of the answer. Each counter has two names. What belongs here: the things, and how tasks change them. What does
not: whose turn it is, and who is killed.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks.body import Lock
from cairnfs.client.sources import chunks_of
from cairnfs.client.writing import Target
from cairnfs.errors import CairnError, LockLost, NoSuchLock, SessionEnded, Unavailable
from cairnfs.ids import Path
from cairnfs.testing.lock_history import Change, LockBook, Mode, Side
from cairnfs.wire import endpoints, problems
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.locks import LockProof, WaitRequest, proofs_from_text

ROOT = "/locks"
COUNTERS = [f"counter-{number}" for number in range(4)]
ACCOUNTS = [f"account-{number}" for number in range(4)]
BANK = f"{ROOT}/bank"
#: In each account, at first.
CAPITAL = 1000
#: What may befall whoever holds a lock while processes are killed and frozen.
PASSING = (Unavailable, LockLost, SessionEnded)


def names_of(thing: str) -> tuple[str, ...]:
    """The paths of a thing: a counter is a file with two names."""
    if thing in ACCOUNTS:
        return (f"{BANK}/{thing}",)
    return (f"{ROOT}/counters/{thing}", f"{ROOT}/links/{thing}")


def read_value(content: bytes) -> int:
    """What a thing's file says."""
    return int(content.split()[0])


async def found(files: Filesystem) -> None:
    """Make all things, once, for everybody."""
    for directory in ("counters", "links", "bank"):
        await files.mkdir(f"{ROOT}/{directory}", parents=True, mode=0o777)
    for thing in COUNTERS:
        first, second = names_of(thing)
        await files.write_file(first, b"0 -\n", mode=0o666)
        await files.link(first, second)
    for thing in ACCOUNTS:
        await files.write_file(names_of(thing)[0], b"%d -\n" % CAPITAL, mode=0o666)


async def write_together(files: Filesystem, contents: Mapping[str, bytes]) -> int:
    """Several files in one commit, whose number is returned."""
    connection = files.connection
    async with connection.upload("majority") as upload:
        operations = []
        for path, content in contents.items():
            chunks = [one async for one in chunks_of(content)]
            for chunk, piece in chunks:
                await upload.add(chunk, piece)
            operations.append(Target(Path(path.encode())).operation([ChunkRef(*one) for one, _ in chunks]))
        receipts = await upload.finish()
        await upload.hold.ready()
        made = await commit(connection.control, operations, session=upload.hold.session, receipts=receipts)
    return made.commit


class Witness:
    """Knows which errors came from a server: those that were made of its answers, themselves."""

    def __init__(self) -> None:
        self._made: deque[CairnError] = deque(maxlen=1000)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While in this body."""
        honest = problems.to_error

        def seen(problem: problems.Problem) -> CairnError:
            self._made.append(honest(problem))
            return self._made[-1]

        with patch.object(problems, "to_error", seen):
            yield

    def side(self, error: BaseException) -> Side:
        """Who raised it."""
        return "server" if any(one is error for one in list(self._made)) else "client"


@dataclass
class Turn:
    """One request of somebody who keeps a book: all that is noted of it."""

    book: LockBook
    name: str
    witness: Witness
    owner: str = ""
    nested: bool = False
    held: Lock | None = None
    proof: LockProof | None = None
    tried: int = 0
    wrote: int = 0

    def granted(self, proof: str, *, mode: Mode | None = None) -> None:
        """It is held from now on, or (`mode`) held as another."""
        (self.proof,) = proofs_from_text(proof)
        self.book.granted(self.name, lock=self.proof.lock, fence=self.proof.fence, mode=mode)

    def sent(self, changes: Mapping[str, Change]) -> str:
        """A commit is about to be sent; what it is called."""
        attempt = f"{self.name}.{self.tried}"
        self.tried += 1
        self.book.sent(self.name, attempt, changes)
        return attempt

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Around the lock and its body: how it ended, where it did so before its time."""
        try:
            yield
        except (CairnError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not self.nested:
                raise  # the end of the test; within another lock, the end of that one
            if self.proof is not None:
                self.book.lost(self.name, error, self.witness.side(error))
            else:
                self.book.gave_up(self.name, error)
            if not isinstance(error, PASSING):
                raise

    @contextmanager
    def trying(self, attempt: str) -> Iterator[None]:
        """Around a commit: whether it was refused. What comes from a server that can, surely is."""
        try:
            yield
        except CairnError as error:
            if self.witness.side(error) == "server" and not isinstance(error, Unavailable):
                self.book.refused(attempt, error, "server")
            raise


class Worker:
    """Takes its turns at things, many tasks at once, until it is told to stop."""

    def __init__(
        self, files: Filesystem, book: LockBook, name: str, dice: random.Random, witness: Witness
    ) -> None:
        self.files = files
        self.book = book
        self.name = name
        self.dice = dice
        self.witness = witness
        self.turns = 0
        #: How often it takes its time.
        self.slow = 0.0

    async def work(self, stop: asyncio.Event) -> None:
        """One turn after the other."""
        while not stop.is_set():
            await self.do_something()

    async def do_something(self) -> None:
        """One turn at whatever comes to mind."""
        (deed,) = self.dice.choices((self.increment, self.transfer, self.audit), (6, 2, 1))
        await deed()

    async def increment(self) -> None:
        """One more in a counter, locked by one of its names and written by one of them."""
        thing = self.dice.choice(COUNTERS)
        locked, written = (self.dice.choice(names_of(thing)) for _ in range(2))

        async def deed(turn: Turn) -> None:
            await self.raise_by_one(turn, thing, written)

        await self.turn([locked], [thing], "exclusive", deed)

    async def raise_by_one(
        self, turn: Turn, thing: str, path: str, *, value: int | None = None, expected: str | None = None
    ) -> None:
        """Read it, unless its `value` is known already, and write one more."""
        if value is None:
            value = read_value(await self.files.read_file(path))
        await self.dawdle()
        attempt = turn.sent({thing: Change(value, value + 1)})
        content = b"%d %s\n" % (value + 1, attempt.encode())
        with turn.trying(attempt):
            made = await self.files.write_file(path, content, expected=expected)
        self.book.committed(attempt, made.commit)

    async def transfer(self) -> None:
        """From one account to another, in one commit; under a lock on both, or on all that is there."""
        giver, taker = self.dice.sample(ACCOUNTS, 2)
        amount = self.dice.randrange(1, 10)
        whole = self.dice.random() < 0.3

        async def deed(turn: Turn) -> None:
            values = [read_value(await self.files.read_file(names_of(one)[0])) for one in (giver, taker)]
            await self.dawdle()
            changes = {
                giver: Change(values[0], values[0] - amount),
                taker: Change(values[1], values[1] + amount),
            }
            attempt = turn.sent(changes)
            contents = {
                names_of(one)[0]: b"%d %s\n" % (change.wrote, attempt.encode())
                for one, change in changes.items()
            }
            with turn.trying(attempt):
                made = await write_together(self.files, contents)
            self.book.committed(attempt, made)

        paths = [BANK] if whole else [names_of(one)[0] for one in (giver, taker)]
        things = ACCOUNTS if whole else [giver, taker]
        await self.turn(paths, things, "exclusive", deed, subtree=whole)

    async def audit(self) -> None:
        """All accounts, read one by one under shared locks: the sum is what it always was."""
        whole = self.dice.random() < 0.5

        async def deed(turn: Turn) -> None:
            total = 0
            for thing in ACCOUNTS:
                total += read_value(await self.files.read_file(names_of(thing)[0]))
                await self.dawdle()
            # Who was frozen meanwhile may have read at two times. If it is held now, it was all the time.
            if await self.is_held(turn):
                assert total == CAPITAL * len(ACCOUNTS), f"{turn.name} counted {total}"

        paths = [BANK] if whole else [names_of(one)[0] for one in ACCOUNTS]
        await self.turn(paths, ACCOUNTS, "shared", deed, subtree=whole)

    async def turn(
        self,
        paths: Sequence[str],
        things: Sequence[str],
        mode: Mode,
        deed: Callable[[Turn], Awaitable[None]],
        *,
        subtree: bool = False,
        within: Turn | None = None,
    ) -> None:
        """Take a lock, perhaps in the body of another one, do it, and give the lock back: all of it noted."""
        turn = await self.next_turn(within)
        if turn is None:
            return
        self.book.asked(turn.name, owner=turn.owner, things=things, mode=mode)
        with turn.noting():
            async with self.files.lock_many(paths, shared=mode == "shared", subtree=subtree) as held:
                turn.held = held
                turn.granted(held.proof)
                await deed(turn)
                self.book.releasing(turn.name)

    async def next_turn(self, within: Turn | None = None) -> Turn | None:
        """A name for it, and whose it is; None where there is no session to be had now."""
        self.turns += 1
        name = f"{self.name}.{self.turns}"
        if within is not None:
            return Turn(self.book, name, self.witness, within.owner, nested=True)
        try:
            session = (await self.files.connection.sessions.begin()).id
        except PASSING:
            return None
        return Turn(self.book, name, self.witness, f"{session}/{name}")

    async def is_held(self, turn: Turn) -> bool:
        """What the cluster says of a lock that was granted."""
        assert turn.proof is not None
        request = WaitRequest(token=turn.proof.token)
        try:
            stands = await self.files.ask(endpoints.WAIT_LOCK, request, params={"lock": str(turn.proof.lock)})
        except NoSuchLock:
            return False
        return stands.fence == turn.proof.fence

    async def dawdle(self) -> None:
        """Be in the middle of it for a while, now and then for long."""
        await asyncio.sleep(0.2 if self.dice.random() < self.slow else self.dice.random() * 0.004)
