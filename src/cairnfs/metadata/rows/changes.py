"""Looking back: the log of changes, and where things were at many commits at once.

What belongs here: reading `change` and `commits` by number, and names and versions as of a commit that each
given row names itself, so that many commits are looked at in one statement. What does not: writing them
(`rows/commits`), what they mean (`ops`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from cairnfs.ids import CommitNumber, InodeId, Name, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows.nodes import Dentry, Version

#: An inode as of a commit.
Then = tuple[InodeId, CommitNumber]

_SIZES = (
    "SELECT c.number, COALESCE(length(h.entries), 0) FROM commits AS c"
    " LEFT JOIN change AS h ON h.commit_number = c.number"
)
_GIVEN = "id BIGINT, then_at BIGINT"
_DENTRY = ", ".join(f"d.{name}" for name in Dentry.__struct_fields__)
_VERSION = ", ".join(f"v.{name}" for name in Version.__struct_fields__)


def names_then(tx: Tx, places: Collection[Then]) -> list[tuple[CommitNumber, Dentry]]:
    """The traced names that these inodes had, each as of its commit, which stands before it."""
    rows = tx.rows_given(
        f"SELECT g.then_at, {_DENTRY} FROM {{given}} AS g CROSS JOIN dentry AS d"
        " WHERE d.inode = g.id AND d.traced = 1 AND d.died > g.then_at AND d.born <= g.then_at",
        _GIVEN,
        list(places),
    )
    return [(row[0], Dentry(*row[1:])) for row in rows]


def versions_then(tx: Tx, places: Collection[Then]) -> dict[Then, Version]:
    """The versions that these inodes had, each as of its commit; one that had none is left out."""
    rows = tx.rows_given(
        f"SELECT g.then_at, {_VERSION} FROM {{given}} AS g CROSS JOIN version AS v"
        " WHERE v.inode = g.id AND v.died > g.then_at AND v.born ="
        " (SELECT max(w.born) FROM version AS w WHERE w.inode = g.id AND w.born <= g.then_at)",
        _GIVEN,
        list(places),
    )
    return {(row[1], row[0]): Version(*row[1:]) for row in rows}


class Commit(NamedTuple):
    """A commit as the log tells it, with its changes as they are kept; empty where it changed nothing."""

    number: CommitNumber
    at_us: int
    user_id: UserId
    message: str
    entries: bytes


def sizes_after(tx: Tx, number: CommitNumber, limit: int) -> list[tuple[CommitNumber, int]]:
    """The commits after this one, in order, and the bytes of their changes."""
    rows = tx.rows(f"{_SIZES} WHERE c.number > ? ORDER BY c.number LIMIT ?", number, limit)
    return [(row[0], row[1]) for row in rows]


def sizes_until(
    tx: Tx, number: CommitNumber, after: CommitNumber, limit: int
) -> list[tuple[CommitNumber, int]]:
    """The commits up to this one that are beyond `after`, newest first, and the bytes of their changes."""
    rows = tx.rows(
        f"{_SIZES} WHERE c.number <= ? AND c.number > ? ORDER BY c.number DESC LIMIT ?", number, after, limit
    )
    return [(row[0], row[1]) for row in rows]


def commits(tx: Tx, numbers: Collection[CommitNumber]) -> dict[CommitNumber, Commit]:
    """These commits with their changes, by number."""
    rows = tx.rows_given(
        "SELECT c.number, c.at_us, c.user_id, c.message, h.entries"
        " FROM {given} AS g CROSS JOIN commits AS c LEFT JOIN change AS h ON h.commit_number = c.number"
        " WHERE c.number = g.number",
        "number BIGINT",
        [(number,) for number in numbers],
    )
    return {row[0]: Commit(row[0], row[1], row[2], row[3], row[4] or b"") for row in rows}


def heads(tx: Tx, numbers: Collection[CommitNumber]) -> dict[CommitNumber, Commit]:
    """These commits without their changes, by number. There is none of number 0."""
    rows = tx.rows_given(
        "SELECT c.number, c.at_us, c.user_id, c.message FROM {given} AS g CROSS JOIN commits AS c"
        " WHERE c.number = g.number",
        "number BIGINT",
        [(number,) for number in numbers],
    )
    return {row[0]: Commit(row[0], row[1], row[2], row[3], b"") for row in rows}


def versions_back(
    tx: Tx, inode: InodeId, until: CommitNumber, above: CommitNumber, limit: int
) -> list[tuple[Version, bool]]:
    """An inode's versions born up to `until` and beyond `above`, newest first.

    Each with whether its content is that of the version before it.
    """
    rows = tx.rows(
        f"SELECT {_VERSION}, COALESCE(v.manifest = (SELECT p.manifest FROM version AS p"
        " WHERE p.inode = v.inode AND p.born < v.born ORDER BY p.born DESC LIMIT 1), 1 = 0)"
        " FROM version AS v WHERE v.inode = ? AND v.born <= ? AND v.born > ? ORDER BY v.born DESC LIMIT ?",
        inode,
        until,
        above,
        limit,
    )
    return [(Version(*row[:-1]), bool(row[-1])) for row in rows]


def last_end(tx: Tx, parent: InodeId, name: Name, until: CommitNumber) -> CommitNumber | None:
    """When a name that is not there at `until` ended last; None where it never was there before."""
    row = tx.row(
        "SELECT d.died FROM dentry AS d WHERE d.parent = ? AND d.name = ? AND d.born <= ?"
        " ORDER BY d.born DESC LIMIT 1",
        parent,
        name,
        until,
    )
    return None if row is None else CommitNumber(row[0])


def dentries_then(
    tx: Tx, names: Collection[tuple[InodeId, Name, CommitNumber]]
) -> dict[tuple[InodeId, Name, CommitNumber], Dentry]:
    """What these names (parent, name, as of which commit) led to; what was not there is left out."""
    rows = tx.rows_given(
        f"SELECT g.then_at, {_DENTRY} FROM {{given}} AS g CROSS JOIN dentry AS d"
        " WHERE d.parent = g.parent AND d.name = g.name AND d.born <= g.then_at AND d.died > g.then_at",
        "parent BIGINT, name BYTES, then_at BIGINT",
        list(names),
    )
    return {(row[1], row[2], row[0]): Dentry(*row[1:]) for row in rows}


def ends(
    tx: Tx, names: Collection[tuple[InodeId, Name, CommitNumber]]
) -> dict[tuple[InodeId, Name, CommitNumber], CommitNumber]:
    """When these names (parent, name, born) ended, or NEVER."""
    rows = tx.rows_given(
        "SELECT d.parent, d.name, d.born, d.died FROM {given} AS g CROSS JOIN dentry AS d"
        " WHERE d.parent = g.parent AND d.name = g.name AND d.born = g.born",
        "parent BIGINT, name BYTES, born BIGINT",
        list(names),
    )
    return {row[:3]: row[3] for row in rows}


def same_content(
    tx: Tx, pairs: Collection[tuple[InodeId, CommitNumber, InodeId, CommitNumber]]
) -> set[tuple[InodeId, CommitNumber, InodeId, CommitNumber]]:
    """Those of these pairs of versions (inode, born, inode, born) that have the same content."""
    rows = tx.rows_given(
        "SELECT g.inode, g.born, g.other, g.other_born FROM {given} AS g CROSS JOIN version AS v"
        " CROSS JOIN version AS w WHERE v.inode = g.inode AND v.born = g.born AND w.inode = g.other"
        " AND w.born = g.other_born AND v.manifest = w.manifest AND v.target = w.target",
        "inode BIGINT, born BIGINT, other BIGINT, other_born BIGINT",
        list(pairs),
    )
    return {(row[0], row[1], row[2], row[3]) for row in rows}
