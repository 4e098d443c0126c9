"""One client's locks as they are held here: what its commits show.

What belongs here: the proofs of this task or thread, those that the process was given in `CAIRN_LOCK`, and
whether any of them is lost. What does not: getting locks (`desk.py`). Reading is safe in any thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from cairnfs.client.locks import held
from cairnfs.client.locks.asked import Asked
from cairnfs.client.locks.held import Circle, Holding
from cairnfs.errors import BadRequest, TooManyLocks
from cairnfs.wire.locks import PROOFS_MAX, LockProof, proofs_from_text

#: The variable that hands proofs on to child processes.
VARIABLE = "CAIRN_LOCK"


def inherited(written: str | None) -> tuple[LockProof, ...]:
    """The proofs that `CAIRN_LOCK` holds. Raises BadRequest, which does not repeat them."""
    try:
        return tuple(proofs_from_text(written or ""))
    except BadRequest as error:
        raise BadRequest(
            f"{VARIABLE}: {error.detail}", hint=f"unset {VARIABLE}, or take the lock anew"
        ) from None


class TakesTurns(Protocol):
    """Where commits get locks so as to wait for their turn: `desk.Desk`."""

    def queue(self, owner: str) -> asyncio.Lock:
        """For commits of one owner that wait."""
        ...

    async def take_turn(self, asked: Asked, owner: str) -> Holding:
        """A lock for a commit of this owner."""
        ...

    async def give_back(self, holding: Holding, *, hurry: bool = False) -> bool:
        """Release it."""
        ...

    def give_back_later(self, holding: Holding) -> None:
        """Release it without waiting."""
        ...

    def doubt(self, holdings: Sequence[Holding]) -> None:
        """Find out which of these are held no more."""
        ...


class LocksHere:
    """What one client shows; `desk` is where its commits wait for their turn, once it is connected."""

    def __init__(self) -> None:
        self.circle = Circle()
        self.desk: TakesTurns | None = None
        #: Proofs that every commit shows, wherever it is made.
        self.inherited: tuple[LockProof, ...] = ()

    def holdings(self) -> list[Holding]:
        """The locks of this process that are held here."""
        return held.own(held.here(self.circle))

    def given(self) -> list[LockProof]:
        """Proofs of locks that somebody else holds, and lets this be done under."""
        others = (one.proof for one in held.here(self.circle) if not held.own([one]))
        return [*self.inherited, *others]

    def check(self) -> None:
        """Raises LockLost where a lock that is held here is lost."""
        if held.anything_here():
            for one in self.holdings():
                one.check()

    def proofs(self, more: Sequence[Holding] = ()) -> list[LockProof]:
        """What a commit that is made here shows, `more` besides; each lock once. Raises TooManyLocks."""
        shown = [
            *self.inherited,
            *(one.proof for one in held.here(self.circle)),
            *(one.proof for one in more),
        ]
        found = list({proof.lock: proof for proof in shown}.values())
        if len(found) > PROOFS_MAX:
            raise TooManyLocks(f"a commit shows at most {PROOFS_MAX} locks, not {len(found)}")
        return found
