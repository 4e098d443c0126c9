"""[inode], [dentry] and [orphan]: every name leads somewhere, and every way up ends at the root.

What belongs here: checks of the tree of names. Each is one statement over whole tables, so that a
hundred thousand names take a second or two.
"""

from __future__ import annotations

from cairnfs.ids import NEVER, ROOT
from cairnfs.metadata.databases.seam import Row
from cairnfs.metadata.verify.report import Report
from cairnfs.wire import names

_LIVE = f"died = {NEVER}"
#: What has no name and is not without one: the root, and the tops of detached trees.
_TOPS = f"SELECT CAST({ROOT} AS BIGINT) AS inode UNION ALL SELECT inode FROM detached"
#: Live directories that a way up leads out of: to the root, or to the top of a detached tree.
_REACHED = (
    f"WITH RECURSIVE reached (inode) AS ({_TOPS} UNION ALL"
    " SELECT d.inode FROM reached AS r CROSS JOIN dentry AS d"
    f" WHERE d.parent = r.inode AND d.{_LIVE} AND d.kind = 'directory')"
)


def check_inodes(report: Report) -> None:
    """[inode] links is the number of live dentries that lead there (the root and the top of a detached tree
    count one); alive versions exist exactly where links > 0, or where all names left are below orphans."""
    report.count("inodes", "SELECT count(*) FROM inode")
    report.none(
        "inode",
        lambda row: f"inode {row[0]} says {row[1]} links, {row[2]} names lead to it",
        "SELECT i.id, i.links, coalesce(d.n, 0) FROM inode AS i LEFT JOIN"
        f" (SELECT inode, count(*) AS n FROM dentry WHERE {_LIVE} GROUP BY inode) AS d ON d.inode = i.id"
        f" LEFT JOIN ({_TOPS}) AS t ON t.inode = i.id"
        " WHERE i.links <> coalesce(d.n, 0) + CASE WHEN t.inode IS NULL THEN 0 ELSE 1 END",
    )
    report.none(
        "inode",
        lambda row: f"inode {row[0]} has no links, and its version {row[1]} lives",
        f"SELECT i.id, v.born FROM inode AS i CROSS JOIN version AS v WHERE v.inode = i.id AND v.{_LIVE}"
        " AND i.links <= 0",
    )
    report.none(
        "inode",
        lambda row: f"inode {row[0]} can be reached and has no live version",
        f"{_REACHED} SELECT d.inode FROM reached AS r CROSS JOIN dentry AS d LEFT JOIN version AS v"
        f" ON v.inode = d.inode AND v.{_LIVE} WHERE d.parent = r.inode AND d.{_LIVE} AND v.born IS NULL"
        f" UNION ALL SELECT t.inode FROM ({_TOPS}) AS t LEFT JOIN version AS v"
        f" ON v.inode = t.inode AND v.{_LIVE} WHERE v.born IS NULL",
    )
    report.none(
        "inode",
        lambda row: f"a version is of inode {row[0]}, which does not exist",
        "SELECT DISTINCT v.inode FROM version AS v LEFT JOIN inode AS i ON i.id = v.inode WHERE i.id IS NULL",
    )
    report.none(
        "inode",
        lambda row: f"directory {row[0]} last changed at {row[1]}, an entry of it at {row[2]}",
        "SELECT i.id, i.changed, d.last FROM (SELECT parent,"
        f" max(CASE WHEN died <> {NEVER} THEN died ELSE born END) AS last FROM dentry GROUP BY parent) AS d"
        " CROSS JOIN inode AS i WHERE i.id = d.parent AND i.changed < d.last"
        # Below a directory that was removed with all in it, the duty ends rows without changing it.
        " AND i.links > 0",
    )


def check_dentries(report: Report) -> None:
    """[dentry] spans of a name do not overlap; the parent is a directory that is alive throughout; a
    directory has one live dentry at most; every way up ends at the root or at a row of orphan or detached;
    a directory's name is traced, and each that an inode had beside another."""
    report.count("names", f"SELECT count(*) FROM dentry WHERE {_LIVE}")
    report.none("dentry", _empty_span, "SELECT parent, name, born, died FROM dentry WHERE born >= died")
    report.none(
        "dentry",
        lambda row: f"{_name(row)} was born at {row[2]}, when another of that name lived",
        "SELECT parent, name, born FROM (SELECT parent, name, born,"
        " lag(died) OVER (PARTITION BY parent, name ORDER BY born) AS before FROM dentry) AS d"
        " WHERE before > born",
    )
    report.none(
        "dentry",
        lambda row: f"{_name(row)} is a {row[2]}, inode {row[3]} a {row[4]}",
        "SELECT d.parent, d.name, d.kind, d.inode, i.kind FROM dentry AS d LEFT JOIN inode AS i"
        " ON i.id = d.inode WHERE i.kind IS NULL OR i.kind <> d.kind",
    )
    _check_directories(report)
    _check_traces(report)
    _check_parents(report)
    _check_ways_up(report)


