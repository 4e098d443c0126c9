"""A lock as its caller has it: `async with files.lock(path) as lock:`.

What belongs here: the body, and what it is given. What does not: the same for callers who wait
(`client/sync_locks.py`). Used from one event loop; `Lock`'s properties and `check` in any thread.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

import msgspec

from cairnfs.client.locks import held
from cairnfs.client.locks.asked import Asked
from cairnfs.client.locks.desk import Desk
from cairnfs.client.locks.guard import Guard
from cairnfs.client.locks.held import Holding, Keeper
from cairnfs.errors import BadRequest, LockLost, NoSuchLock
from cairnfs.wire.endpoints.locks import UPGRADE_LOCK
from cairnfs.wire.locks import TokenRequest, proofs_to_text


class Lock:
    """A lock that is held, for as long as its body goes on."""

    def __init__(self, desk: Desk, holding: Holding) -> None:
        """One is made by `Body`."""
        self._desk = desk
        self._holding = holding

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return f"<Lock {self.id} on {self._holding.name}, fence {self.fence}>"

    @property
    def id(self) -> int:
        """Its number, as `cairn locks` shows it."""
        return self._holding.proof.lock

    @property
    def fence(self) -> int:
        """The number of its grant: every later grant, of any lock, has a higher one."""
        return self._holding.proof.fence

    @property
    def proof(self) -> str:
        """What a holder shows, as `CAIRN_LOCK` and the header `Cairn-Lock` carry it. A secret."""
        return proofs_to_text([self._holding.proof])

    @property
    def lost(self) -> bool:
        """Whether it is held no more, as far as this process can tell."""
        return self._holding.lost

    def check(self) -> None:
        """Raises LockLost where it is lost."""
        self._holding.check()

    async def upgrade(self) -> None:
        """Make a shared lock exclusive, which takes a new fence.

        Raises NotSoleHolder where others share it or wait for it with a lock of their own: nothing is changed
        then. Raises LockLost. Where it is cancelled it may come about all the same, and what is committed
        next waits to know.
        """
        holding = self._holding
        try:
            with holding.changing():
                await self._desk.to_its_end(self._upgrade())
        except NoSuchLock as error:
            holding.lose(f"the lock on {holding.name} is lost: {error.detail}")
            raise LockLost(f"the lock on {holding.name} is lost: {error.detail}") from error

    async def _upgrade(self) -> None:
        holding = self._holding
        async with holding.upgrading:
            with holding.changing() as free:
                await free.wait()
                holding.check()
                request = TokenRequest(token=holding.proof.token)
                reply = await self._desk.control.ask(
                    UPGRADE_LOCK, request, params={"lock": str(holding.proof.lock)}
                )
                holding.proof = msgspec.structs.replace(holding.proof, fence=reply.fence)


class Body:
    """The body of a lock, to be entered once. The lock is taken at its beginning and released at its end."""

    def __init__(self, desk: Desk, asked: Asked) -> None:
        self.desk = desk
        self._asked = asked
        self._entered = False
        self._holding: Holding | None = None
        self._guard: Guard | None = None

    async def take(self, keeper: Keeper) -> Holding:
        """Get the lock. Raises BadRequest the second time."""
        if self._entered:
            raise BadRequest("a lock's body is entered once", hint="ask for another lock")
        self._entered = True
        return await self.desk.take(self._asked, keeper)

    async def __aenter__(self) -> Lock:
        task = asyncio.current_task()
        assert task is not None
        holding = await self.take(task)
        try:
            guard = Guard([holding])
            await guard.__aenter__()
        except BaseException:
            self.desk.give_back_later(holding)
            raise
        self._holding, self._guard = holding, guard
        held.enter(holding)
        return Lock(self.desk, holding)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        holding, guard = self._holding, self._guard
        assert holding is not None
        assert guard is not None
        held.leave(holding)
        try:
            await guard.__aexit__(kind, error, trace)
        except LockLost:
            self.desk.give_back_later(holding)
            raise
        hurry = kind is not None and not issubclass(kind, Exception)
        was_held = await self.desk.give_back(holding, hurry=hurry)
        if kind is None and not was_held:
            raise gone(holding)


def gone(holding: Holding) -> LockLost:
    """It was held no more when it was to be released: what was done in its body was not alone at the end."""
    return LockLost(f"the lock on {holding.name} was lost before its body ended")
