"""moment: which commit a read sees.

What belongs here: from what `at` says to a commit number, by the clock of the same snapshot. A time
means the newest commit at or before it. Commit 0 is the bare root, before the first commit; a time
before the first commit is none (NoSuchCommit).
"""

from __future__ import annotations

from cairnfs.core.moment import Moment
from cairnfs.errors import BeforeHorizon, NoSuchCommit
from cairnfs.ids import CommitNumber
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import commits
from cairnfs.metadata.rows.clock import ClockRow


def commit(tx: Tx, now: ClockRow, at: Moment | None) -> CommitNumber:
    """The commit that `at` means; the newest for None. Raises NoSuchCommit, BeforeHorizon."""
    if at is None:
        return now.commit_number
    if at.commit is not None:
        return check(now, at.commit)
    when_us = at.at_us if at.at_us is not None else max(0, tx.now_us() - (at.ago_us or 0))
    number = commits.newest_at(tx, when_us)
    if number is None:
        raise NoSuchCommit("that time is before the first commit")
    return check(now, number)


def check(now: ClockRow, number: int) -> CommitNumber:
    """A commit that can be read. Raises NoSuchCommit, BeforeHorizon."""
    if number > now.commit_number:
        raise NoSuchCommit(f"the newest commit is {now.commit_number}")
    if number < now.horizon:
        raise BeforeHorizon(f"the oldest commit that can be read is {now.horizon}")
    return CommitNumber(number)
