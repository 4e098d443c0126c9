"""A connection's part in locks: where they are asked for, looked after, and given back.

What belongs here: what all locks of one client share. Those that it holds are looked at now and then, a few
at a time, since nobody tells a holder whose lock was broken. What does not: any one lock. Used from one
event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from cairnfs.client.control import Control
from cairnfs.client.locks import held
from cairnfs.client.locks.asked import Asked
from cairnfs.client.locks.asking import Means, acquire
from cairnfs.client.locks.background import in_background
from cairnfs.client.locks.grants import Grants, stand
from cairnfs.client.locks.held import Holding, Keeper
from cairnfs.client.locks.release import HURRY_S, WAIT_S, Releases
from cairnfs.client.session import Sessions
from cairnfs.errors import CairnError, LockTokenWrong, NoSuchLock

#: How often it is looked whether locks are still held, and at how many of them each time.
LOOK_EVERY_S, LOOKS = 5.0, 8


class Desk:
    """One for a connection."""

    def __init__(self, control: Control, sessions: Sessions) -> None:
        self.control = control
        self.sessions = sessions
        self.clock = control.clock
        self.here = control.locks
        self.releases = Releases(control)
        self._means = Means(control, sessions, self.releases, self.grants)
        self._grants: Grants | None = None
        #: Locks that are held, the one first that was not looked at for the longest time.
        self._held: dict[Holding, None] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def grants(self, session: str) -> Grants:
        """Where grants of this session are waited for: sessions come one after the other."""
        if self._grants is None or self._grants.session != session:
            if self._grants is not None:
                self._grants.stop()
            self._grants = Grants(self.control, session)
        return self._grants

    async def take(self, asked: Asked, keeper: Keeper) -> Holding:
        """A lock for the body of this task or thread. Raises as `acquire`, and LockLost in a lost body."""
        self.here.check()
        owner = held.owner_here(self.here.circle, keeper) or held.new_owner()
        return self._keep(await acquire(self._means, asked, owner, keeper))

    def queue(self, owner: str) -> asyncio.Lock:
        """For commits of one owner that wait for their turn: the cluster does not keep them apart."""
        return self._queues.setdefault(owner, asyncio.Lock())

    async def take_turn(self, asked: Asked, owner: str) -> Holding:
        """A lock for a commit, which is `owner`'s. Raises as `acquire`."""
        return self._keep(await acquire(self._means, asked, owner, asyncio.current_task() or self))

    async def give_back(self, holding: Holding, *, hurry: bool = False) -> bool:
        """Release it. Whether it was held until now, as far as that was heard: in a `hurry`, soon."""
        self._end(holding)
        wait_s = HURRY_S if hurry else WAIT_S
        proof = holding.proof
        return await self.releases.release(holding.hold, proof.lock, proof.token, wait_s=wait_s)

    def give_back_later(self, holding: Holding) -> None:
        """Release it without waiting."""
        self._end(holding)
        self.releases.release_later(holding.hold, holding.proof.lock, holding.proof.token)

    def doubt(self, holdings: Sequence[Holding]) -> None:
        """The cluster says that one of these is held no more, or one of others that were shown: find out."""
        for holding in holdings:
            task = in_background(self._look_at(holding), "cairn look")
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)

    async def to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what goes on when its caller is cancelled: its outcome is of use even so."""
        task = in_background(work, "cairn lock")
        self._looks.add(task)
        task.add_done_callback(self._done)
        await asyncio.shield(task)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._looks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked is told of it, or is gone

    async def close(self) -> None:
        """Stop; the end of the session frees what is held."""
        if self._grants is not None:
            await self._grants.close()
        looks = [*self._looks, *([self._looking] if self._looking is not None else [])]
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
        await self.releases.close()

    def _keep(self, holding: Holding) -> Holding:
        self._held[holding] = None
        if self._looking is None or self._looking.done():
            self._looking = in_background(self._look_on(), "cairn locks")
        return holding

    def _end(self, holding: Holding) -> None:
        holding.released = True
        self._held.pop(holding, None)

    async def _look_on(self) -> None:
        await self.clock.sleep(LOOK_EVERY_S)
        while self._held:
            looked = list(islice(self._held, LOOKS))
            for one in looked:
                del self._held[one]
                if one.error is None:
                    self._held[one] = None
            await asyncio.gather(*(self._look_at(one) for one in looked))
            await self.clock.sleep(LOOK_EVERY_S)

    async def _look_at(self, holding: Holding) -> None:
        proof = holding.proof
        try:
            reply = await stand(self.control, proof.lock, proof.token)
        except (NoSuchLock, LockTokenWrong):
            if not holding.released:
                holding.lose(f"the lock on {holding.name} is lost: it was broken, or its lease ended")
        except CairnError:
            return
        else:
            if reply.fence > holding.proof.fence:
                # It was upgraded, and the answer was lost.
                holding.proof = msgspec.structs.replace(proof, fence=reply.fence)