def _check_directories(report: Report) -> None:
    """A directory has exactly one name from its first to its last commit."""
    report.none(
        "dentry",
        lambda row: f"directory {row[0]} has a name from {row[1]} on, the one before ended at {row[2]}",
        "SELECT inode, born, before FROM (SELECT inode, born,"
        " lag(died) OVER (PARTITION BY inode ORDER BY born, parent, name) AS before FROM dentry"
        " WHERE kind = 'directory') AS d WHERE before <> born",
    )


def _check_traces(report: Report) -> None:
    """What has to be found from its inode: directories, and what has or had another name at the time."""
    report.none(
        "dentry",
        lambda row: f"{_name(row)} cannot be found from inode {row[2]}, and has to be",
        "SELECT parent, name, inode FROM (SELECT parent, name, inode, kind, traced, born, died,"
        " max(died) OVER (PARTITION BY inode ORDER BY born, parent, name"
        " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,"
        " lead(born) OVER (PARTITION BY inode ORDER BY born, parent, name) AS after FROM dentry) AS d"
        " WHERE traced <> 1 AND (traced <> 0 OR kind = 'directory' OR before > born OR after < died)",
    )


def _check_parents(report: Report) -> None:
    """What a name is in lives throughout its span, and so does what it leads to; only below an orphan may
    names outlive it."""
    for which, column in (("directory", "parent"), ("inode", "inode")):
        # Looked up one by one: a join of both whole tables may be planned as a loop in a loop.
        lives = f"FROM version AS v WHERE v.inode = d.{column}"
        report.none(
            "dentry",
            lambda row, which=which: (  # type: ignore[misc]
                f"{_name(row)} lives from {row[2]} to {row[3]}, its {which} from {row[4]} to {row[5]}"
            ),
            "SELECT parent, name, born, died, first, last FROM (SELECT d.parent, d.name, d.born, d.died,"
            f" (SELECT min(v.born) {lives}) AS first, (SELECT max(v.died) {lives}) AS last,"
            " (SELECT i.kind FROM inode AS i WHERE i.id = d.parent) AS kind FROM dentry AS d) AS l"
            " WHERE first IS NULL OR kind IS NULL OR kind <> 'directory' OR born < first"
            f" OR (died > last AND died <> {NEVER})",
        )
    report.none(
        "dentry",
        lambda row: f"{_name(row)} is alive in a directory that is not, and is no orphan",
        f"SELECT d.parent, d.name FROM dentry AS d LEFT JOIN version AS v ON v.inode = d.parent AND v.{_LIVE}"
        f" LEFT JOIN orphan AS o ON o.inode = d.parent"
        f" WHERE d.{_LIVE} AND v.born IS NULL AND o.inode IS NULL",
    )


def _check_ways_up(report: Report) -> None:
    """From every live name the way up ends at the root, a detached tree's top or an orphan: no circles,
    nothing lost."""
    report.none(
        "dentry",
        lambda row: f"{_name(row)} is alive, but neither the root nor an orphan is above it",
        f"WITH RECURSIVE reached (inode) AS (SELECT inode FROM ({_TOPS}) AS t"
        " UNION SELECT inode FROM orphan"
        " UNION SELECT d.inode FROM reached AS r CROSS JOIN dentry AS d"
        f" WHERE d.parent = r.inode AND d.{_LIVE} AND d.kind = 'directory')"
        " SELECT d.parent, d.name FROM dentry AS d LEFT JOIN reached AS r ON r.inode = d.parent"
        f" WHERE d.{_LIVE} AND r.inode IS NULL",
    )


def check_orphans(report: Report) -> None:
    """[orphan] each is a directory that has no live name, and that ended when it says."""
    report.count("orphans", "SELECT count(*) FROM orphan")
    report.none(
        "orphan",
        lambda row: f"orphan {row[0]} ended at {row[1]}, its last name at {row[2]}, it itself at {row[3]}",
        # A tree that was given up in the making never had a name.
        "SELECT o.inode, o.died, d.died, v.died FROM orphan AS o"
        " LEFT JOIN (SELECT inode, max(died) AS died FROM dentry GROUP BY inode) AS d ON d.inode = o.inode"
        " LEFT JOIN (SELECT inode, max(died) AS died FROM version GROUP BY inode) AS v ON v.inode = o.inode"
        " LEFT JOIN inode AS i ON i.id = o.inode AND i.kind = 'directory'"
        " WHERE i.id IS NULL OR v.died IS NULL OR v.died <> o.died OR coalesce(d.died, o.died) <> o.died",
    )


def _name(row: Row) -> str:
    return f"the name {names.printable(row[1])} in {row[0]}"


def _empty_span(row: Row) -> str:
    return f"{_name(row)} was born at {row[2]} and died at {row[3]}"
