"""What names lead to: dentries joined with the version of their inode that is visible.

What belongs here: reading `dentry` with `version`, alive or as of a commit. What does not: writing
them (`rows/dentries`, `rows/versions`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cairnfs.ids import NEVER, ROOT, CommitNumber, InodeId, Name, UserId
from cairnfs.metadata.databases.seam import Row, Tx
from cairnfs.metadata.rows.clock import ClockRow


class Dentry(msgspec.Struct, frozen=True, gc=False):
    """A name in a directory, visible where one looks."""

    parent: InodeId
    name: Name
    born: CommitNumber
    inode: InodeId
    kind: str  # file, directory or symlink
    traced: int = 0  # 1: can be found from its inode


class Version(msgspec.Struct, frozen=True, gc=False):
    """One state of an inode, without its manifest."""

    inode: InodeId
    born: CommitNumber
    mode: int
    owner: UserId
    owner_group: int
    size: int
    mtime_us: int
    mtime_sub_ns: int = 0
    mtime_set: CommitNumber = CommitNumber(0)
    target: bytes = b""  # of a symlink
    xattrs: bytes = b""  # the hash of its set of extended attributes, if there is one
    policy: str = ""  # of a directory: the durability of what is below


class Told(msgspec.Struct, frozen=True, gc=False):
    """What people are told besides: a directory's own time.

    `changed` is the last commit that changed an entry of the directory, `changed_us` its time.
    """

    changed: CommitNumber
    changed_us: int


class Listed(msgspec.Struct, frozen=True, gc=False):
    """One entry of a listing."""

    dentry: Dentry
    version: Version
    told: Told


_DENTRY = "d.parent, d.name, d.born, d.inode, d.kind, d.traced"
_VERSION = ", ".join(f"v.{name}" for name in Version.__struct_fields__)
_TOLD = "i.changed, i.changed_us"
#: How many columns each has.
_D, _V, _T = len(Dentry.__struct_fields__), len(Version.__struct_fields__), len(Told.__struct_fields__)
_LAST_NAME = b"\xff" * 256  # above every name
#: How a row's span is asked: alive (the literal lets the partial indexes serve), or at a commit.
_ALIVE = f"{{0}}.died = {NEVER}"
_AT = "{0}.born <= ? AND {0}.died > ?"


def _span(at: CommitNumber | None, *tables: str) -> tuple[str, list[int]]:
    condition = " AND ".join((_ALIVE if at is None else _AT).format(table) for table in tables)
    return condition, [] if at is None else [at, at] * len(tables)


def find(
    tx: Tx, names: Sequence[tuple[InodeId, Name]], at: CommitNumber | None
) -> list[tuple[Dentry, Version]]:
    """What these (parent, name) lead to, alive or `at` a commit; what is not there is left out."""
    span, args = _span(at, "d", "v")
    rows = tx.rows_given(
        f"SELECT {_DENTRY}, {_VERSION} FROM {{given}} AS g CROSS JOIN dentry AS d CROSS JOIN version AS v"
        f" WHERE d.parent = g.parent AND d.name = g.name AND v.inode = d.inode AND {span}",
        "parent BIGINT, name BYTES",
        names,
        *args,
    )
    return [(Dentry(*row[:_D]), Version(*row[_D:])) for row in rows]


def find_told(
    tx: Tx, names: Sequence[tuple[InodeId, Name]], at: CommitNumber | None
) -> list[tuple[Dentry, Version, Told]]:
    """As `find`, with what people are told."""
    span, args = _span(at, "d", "v")
    rows = tx.rows_given(
        f"SELECT {_DENTRY}, {_VERSION}, {_TOLD} FROM {{given}} AS g CROSS JOIN dentry AS d"
        " CROSS JOIN version AS v CROSS JOIN inode AS i"
        f" WHERE d.parent = g.parent AND d.name = g.name AND v.inode = d.inode AND i.id = d.inode AND {span}",
        "parent BIGINT, name BYTES",
        names,
        *args,
    )
    return [(Dentry(*row[:_D]), Version(*row[_D:-_T]), Told(*row[-_T:])) for row in rows]


def present_root(tx: Tx) -> tuple[ClockRow, Version, Told]:
    """The clock and the root, in one look: what a read of the present begins with."""
    row = tx.row(
        f"SELECT {', '.join(f'c.{name}' for name in ClockRow.columns())}, {_VERSION}, {_TOLD}"
        " FROM clock AS c CROSS JOIN version AS v CROSS JOIN inode AS i"
        f" WHERE c.id = 1 AND v.inode = {ROOT} AND v.died = {NEVER} AND i.id = {ROOT}"
    )
    assert row is not None, "the database has no clock row or no root"
    return ClockRow(*row[: -_V - _T]), Version(*row[-_V - _T : -_T]), Told(*row[-_T:])


def root(tx: Tx, at: CommitNumber) -> tuple[Version, Told]:
    """The root at a commit."""
    span, args = _span(at, "v")
    row = tx.row(
        f"SELECT {_VERSION}, {_TOLD} FROM version AS v CROSS JOIN inode AS i"
        f" WHERE v.inode = {ROOT} AND i.id = {ROOT} AND {span}",
        *args,
    )
    assert row is not None, "the database has no root"
    return Version(*row[:-_T]), Told(*row[-_T:])


def version(tx: Tx, inode: InodeId, at: CommitNumber | None) -> Version | None:
    """The version of one inode, alive or `at` a commit."""
    span, args = _span(at, "v")
    row = tx.row(f"SELECT {_VERSION} FROM version AS v WHERE v.inode = ? AND {span}", inode, *args)
    return None if row is None else Version(*row)


def versions(tx: Tx, inodes: Sequence[InodeId], at: CommitNumber | None) -> dict[InodeId, Version]:
    """The versions of these inodes, alive or `at` a commit; one that has none is left out."""
    span, args = _span(at, "v")
    rows = tx.rows_given(
        f"SELECT {_VERSION} FROM {{given}} AS g CROSS JOIN version AS v WHERE v.inode = g.id AND {span}",
        "id BIGINT",
        [(inode,) for inode in inodes],
        *args,
    )
    return {row[0]: Version(*row) for row in rows}


def children(tx: Tx, directories: Sequence[InodeId], at: CommitNumber | None) -> list[tuple[Dentry, Version]]:
    """Everything in these directories, alive or `at` a commit."""
    span, args = _span(at, "d", "v")
    rows = tx.rows_given(
        f"SELECT {_DENTRY}, {_VERSION} FROM {{given}} AS g CROSS JOIN dentry AS d CROSS JOIN version AS v"
        f" WHERE d.parent = g.parent AND v.inode = d.inode AND {span}",
        "parent BIGINT",
        [(inode,) for inode in directories],
        *args,
    )
    return [(Dentry(*row[:_D]), Version(*row[_D:])) for row in rows]


def page(tx: Tx, parent: InodeId, after: bytes, limit: int, at: CommitNumber | None) -> list[Listed]:
    """The first `limit` entries of a directory with names above `after`, in the names' order."""
    span, args = _span(at, "d")
    version_span, version_args = _span(at, "v")
    # The names alone come first: an index has them, and not those that died.
    names = (
        f"SELECT d.parent, d.name, d.born FROM dentry AS d WHERE d.parent = ? AND d.name > ? AND {span}"
        " ORDER BY d.name LIMIT ?"
    )
    rows = tx.rows(
        f"SELECT {_DENTRY}, {_VERSION}, {_TOLD}"
        f" FROM ({names}) AS l CROSS JOIN dentry AS d CROSS JOIN version AS v CROSS JOIN inode AS i"
        " WHERE d.parent = l.parent AND d.name = l.name AND d.born = l.born"
        f" AND v.inode = d.inode AND i.id = d.inode AND {version_span} ORDER BY d.name",
        parent,
        after,
        *args,
        limit,
        *version_args,
    )
    return [Listed(Dentry(*row[:_D]), Version(*row[_D:-_T]), Told(*row[-_T:])) for row in rows]


