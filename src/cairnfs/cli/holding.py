"""A lock that a command holds, from the asking to the release.

What belongs here: the way to the client's lock, and what the command has to know of it. What does not: what
is done meanwhile (`lock.py`, `running.py`). The main thread's, but for what the client's loop calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import LockLost
from cairnfs.wire.locks import LockProof, proofs_to_text

if TYPE_CHECKING:
    from cairnfs.client.locks.asked import Asked
    from cairnfs.client.locks.held import Holding
    from cairnfs.client.portal import Portal
    from cairnfs.client.sync import Client


class Held:
    """A lock that is held. It is a `running.Lease`."""

    def __init__(self, through: Portal, holding: Holding, asked: Asked, given: Sequence[LockProof]) -> None:
        """`given` are the proofs that this process was given itself."""
        self._through = through
        self._holding = holding
        self._given = given
        self.asked = asked
        #: Why it is held no more, once that is known.
        self.error: LockLost | None = None

    @property
    def proof(self) -> LockProof:
        """What shows that it is held: a secret."""
        return self._holding.proof

    @property
    def proofs(self) -> str:
        """For `CAIRN_LOCK` of what is run under it: its proof, and those that this process was given."""
        return proofs_to_text(
            [*(one for one in self._given if one.lock != self.proof.lock), self._holding.proof]
        )

    @property
    def times(self) -> LeaseTimes:
        """The session's."""
        return self._holding.hold.times

    @property
    def is_lost(self) -> bool:
        """Whether it is held no more, as far as this process can tell."""
        return self._holding.lost

    def age_s(self) -> float:
        """How long ago the renewal was sent that was answered last."""
        return self._holding.hold.age_s()

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have `call` called, on the client's loop, when it is lost."""

        def lost(error: LockLost) -> None:
            self.error = error
            call()

        self._through.post(lambda: self._holding.when_lost(lost))

    def lost(self) -> LockLost:
        """The error that says so."""
        return self.error or LockLost(f"the lock on {self._holding.name} is lost: its lease is over")

    def is_lost_at_the_end(self, was_held: bool) -> None:
        """It was given back; `was_held`: there was something to give back."""
        if not was_held and self.error is None:
            self.error = LockLost(f"the lock on {self._holding.name} was lost before the end")


@contextmanager
def holding(client: Client, asked: Asked) -> Iterator[Held]:
    """Take the lock, waiting as long as was asked for; give it back at the end of the body.

    Raises what refused it. Where it was held no more when it was given back, `error` of what it gives tells.
    """
    through, files = client.inside()
    desk = files.connection.locks
    taken = through.call(desk.take(asked, keeper=client))
    held = Held(through, taken, asked, files.connection.control.locks.inherited)
    try:
        yield held
    finally:
        held.is_lost_at_the_end(through.call(desk.give_back(taken)))
