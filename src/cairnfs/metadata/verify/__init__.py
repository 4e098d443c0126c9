"""The invariants of the database, checked one by one, each named in its finding.

    run(tx) -> VerifyDatabaseReply       every check on one snapshot; only reads, mends nothing

What belongs here: what the database alone can say. What does not: whether fileservers have what it
names (`control`). It looks at everything, so it runs apart from quick reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.verify import attributes, clock, cluster, content, history, locks, people, tree
from cairnfs.metadata.verify.report import Report
from cairnfs.wire.verification import VerifyDatabaseReply

#: The schema's invariants by their names there, each with the checks that look at it.
INVARIANTS: Final[dict[str, tuple[Callable[[Report], None], ...]]] = {
    "clock": (clock.check_clock,),
    "commits": (clock.check_commits,),
    "change": (history.check_changes,),
    "snapshot": (history.check_snapshots,),
    "inode": (tree.check_inodes,),
    "dentry": (tree.check_dentries,),
    "version": (content.check_versions, attributes.check_versions),
    "xattr_set": (attributes.check_sets,),
    "leaf": (content.check_leaves,),
    "chunk": (content.check_chunks,),
    "orphan": (tree.check_orphans,),
    "detached": (history.check_detached,),
    "session": (cluster.check_sessions,),
    "lock": (locks.check_locks, locks.check_queues),
    "lock_key": (locks.check_keys, locks.check_tree),
    "group": (cluster.check_groups,),
    "people": (people.check_people, people.check_rights),
}


def run(tx: Tx) -> VerifyDatabaseReply:
    """Check every invariant."""
    report = Report(tx)
    for checks in INVARIANTS.values():
        for check in checks:
            check(report)
    report.counts["invariants"] = len(INVARIANTS)
    return VerifyDatabaseReply(
        commit=clock_row.read(tx).commit_number, counts=report.counts, findings=report.findings
    )
