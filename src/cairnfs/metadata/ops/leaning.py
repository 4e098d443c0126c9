"""leaning: which of a commit's chunks its bases vouch for, those of its staged pages included.

What belongs here: putting together what was looked up for each page when it came, and looking up the rest. A
page's word counts as long as the person is who they were, in the same incarnation, and the session needs the
commits still; else its bases are looked at again. What does not: looking at a base (`vouching`), judging
(`durable`). Before the clock, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.ids import NEVER, SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import vouching
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.vouching import Basis, Vouched
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, groups, sessions


class Leaned(NamedTuple):
    """The bases of one request or page, and what they vouched for when it came, if that was looked up."""

    bases: Sequence[Basis]
    vouched: Vouched | None = None


def look(
    tx: Tx,
    person: Person,
    session: SessionId,
    leaned: Sequence[Leaned],
    durability: Durability,
    *,
    settled: bool,
) -> None:
    """Let the durability rely on what bases vouch for. Raises NotDurable as `refuse_early`, and what looking
    at bases raises. What is in a file's present version counts as well: it is as good as a base."""
    now = clock.read(tx)
    who = People(tx, now).now(person)
    durability.rely(None)
    held = sessions.find(tx, [session]).get(session)
    needs = NEVER if held is None else held.needs
    known: list[Vouched] = []
    asked: list[Basis] = []
    for one in leaned:
        vouched = one.vouched
        if vouched is not None and vouched[:2] == (who, now.incarnation) and vouched.at >= needs:
            known.append(vouched)
        else:
            asked += one.bases

    def more(wanted: Sequence[Basis]) -> None:
        known.append(vouching.look(tx, person, session, wanted, durability.wanted()))
        durability.rely(reduce(Vouched.add, known))

    more(asked)
    own = [Basis(step.path, None, None) for step in durability.steps if durability.unproven(step)]
    if own:
        more(own)
    durability.refuse_early(groups.dirty(tx), settled=settled)
