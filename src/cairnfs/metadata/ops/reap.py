"""reap: end, page by page, what is below directories that were removed with all below them.

What belongs here: the duty's verb. Every row gets exactly the commit of the removal as its end: no
reader can tell that it was not done at once, since nothing below was reachable any more. A directory
met on the way waits in the queue in its turn.
"""

from __future__ import annotations

from collections import Counter

from cairnfs.ids import CommitNumber, InodeId
from cairnfs.metadata.ops import leader
from cairnfs.metadata.rows import dentries, inodes, names, orphans, versions
from cairnfs.metadata.state import State, Want
from cairnfs.metadata.view import DIRECTORY

PAGE_ROWS = 500


class Reap:
    """End up to `rows` names. Answers how many, 0 when nothing waits."""

    reply_key = None
    answer_type = None

    def __init__(self, *, deadline: float, rows: int = PAGE_ROWS, term: int | None = None) -> None:
        """`deadline` in seconds of the monotonic clock; `term`: see `ops/leader`."""
        self.deadline = deadline
        self._term = term
        self._rows = rows

    def wants(self) -> list[Want]:
        """Nothing: it works on rows that no path leads to."""
        return []

    def apply(self, state: State) -> int:
        """Works on the tables: what the batch did before has to be there."""
        tx = state.tx
        leader.require(tx, self._term)
        state.flush()
        waiting = orphans.oldest(tx, self._rows)
        page = orphans.below(tx, len(waiting), self._rows)
        dentries.end(tx, [(parent, name, born, died) for parent, name, born, _, _, died in page])
        ended: dict[InodeId, CommitNumber] = {inode: died for _, _, _, inode, _, died in page}
        # What had several names ends with the last of them.
        ended |= names.last_ends(tx, [inode for _, _, _, inode, kind, _ in page if kind != DIRECTORY])
        fewer = Counter(inode for _, _, _, inode, _, _ in page)
        inodes.update(tx, [(inode, -names, CommitNumber(0), 0) for inode, names in fewer.items()])
        alive = orphans.live_versions(tx, list(ended))
        versions.end(tx, [(inode, born, ended[inode]) for inode, born in alive])
        finished = orphans.done(tx, waiting)
        orphans.insert(tx, [(inode, died) for _, _, _, inode, kind, died in page if kind == DIRECTORY])
        return len(page) + finished
