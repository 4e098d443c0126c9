"""From schema 1 to 2: symlinks, hard links, attributes, people's groups, the log of changes, snapshots.

What belongs here: the new form of what changed, written out, so that later schemas leave this step as it
is; and moving the rows. A changed table is copied aside, made anew under its own name and filled again:
so its columns, constraints and indexes end up exactly as in a new database, names and order included.
Large tables are filled in pieces, each within a server's limit for one statement.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from cairnfs.ids import NEVER
from cairnfs.metadata.databases import dialect
from cairnfs.metadata.databases.seam import Tx

#: Inode numbers whose rows are moved by one statement.
PIECE = 200_000


class _Change(NamedTuple):
    """A table that becomes another: its new definition, and its columns as made from the old ones (`o`).

    `by`: the column in whose order it is filled piece by piece; none: all at once.
    """

    table: str
    definition: str
    columns: tuple[tuple[str, str], ...]
    by: str = ""


def _same(names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"o.{name}") for name in names.split())


_CLOCK = """
CREATE TABLE clock (
    id             BIGINT PRIMARY KEY CHECK (id = 1),
    schema_version BIGINT NOT NULL,
    cluster_id     TEXT   NOT NULL,
    incarnation    BIGINT NOT NULL,
    timeline       BIGINT NOT NULL,
    commit_number  BIGINT NOT NULL,
    commit_at_us   BIGINT NOT NULL,
    fence          BIGINT NOT NULL,
    next_inode     BIGINT NOT NULL,
    next_user      BIGINT NOT NULL,
    next_fileserver BIGINT NOT NULL,
    horizon        BIGINT NOT NULL,
    retention_us   BIGINT NOT NULL,
    copies         BIGINT NOT NULL,
    map_version    BIGINT NOT NULL,
    people_version BIGINT NOT NULL
)"""
_INODE = """
CREATE TABLE inode (
    id         BIGINT PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('file', 'directory', 'symlink')),
    links      BIGINT NOT NULL,
    changed    BIGINT NOT NULL,
    changed_us BIGINT NOT NULL
)"""
_DENTRY = f"""
CREATE TABLE dentry (
    parent BIGINT NOT NULL,
    name   BYTES  NOT NULL,
    born   BIGINT NOT NULL,
    died   BIGINT NOT NULL,
    inode  BIGINT NOT NULL,
    kind   TEXT   NOT NULL,
    traced BIGINT NOT NULL,
    PRIMARY KEY (parent, name, born)
) CLUSTERED;
CREATE UNIQUE INDEX dentry_live ON dentry (parent, died, name) WHERE died = {NEVER};
CREATE INDEX dentry_traced ON dentry (inode, died) WHERE traced = 1;
CREATE INDEX dentry_name ON dentry (name, parent) WHERE died = {NEVER}"""
_VERSION = f"""
CREATE TABLE version (
    inode       BIGINT NOT NULL,
    born        BIGINT NOT NULL,
    died        BIGINT NOT NULL,
    mode        BIGINT NOT NULL,
    owner       BIGINT NOT NULL,
    owner_group BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    mtime_us    BIGINT NOT NULL,
    mtime_sub_ns BIGINT NOT NULL,
    mtime_set   BIGINT NOT NULL,
    manifest    BYTES  NOT NULL,
    target      BYTES  NOT NULL,
    xattrs      BYTES  NOT NULL,
    policy      TEXT   NOT NULL,
    PRIMARY KEY (inode, born)
) CLUSTERED;
CREATE UNIQUE INDEX version_live ON version (inode) WHERE died = {NEVER}"""
_USERS = """
CREATE TABLE users (
    id            BIGINT PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL CHECK (role IN ('user', 'admin', 'fileserver')),
    password_hash TEXT   NOT NULL,
    home          TEXT   NOT NULL,
    created_us    BIGINT NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('active', 'disabled', 'removed'))
)"""
_ONE_TIME = """
CREATE TABLE one_time (
    hash       BYTES  PRIMARY KEY,
    purpose    TEXT   NOT NULL,
    expires_us BIGINT NOT NULL,
    issuer     BIGINT NOT NULL,
    detail     TEXT   NOT NULL
)"""
_NEW = """
CREATE TABLE change (
    commit_number BIGINT PRIMARY KEY,
    entries       BYTES  NOT NULL
);
CREATE TABLE snapshot (
    name          TEXT   PRIMARY KEY,
    commit_number BIGINT NOT NULL,
    user_id       BIGINT NOT NULL,
    created_us    BIGINT NOT NULL
);
CREATE TABLE xattr_set (
    hash    BYTES  PRIMARY KEY,
    refs    BIGINT NOT NULL,
    entries BYTES  NOT NULL
) CLUSTERED;
CREATE TABLE detached (
    inode BIGINT PRIMARY KEY,
    at_us BIGINT NOT NULL
);
CREATE TABLE user_group (
    id         BIGINT PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_us BIGINT NOT NULL
);
CREATE TABLE membership (
    user_id    BIGINT NOT NULL,
    user_group BIGINT NOT NULL,
    PRIMARY KEY (user_id, user_group)
) CLUSTERED;
CREATE INDEX membership_of ON membership (user_group)"""

#: A file's time was set by whatever wrote the version, a directory's when it was made: its later
#: versions, if it has any, took it over. (A directory's first version is the one made with it.)
_MTIME_SET = (
    "CASE WHEN (SELECT i.kind FROM inode AS i WHERE i.id = o.inode) = 'directory'"
    " THEN (SELECT min(d.born) FROM dentry AS d WHERE d.inode = o.inode AND d.traced = 1)"
    " ELSE o.born END"
)
_NOTHING = "CAST('' AS BYTES)"

#: In this order: a table's new columns may be made from tables before it.
_CHANGES = (
    _Change(
        "clock",
        _CLOCK,
        (
            *_same(
                "id schema_version cluster_id incarnation timeline commit_number commit_at_us fence"
                " next_inode next_user next_fileserver horizon copies map_version"
            ),
            ("retention_us", "0"),
            ("people_version", "1"),
        ),
    ),
    _Change("inode", _INODE, _same("id kind links changed changed_us"), "id"),
    _Change(
        "dentry",
        _DENTRY,
        (
            *_same("parent name born died inode kind"),
            ("traced", "CASE WHEN o.kind = 'directory' THEN 1 ELSE 0 END"),
        ),
        "inode",
    ),
    _Change(
        "version",
        _VERSION,
        (
            *_same("inode born died mode owner owner_group size mtime_us manifest"),
            ("mtime_sub_ns", "0"),
            ("mtime_set", f"coalesce({_MTIME_SET}, 0)"),
            ("target", _NOTHING),
            ("xattrs", _NOTHING),
            ("policy", "''"),
        ),
        "inode",
    ),
    _Change(
        "users",
        _USERS,
        (*_same("id name role password_hash home created_us"), ("state", "'active'")),
    ),
    _Change("one_time", _ONE_TIME, (*_same("hash purpose expires_us"), ("issuer", "0"), ("detail", "''"))),
)


def bring(tx: Tx, kind: str) -> None:
    """Bring schema 1 to 2."""
    for change in _CHANGES:
        tx.run(f"CREATE TABLE old_{change.table} AS SELECT * FROM {change.table}")  # noqa: S608
        tx.run(f"DROP TABLE {change.table}")
        # Indexes before the rows: the rows of later tables are made with their help.
        for statement in dialect.statements(change.definition, kind):
            tx.run(statement)
        _fill(tx, kind, change)
        tx.run(f"DROP TABLE old_{change.table}")
    for statement in dialect.statements(_NEW, kind):
        tx.run(statement)
    tx.run("INSERT INTO secret (name, value) VALUES ('cursors', ?)", secrets.token_bytes(64))


def _fill(tx: Tx, kind: str, change: _Change) -> None:
    names = ", ".join(name for name, _ in change.columns)
    values = ", ".join(value for _, value in change.columns)
    values = values.replace("BYTES", "BLOB" if kind == "sqlite" else "BYTEA")
    move = f"INSERT INTO {change.table} ({names}) SELECT {values} FROM old_{change.table} AS o"  # noqa: S608
    if not change.by:
        tx.run(move)
        return
    first = f"SELECT min({change.by}) FROM old_{change.table} WHERE {change.by} >= ?"  # noqa: S608
    at = 0
    while (found := tx.row(first, at)) is not None and found[0] is not None:
        at = int(found[0]) + PIECE
        tx.run(f"{move} WHERE o.{change.by} >= ? AND o.{change.by} < ?", found[0], at)