def first_pages(
    tx: Tx, parents: Sequence[InodeId], limit: int, at: CommitNumber | None
) -> dict[InodeId, list[Listed]]:
    """As `page` from the beginning, of many directories together: two statements however many they are."""
    span, args = _span(at, "d")
    lasts: list[tuple[InodeId, bytes | None]] = tx.rows_given(
        f"SELECT g.parent, (SELECT d.name FROM dentry AS d WHERE d.parent = g.parent AND {span}"
        " ORDER BY d.name LIMIT 1 OFFSET ?) FROM {given} AS g",
        "parent BIGINT",
        [(parent,) for parent in parents],
        *args,
        limit - 1,
    )
    span, args = _span(at, "d", "v")
    rows = tx.rows_given(
        f"SELECT {_DENTRY}, {_VERSION}, {_TOLD} FROM {{given}} AS g CROSS JOIN dentry AS d"
        " CROSS JOIN version AS v CROSS JOIN inode AS i"
        " WHERE d.parent = g.parent AND d.name <= g.last AND v.inode = d.inode AND i.id = d.inode"
        f" AND {span}",
        "parent BIGINT, last BYTES",
        [(parent, _LAST_NAME if last is None else last) for parent, last in lasts],
        *args,
    )
    found: dict[InodeId, list[Listed]] = {parent: [] for parent in parents}
    for row in rows:
        found[row[0]].append(Listed(Dentry(*row[:_D]), Version(*row[_D:-_T]), Told(*row[-_T:])))
    for listed in found.values():
        listed.sort(key=_name_of)
    return found


def _name_of(listed: Listed) -> bytes:
    return listed.dentry.name


def changes_before(tx: Tx, directories: Sequence[InodeId], at: CommitNumber) -> dict[InodeId, CommitNumber]:
    """The last commit not after `at` that changed an entry, by directory; one that had none is left out.

    Looks at every entry that the directory had until then.
    """
    rows: list[Row] = tx.rows_given(
        "SELECT d.parent, max(CASE WHEN d.died <= ? THEN d.died ELSE d.born END)"
        " FROM {given} AS g CROSS JOIN dentry AS d"
        " WHERE d.parent = g.parent AND d.born <= ? GROUP BY d.parent",
        "parent BIGINT",
        [(inode,) for inode in directories],
        at,
        at,
    )
    return dict(rows)
