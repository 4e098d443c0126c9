"""What is done less often under locks: making a shared one exclusive, one in the body of another, two commits
that rely on each other, and writing without a lock, by waiting for whoever has one.

What belongs here: these deeds. What does not: the usual ones (`lock_deeds.py`).
"""

from __future__ import annotations

from contextlib import suppress

from cairnfs.errors import Deadlock, Locked, NotSoleHolder, VersionChanged
from tests.faults.lock_deeds import COUNTERS, PASSING, Turn, Worker, names_of, read_value

#: How long a commit without a lock waits for its turn.
TURN_S = 10.0
#: So much of what is done is done less often.
RARE = 1 / 3


class Versatile(Worker):
    """Does these, too."""

    async def do_something(self) -> None:
        """One turn at whatever comes to mind."""
        usual = super().do_something
        (deed,) = self.dice.choices(
            (usual, self.upgrade, self.nest, self.twice, self.unlocked), (8, 1, 1, 1, 1)
        )
        await deed()

    async def upgrade(self) -> None:
        """Read it with others, and write if nobody else reads."""
        thing = self.dice.choice(COUNTERS)
        locked, written = (self.dice.choice(names_of(thing)) for _ in range(2))

        async def deed(turn: Turn) -> None:
            value = read_value(await self.files.read_file(written))
            assert turn.held is not None
            try:
                await turn.held.upgrade()
            except (NotSoleHolder, Deadlock):
                return
            turn.granted(turn.held.proof, mode="exclusive")
            await self.raise_by_one(turn, thing, written, value=value)

        await self.turn([locked], [thing], "shared", deed)

    async def nest(self) -> None:
        """A counter, and another one in its body, unless that is a circle: both are written under both."""
        one, other = self.dice.sample(COUNTERS, 2)

        async def inner(turn: Turn) -> None:
            await self.raise_by_one(turn, other, names_of(other)[1])

        async def outer(turn: Turn) -> None:
            with suppress(Deadlock):
                await self.turn([names_of(other)[0]], [other], "exclusive", inner, within=turn)
            await self.raise_by_one(turn, one, names_of(one)[0])

        await self.turn([names_of(one)[1]], [one], "exclusive", outer)

    async def twice(self) -> None:
        """Two commits: what the first left, the second relies on."""
        thing = self.dice.choice(COUNTERS)
        path = self.dice.choice(names_of(thing))

        async def deed(turn: Turn) -> None:
            value = read_value(await self.files.read_file(path))
            await self.raise_by_one(turn, thing, path, value=value)
            await self.raise_by_one(turn, thing, path, value=value + 1)

        await self.turn([path], [thing], "exclusive", deed)

    async def unlocked(self) -> None:
        """Without a lock: what is there is expected to be there still when it is one's turn."""
        thing = self.dice.choice(COUNTERS)
        path = self.dice.choice(names_of(thing))
        turn = await self.next_turn()
        if turn is None:
            return
        self.book.asked(turn.name, owner=turn.owner, things=[])
        with suppress(VersionChanged, Locked, *PASSING), self.files.waiting(TURN_S):
            version = await self.files.version(path)
            value = read_value(await version.read())
            await self.raise_by_one(turn, thing, path, value=value, expected=version.etag)
