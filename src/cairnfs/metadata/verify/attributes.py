"""[version] and [xattr_set]: what a version says of itself is possible for its kind, and counted right.

What belongs here: checks of attributes: modes, times, targets, policies, extended attributes. What does not:
what files consist of (`content`).
"""

from __future__ import annotations

from cairnfs.core import xattrs
from cairnfs.core.permissions import MODE_MAX
from cairnfs.errors import CairnError
from cairnfs.metadata.rows import clock
from cairnfs.metadata.verify.report import Report
from cairnfs.wire.commits import SYMLINK_MAX_BYTES

_SETS = "SELECT hash, entries FROM xattr_set WHERE hash > ? ORDER BY hash LIMIT ?"


def check_versions(report: Report) -> None:
    """[version] only a symlink has a target, only a directory a policy, only a file a manifest; each set of
    attributes exists."""
    report.none(
        "version",
        lambda row: f"version {row[1]} of inode {row[0]} is malformed",
        f"SELECT inode, born FROM version WHERE mode < 0 OR mode > {MODE_MAX} OR owner < 0 OR owner_group < 0"
        " OR mtime_sub_ns < 0 OR mtime_sub_ns > 999 OR mtime_set < 0 OR mtime_set > ?",
        clock.read(report.tx).commit_number,
    )
    report.none(
        "version",
        lambda row: f"version {row[1]} of inode {row[0]}, a {row[2]}, has what only others have",
        "SELECT v.inode, v.born, i.kind FROM inode AS i CROSS JOIN version AS v WHERE v.inode = i.id"
        f" AND (CASE WHEN i.kind = 'symlink' THEN length(v.target) NOT BETWEEN 1 AND {SYMLINK_MAX_BYTES}"
        " ELSE length(v.target) > 0 END"
        " OR (i.kind <> 'file' AND length(v.manifest) > 0) OR (i.kind <> 'directory' AND v.policy <> '')"
        " OR v.policy NOT IN ('', 'async', 'majority', 'all'))",
    )
    report.none(
        "version",
        lambda row: f"the attributes of version {row[1]} of inode {row[0]} do not exist",
        "SELECT v.inode, v.born FROM version AS v LEFT JOIN xattr_set AS x ON x.hash = v.xattrs"
        " WHERE length(v.xattrs) > 0 AND x.hash IS NULL",
    )


def check_sets(report: Report) -> None:
    """[xattr_set] refs is the number of versions that name it; its name is its entries' hash; they are what
    may be."""
    report.count("xattr_sets", "SELECT count(*) FROM xattr_set")
    report.none(
        "xattr_set",
        lambda row: f"set {row[0].hex()} says {row[1]} references, {row[2]} versions name it",
        "SELECT x.hash, x.refs, coalesce(v.n, 0) FROM xattr_set AS x LEFT JOIN (SELECT xattrs, count(*) AS n"
        " FROM version WHERE length(xattrs) > 0 GROUP BY xattrs) AS v ON v.xattrs = x.hash"
        " WHERE x.refs <> coalesce(v.n, 0)",
    )
    for page in report.pages(_SETS, (b"",), 1):
        for name, entries in page:
            if xattrs.name_of(entries) != name or not _is_set(entries):
                report.find("xattr_set", f"set {name.hex()} is not what its name says, or none at all")


def _is_set(entries: bytes) -> bool:
    """Whether these are the bytes of a set, and exactly those."""
    try:
        found = xattrs.decode(entries)
        for name, value in found.items():
            xattrs.check(name, value)
        return bool(found) and xattrs.encode(found) == entries
    except (CairnError, ValueError):  # msgspec's are ValueErrors
        return False
