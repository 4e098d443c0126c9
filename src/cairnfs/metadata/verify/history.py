"""[snapshot], [change] and [detached]: what is kept of the past, and what has not come to be yet.

What belongs here: checks of these three tables. What is below detached trees is checked as all else is
(`tree`, `content`), which know that these are not to be reached.
"""

from __future__ import annotations

import msgspec

from cairnfs.core.moment import snapshot_name
from cairnfs.errors import BadRequest
from cairnfs.ids import NEVER
from cairnfs.metadata.state import changes
from cairnfs.metadata.verify.report import Report

_CHANGES = (
    "SELECT h.commit_number, h.entries, c.number FROM change AS h LEFT JOIN commits AS c"
    " ON c.number = h.commit_number WHERE h.commit_number > ? ORDER BY h.commit_number LIMIT ?"
)


def check_snapshots(report: Report) -> None:
    """[snapshot] its commit exists, or is the bare root; nothing else could have its name."""
    report.count("snapshots", "SELECT count(*) FROM snapshot")
    report.none(
        "snapshot",
        lambda row: f"snapshot {row[0]} is of commit {row[1]}, which does not exist",
        "SELECT s.name, s.commit_number FROM snapshot AS s LEFT JOIN commits AS c"
        " ON c.number = s.commit_number WHERE s.commit_number <> 0 AND c.number IS NULL",
    )
    for page in report.pages("SELECT name FROM snapshot WHERE name > ? ORDER BY name LIMIT ?", ("",), 1):
        for (name,) in page:
            try:
                snapshot_name(name)
            except BadRequest:
                report.find("snapshot", f"a snapshot is called {name!r}")


def check_changes(report: Report) -> None:
    """[change] its commit exists; what it says can be read."""
    for page in report.pages(_CHANGES, (-1,), 1):
        for number, entries, known in page:
            if known is None:
                report.find("change", f"changes are of commit {number}, which does not exist")
            try:
                readable = bool(changes.decode(entries))
            except msgspec.MsgspecError:
                readable = False
            if not readable:
                report.find("change", f"the changes of commit {number} cannot be read")


def check_detached(report: Report) -> None:
    """[detached] each is a directory that lives, to which no live name leads and none ever did."""
    report.count("detached", "SELECT count(*) FROM detached")
    report.none(
        "detached",
        lambda row: f"detached tree {row[0]} is no directory that lives",
        "SELECT t.inode FROM detached AS t LEFT JOIN inode AS i ON i.id = t.inode AND i.kind = 'directory'"
        f" LEFT JOIN version AS v ON v.inode = t.inode AND v.died = {NEVER}"
        " WHERE i.id IS NULL OR v.inode IS NULL",
    )
    report.none(
        "detached",
        lambda row: f"a name leads to the detached tree {row[0]}",
        "SELECT t.inode FROM detached AS t CROSS JOIN dentry AS d WHERE d.inode = t.inode AND d.traced = 1",
    )
