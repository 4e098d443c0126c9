"""Opening a database: making the schema, refusing what is not ours, beginning an incarnation.

What belongs here: what both databases do at opening, inside one tx, and the choice between them.
What does not: connections (`sqlite.py`, `postgres.py`), later changes of the schema (`migrations/`).

Threads: any; PostgreSQL's processes that open at once wait for each other.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, ForeignCluster
from cairnfs.ids import GROUPS, NEVER, ROOT
from cairnfs.metadata.databases import dialect
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.migrations import NEWEST, migrate

#: How far the counters move when history may have been cut: more than any lost stretch could hold,
#: and two million such moves fit into the integers that JSON keeps exactly.
LEAP = 2**32


@dataclass(frozen=True, slots=True)
class Origin:
    """What a new cluster begins with; for one that exists, `cluster_id` "" means whichever it is."""

    copies: int = 3
    cluster_id: str = ""
    new_id: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


def open_database(where: str, clock: Clock, *, origin: Origin | None = None, check: bool = False) -> Database:
    """Open "postgresql://..." or a path (also "sqlite:PATH", ":memory:"), or make it.

    Raises Busy (another process has the SQLite file), Unreachable (no PostgreSQL there),
    ForeignCluster (something else's data, or another cluster's), BadRequest (a newer Cairn's, or a
    server that would lose acknowledged commits).
    """
    if where.startswith(("postgresql://", "postgres://", "host=")):
        try:
            from cairnfs.metadata.databases.postgres import PostgresDatabase
        except ImportError as error:
            raise BadRequest(
                "no driver for PostgreSQL", hint="pip install 'cairnfs[server,postgres]'"
            ) from error
        return PostgresDatabase(where, clock, origin=origin)
    from cairnfs.metadata.databases.sqlite import SqliteDatabase

    return SqliteDatabase(Path(where.removeprefix("sqlite:")), clock, origin=origin, check=check)


def make_or_check(tx: Tx, kind: str, tables: frozenset[str], origin: Origin, *, timeline: int = 0) -> None:
    """Make the schema and its first rows, or see that what is there is ours and current.

    `tables` are the names of the tables that exist; `timeline` is PostgreSQL's, 0 for SQLite.
    """
    if "clock" not in tables:
        _make(tx, kind, tables, origin, timeline)
        return
    found = tx.row("SELECT schema_version, cluster_id FROM clock WHERE id = 1")
    if found is None:
        raise ForeignCluster("the database was not made by Cairn")
    version, cluster_id = found
    if origin.cluster_id not in ("", cluster_id):
        raise ForeignCluster(f"the database is of the cluster {cluster_id}, not {origin.cluster_id}")
    if version > NEWEST:
        raise BadRequest(f"the database is of a newer Cairn (schema {version})", hint="upgrade this one")
    migrate(tx, kind, version)
    follow_timeline(tx, timeline)


def follow_timeline(tx: Tx, timeline: int) -> None:
    """Begin a new incarnation if PostgreSQL's timeline is not the one last seen."""
    found = tx.row("SELECT timeline FROM clock WHERE id = 1 {lock}")
    assert found is not None
    if found[0] != timeline:
        begin_incarnation(tx, f"timeline {found[0]} to {timeline}")
        tx.run("UPDATE clock SET timeline = ? WHERE id = 1", timeline)


def begin_incarnation(tx: Tx, why: str) -> None:
    """Declare that history may have been cut: a new incarnation, all counters far ahead.

    The leap is a commit of its own, so that the newest commit is still the one the clock names.
    """
    tx.rows("SELECT id FROM clock WHERE id = 1 {lock}")
    tx.run(
        "UPDATE clock SET incarnation = incarnation + 1, commit_number = commit_number + ?,"
        " fence = fence + ?, next_inode = next_inode + ?, next_user = next_user + ?,"
        " next_fileserver = next_fileserver + ?, map_version = map_version + ?,"
        " people_version = people_version + ?,"
        " commit_at_us = CASE WHEN commit_at_us < ? THEN ? ELSE commit_at_us + 1 END WHERE id = 1",
        *[LEAP] * 7,
        *[tx.now_us()] * 2,
    )
    tx.run(
        "INSERT INTO commits (number, at_us, user_id, operations, message)"
        " SELECT commit_number, commit_at_us, 0, 0, ? FROM clock",
        f"a new incarnation: {why}",
    )


def _make(tx: Tx, kind: str, tables: frozenset[str], origin: Origin, timeline: int) -> None:
    statements = dialect.schema(kind)
    ours = {text.split()[2] for text in statements if text.startswith("CREATE TABLE")}
    if tables & ours or (kind == "sqlite" and tables):
        raise ForeignCluster(f"the database holds something else's tables: {', '.join(sorted(tables)[:3])}")
    for text in statements:
        tx.run(text)
    now_us = tx.now_us()
    tx.run(
        "INSERT INTO clock (id, schema_version, cluster_id, incarnation, timeline, commit_number,"
        " commit_at_us, fence, next_inode, next_user, next_fileserver, horizon, retention_us, copies,"
        " map_version, people_version, next_lock, locks)"
        " VALUES (1, ?, ?, 1, ?, 0, 0, 0, ?, 1, 1, 0, 0, ?, 1, 1, 1, 0)",
        NEWEST,
        origin.cluster_id or origin.new_id,
        timeline,
        ROOT + 1,
        origin.copies,
    )
    # The root is there before the first commit, owned by nobody until the first admin signs up.
    tx.run(
        "INSERT INTO inode (id, kind, links, changed, changed_us) VALUES (?, 'directory', 1, 0, ?)",
        ROOT,
        now_us,
    )
    tx.run(
        "INSERT INTO version (inode, born, died, mode, owner, owner_group, size, mtime_us, mtime_sub_ns,"
        " mtime_set, manifest, target, xattrs, policy) VALUES (?, 0, ?, ?, 0, 0, 0, ?, 0, 0, ?, ?, ?, ?)",
        ROOT,
        NEVER,
        0o755,
        now_us,
        *[b""] * 3,
        "",
    )
    tx.run("INSERT INTO leader (id, term, holder, counter) VALUES (1, 0, '', 0)")
    tx.run("INSERT INTO secret (name, value) VALUES ('cursors', ?)", secrets.token_bytes(64))
    tx.run_given(
        "INSERT INTO replica_group (id, epoch, dirty) SELECT g.id, 0, 0 FROM {given} AS g",
        "id BIGINT",
        [(group,) for group in range(GROUPS)],
    )
