"""What a COMMIT changed, for those who keep something in memory that it makes old.

What belongs here: the event. What does not: who listens. Announced on the event loop, after COMMIT
returned and before the answers are given; so a listener must be quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.rows.grants import Grant


@dataclass(frozen=True, slots=True)
class CommitEvent:
    """The clock before and after one database tx of this process; others commit beside it.

    New commits are `before.commit_number + 1` to `after.commit_number`; a cluster map is old when
    `map_version` grew. The numbers of one event follow those of the event before, or leave a gap. `granted`:
    the locks that were granted, in the order of their fences, `before.fence + 1` to `after.fence`.
    """

    before: ClockRow
    after: ClockRow
    granted: Sequence[Grant] = ()
