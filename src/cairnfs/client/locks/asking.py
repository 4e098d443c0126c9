"""Asking for a lock, and waiting for it as long as the caller likes; a grant that nobody wants is given back.

Where it is not known what became of a request (its answer was lost, the caller was cancelled in the middle),
it is withdrawn in the background, for as long as the session lives. A waiter whose session ended asks anew,
at the end of the queue. What belongs here: that. What does not: what is done with a lock (`held.py`). Used
from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cairnfs.client.control import Control
from cairnfs.client.locks.asked import Asked
from cairnfs.client.locks.grants import Grants, stand
from cairnfs.client.locks.held import Holding, Keeper
from cairnfs.client.locks.release import HURRY_S, Releases
from cairnfs.client.retry import persist
from cairnfs.client.session import Hold, Sessions
from cairnfs.errors import CairnError, Deadlock, Internal, Locked, OutcomeUnknown, SessionEnded, Unavailable
from cairnfs.net.deadlines import within
from cairnfs.wire import names
from cairnfs.wire.endpoints.locks import ACQUIRE_LOCK
from cairnfs.wire.locks import LockEvent, LockHolder, LockProof, LockReply

#: So often a waiter asks anew because its session ended.
_SESSIONS_MAX = 100


@dataclass(frozen=True, slots=True)
class Means:
    """What one connection asks by. `grants`: where those of a session are waited for."""

    control: Control
    sessions: Sessions
    releases: Releases
    grants: Callable[[str], Grants]


async def acquire(means: Means, asked: Asked, owner: str, keeper: Keeper) -> Holding:
    """Ask, and wait for the grant. Raises Locked, Deadlock, Forbidden, NotFound, QueueFull, TooManyLocks."""
    until = None if asked.wait_s is None else means.control.clock.monotonic() + asked.wait_s
    for again in range(_SESSIONS_MAX):
        hold = await means.sessions.hold_lock()
        try:
            return await _Request(means, asked, owner, keeper, hold).granted(until)
        except SessionEnded as error:
            hold.end(error.detail)
            # In the body of another lock, that one is lost too.
            means.control.locks.check()
            if again and until is not None and means.control.clock.monotonic() > until:
                raise
    raise SessionEnded("the sessions that waited for the lock ended one after the other", hint="try again")


class _Request:
    """One request from its first sending to its grant, or to its withdrawal."""

    def __init__(self, means: Means, asked: Asked, owner: str, keeper: Keeper, hold: Hold) -> None:
        self._means = means
        self._asked = asked
        self._keeper = keeper
        self._hold = hold
        self._request = asked.request(hold.session, owner)
        #: Whether the cluster may have it.
        self._sent = False
        self._number: int | None = None

    async def granted(self, until: float | None) -> Holding:
        """The lock. Raises why there is none; then nothing is held, or will not be for long."""
        try:
            grant = await self._grant(until)
            await self._hold.ready()
        except BaseException:
            self._give_up()
            raise
        proof = LockProof(
            lock=grant.lock, fence=grant.fence, incarnation=grant.incarnation, token=self._request.token
        )
        return Holding(
            self._means.control.locks.circle,
            self._hold,
            proof,
            owner=self._request.owner,
            keeper=self._keeper,
            name=self._asked.name,
        )

    async def _grant(self, until: float | None) -> LockEvent:
        grants = self._means.grants(self._hold.session)
        self._hold.when_ended(grants.end)
        with grants.asking():
            reply = await self._ask()
            self._number = reply.lock
            if reply.state == "held":
                grants.know(reply.fence)
                return _grant_of(reply)
            self._require_other(reply)
            coming = grants.wait(reply.lock, self._request.token)
        if self._asked.tell is not None:
            self._asked.tell(reply)
        return await self._wait(grants, coming, reply.holder, until)

    def _require_other(self, reply: LockReply) -> None:
        """Raises Deadlock where it would wait for a lock under which somebody else has begun this.

        The cluster does not know that they wait for it in turn: a parent for its child process.
        """
        given = {proof.lock for proof in self._means.control.locks.given()}
        if reply.holder is not None and reply.holder.lock in given:
            raise Deadlock(
                f"in the way of {self._asked.name} is lock {reply.holder.lock},"
                " under which this is done already",
                hint="commit under the lock that was given, or ask without it (CAIRN_LOCK, Cairn-Lock)",
            )

    async def _ask(self) -> LockReply:
        control = self._means.control

        async def attempt(timeout_s: float) -> LockReply:
            before, self._sent = self._sent, True
            try:
                return await control.once(ACQUIRE_LOCK, self._request, timeout_s=timeout_s)
            except CairnError as error:
                # Anything else is the cluster's word that it does not have the request.
                self._sent = before or isinstance(error, OutcomeUnknown | Internal)
                raise

        return await persist(self._means.control.clock, control.patience, attempt, stranger=not control.met)

    async def _wait(
        self,
        grants: Grants,
        coming: asyncio.Future[LockEvent],
        holder: LockHolder | None,
        until: float | None,
    ) -> LockEvent:
        try:
            if until is None:
                return await asyncio.shield(coming)
            try:
                async with within(self._means.control.clock, until - self._means.control.clock.monotonic()):
                    return await asyncio.shield(coming)
            except TimeoutError:
                reply = await self._stand()
            if coming.done():
                return coming.result()
            if reply is not None and reply.state == "held":
                grants.know(reply.fence)
                return _grant_of(reply)
        finally:
            if not coming.cancel() and not coming.cancelled():
                # An error that came at the same time is not news any more.
                coming.exception()
        await self._withdraw()
        raise self._locked(reply.holder if reply is not None else holder)

    async def _stand(self) -> LockReply | None:
        """How it stands at last."""
        assert self._number is not None
        try:
            async with within(self._means.control.clock, HURRY_S):
                return await stand(self._means.control, self._number, self._request.token)
        except (Unavailable, TimeoutError):
            return None

    async def _withdraw(self) -> None:
        assert self._number is not None
        number, self._number, self._sent = self._number, None, False
        await self._means.releases.release(self._hold, number, self._request.token, wait_s=HURRY_S)

    def _give_up(self) -> None:
        if self._number is not None:
            self._means.releases.release_later(self._hold, self._number, self._request.token)
        elif self._sent:
            self._means.releases.withdraw_later(self._hold, self._request)
        else:
            self._hold.release()

    def _locked(self, holder: LockHolder | None) -> Locked:
        whose = "others hold it"
        if holder is not None:
            label = f" ({holder.label})" if holder.label else ""
            whose = f"{holder.user}{label} holds it, {holder.mode}"
        waited = f"waited {self._asked.wait_s:g} s in vain" if self._asked.wait_s else "it is not free"
        first = self._asked.paths[0]
        return Locked(
            f"{waited}: {whose}",
            path=names.printable(first),
            where=first,
            subtree=self._asked.subtree,
        )


def _grant_of(reply: LockReply) -> LockEvent:
    return LockEvent(lock=reply.lock, fence=reply.fence, incarnation=reply.incarnation)
