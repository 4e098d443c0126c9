"""[clock] and [commits]: the counters are ahead of everything, and time goes with the numbers.

What belongs here: checks that compare the clock row and the commits with all other tables.
"""

from __future__ import annotations

from cairnfs.ids import NEVER
from cairnfs.metadata.rows import clock
from cairnfs.metadata.verify.report import Report

_NUMBERS = (
    ("dentry.born", "SELECT max(born) FROM dentry"),
    ("dentry.died", f"SELECT max(died) FROM dentry WHERE died <> {NEVER}"),
    ("version.born", "SELECT max(born) FROM version"),
    ("version.died", f"SELECT max(died) FROM version WHERE died <> {NEVER}"),
    ("inode.changed", "SELECT max(changed) FROM inode"),
    ("orphan.died", "SELECT max(died) FROM orphan"),
)
_NEXT = (
    ("next_inode", "SELECT max(id) FROM inode"),
    ("next_user", "SELECT max(id) FROM users"),
    ("next_fileserver", "SELECT max(id) FROM fileserver"),
)


def check_clock(report: Report) -> None:
    """[clock] no row was born after commit_number; commit_number and its time are the newest commit's;
    ids still to be given are unused."""
    now = clock.read(report.tx)
    for column, sql in _NUMBERS:
        row = report.tx.row(sql)
        if row is not None and row[0] is not None and row[0] > now.commit_number:
            report.find("clock", f"{column} is {row[0]}, after the newest commit {now.commit_number}")
    for counter, sql in _NEXT:
        row = report.tx.row(sql)
        if row is not None and row[0] is not None and row[0] >= getattr(now, counter):
            report.find("clock", f"{counter} is {getattr(now, counter)}, but {row[0]} is in use")
    newest = report.tx.row("SELECT number, at_us FROM commits ORDER BY number DESC LIMIT 1") or (0, 0)
    if newest != (now.commit_number, now.commit_at_us):
        report.find(
            "clock", f"the clock is at {now.commit_number} ({now.commit_at_us} us), commits end at {newest}"
        )
    if now.horizon > now.commit_number:
        report.find("clock", f"the horizon {now.horizon} is after the newest commit {now.commit_number}")


def check_commits(report: Report) -> None:
    """[commits] numbers and times grow together."""
    report.count("commits", "SELECT count(*) FROM commits")
    report.none(
        "commits",
        lambda row: f"commit {row[0]} is not later than the one before it",
        "SELECT number FROM (SELECT number, at_us, lag(at_us) OVER (ORDER BY number) AS before_us"
        " FROM commits) AS c WHERE at_us <= before_us",
    )
