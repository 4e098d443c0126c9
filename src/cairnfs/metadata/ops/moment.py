"""moment: which commit a read sees, and the view of it.

What belongs here: from what `at` says to a commit number, by the clock of the same snapshot. A time
means the newest commit at or before it. Commit 0 is the bare root, before the first commit; a time
before the first commit is none (NoSuchCommit). Below the horizon only commits of snapshots can be read.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core import moment as rules
from cairnfs.core.moment import Moment
from cairnfs.errors import BeforeHorizon, NoSuchCommit, NoSuchSnapshot
from cairnfs.ids import CommitNumber
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import commits, nodes, snapshots
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.view import View


class Sight(NamedTuple):
    """A tree to look at. `view.at` is None where the commit is the newest: living rows are quicker."""

    clock: ClockRow
    commit: CommitNumber
    view: View
    people: People


def look(tx: Tx, at: str | None) -> Sight:
    """The tree that `at` means; the newest for None.

    Raises NoSuchCommit, NoSuchSnapshot, BeforeHorizon, BadRequest.
    """
    moment = None if at is None else rules.parse(at)
    clock, root, told = nodes.present_root(tx)
    commit = clock.commit_number if moment is None else meant(tx, clock, moment)
    if commit != clock.commit_number:
        return look_at(tx, clock, commit)
    view = View(tx)
    view.tell(root, told)
    return Sight(clock, commit, view, People(tx, clock))


def look_at(tx: Tx, clock: ClockRow, number: int) -> Sight:
    """The tree of a commit. Raises NoSuchCommit, BeforeHorizon."""
    commit = check(tx, clock, number)
    view = View(tx, None if commit == clock.commit_number else commit)
    view.tell(*nodes.root(tx, commit))
    return Sight(clock, commit, view, People(tx, clock))


def check(tx: Tx, clock: ClockRow, number: int) -> CommitNumber:
    """A commit that can be read. Raises NoSuchCommit, BeforeHorizon."""
    if number > clock.commit_number:
        raise NoSuchCommit(f"the newest commit is {clock.commit_number}")
    if number < clock.horizon and not snapshots.names_commit(tx, number):
        raise BeforeHorizon(f"the oldest commit that can be read is {clock.horizon}")
    return CommitNumber(number)


def meant(tx: Tx, clock: ClockRow, at: Moment) -> CommitNumber:
    """The number that a moment means. Raises NoSuchCommit, NoSuchSnapshot, BeforeHorizon."""
    if at.commit is not None:
        return check(tx, clock, at.commit)
    if at.snapshot is not None:
        found = snapshots.find(tx, at.snapshot)
        if found is None:
            raise NoSuchSnapshot(f"there is no snapshot named {at.snapshot}")
        return found.commit_number
    if at == Moment():
        return clock.commit_number
    when_us = at.at_us if at.at_us is not None else tx.now_us() - (at.ago_us or 0)
    number = None if when_us < 0 else commits.newest_at(tx, when_us)
    if number is None:
        raise NoSuchCommit("that time is before the first commit")
    return check(tx, clock, number)
