"""leader: which control-plane process does the duties, and proving it in a duty's tx.

What belongs here: the verbs, as light writes. What does not: the election's times (`control/duties`).
"""

from __future__ import annotations

from cairnfs.errors import Aborted
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import leader
from cairnfs.metadata.rows.leader import Leader


def read(tx: Tx) -> Leader | None:
    """Who leads, in which term, and the counter it raises."""
    return leader.read(tx)


def renew(tx: Tx, holder: str, term: int) -> bool:
    """Raise the counter; False where `holder` does not lead in that term any more."""
    return leader.raise_counter(tx, holder, term)


def take(tx: Tx, holder: str, seen: Leader | None) -> int | None:
    """Lead in the next term if the row is still what was `seen`; give that term, or None."""
    if seen is None or not leader.change(tx, holder, seen):
        return None
    return seen.term + 1


def resign(tx: Tx, holder: str, term: int) -> None:
    """Leave the lead to whoever comes first, if it still is this holder's."""
    present = leader.lock(tx)
    if present is not None and (present.holder, present.term) == (holder, term):
        leader.change(tx, "", present)


def require(tx: Tx, term: int | None) -> None:
    """Hold the lead of this term until the tx ends; None asks for none.

    Raises Aborted where another term began: whoever slept through its lease changes nothing.
    """
    if term is None:
        return
    present = leader.lock(tx)
    if present is None or present.term != term:
        raise Aborted("another process does the duties now")
