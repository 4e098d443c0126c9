"""From schema 3 to 4: locks, and sessions that know the lease they were promised.

What belongs here: the new tables, and the two that got columns, written out, so that later schemas leave this
step as it is. Both have few rows: they are copied aside, made anew under their own names and filled again.
"""

from __future__ import annotations

from cairnfs.metadata.databases import dialect
from cairnfs.metadata.databases.seam import Tx

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
    people_version BIGINT NOT NULL,
    next_lock      BIGINT NOT NULL,
    locks          BIGINT NOT NULL
)"""
_SESSION = """
CREATE TABLE session (
    id         TEXT   PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    label      TEXT   NOT NULL,
    counter    BIGINT NOT NULL,
    needs      BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    lease_ms   BIGINT NOT NULL
)"""
_NEW = """
CREATE TABLE lock (
    id         BIGINT PRIMARY KEY,
    session    TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    user_id    BIGINT NOT NULL,
    token_hash BYTES  NOT NULL,
    exclusive  BIGINT NOT NULL,
    subtree    BIGINT NOT NULL,
    fence      BIGINT NOT NULL,
    asked_us   BIGINT NOT NULL,
    granted_us BIGINT NOT NULL
);
CREATE INDEX lock_of ON lock (session, owner);
CREATE INDEX lock_fence ON lock (fence);
CREATE TABLE lock_key (
    inode     BIGINT NOT NULL,
    kind      BIGINT NOT NULL,
    name      BYTES  NOT NULL,
    held      BIGINT NOT NULL,
    lock      BIGINT NOT NULL,
    PRIMARY KEY (inode, kind, name, held, lock)
) CLUSTERED;
CREATE INDEX lock_key_of ON lock_key (lock);
CREATE TABLE broken_lock (
    id      BIGINT PRIMARY KEY,
    fence   BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    broken_by BIGINT NOT NULL,
    at_us   BIGINT NOT NULL,
    reason  TEXT   NOT NULL
);
CREATE INDEX broken_lock_at ON broken_lock (at_us)"""
#: What a session that began before was promised.
_LEASE_MS = 15_000
#: table, definition, its columns of before, its new ones and what they begin with.
_CHANGED = (
    (
        "clock",
        _CLOCK,
        (
            "id, schema_version, cluster_id, incarnation, timeline, commit_number, commit_at_us, fence,"
            " next_inode, next_user, next_fileserver, horizon, retention_us, copies, map_version,"
            " people_version"
        ),
        "next_lock, locks",
        "1, 0",
    ),
    (
        "session",
        _SESSION,
        "id, user_id, label, counter, needs, created_us",
        "lease_ms",
        str(_LEASE_MS),
    ),
)


def bring(tx: Tx, kind: str) -> None:
    """Bring schema 3 to 4."""
    for table, definition, same, new, values in _CHANGED:
        tx.run(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")  # noqa: S608
        tx.run(f"DROP TABLE {table}")
        for statement in dialect.statements(definition, kind):
            tx.run(statement)
        tx.run(f"INSERT INTO {table} ({same}, {new}) SELECT {same}, {values} FROM old_{table}")  # noqa: S608
        tx.run(f"DROP TABLE old_{table}")
    for statement in dialect.statements(_NEW, kind):
        tx.run(statement)
