"""From schema 2 to 3: commits that are brought page by page.

What belongs here: the new table, written out, so that later schemas leave this step as it is.
"""

from __future__ import annotations

from cairnfs.metadata.databases import dialect
from cairnfs.metadata.databases.seam import Tx

_NEW = """
CREATE TABLE shadow (
    user_id    BIGINT NOT NULL,
    request_id TEXT   NOT NULL,
    page       BIGINT NOT NULL,
    session    TEXT   NOT NULL,
    body_hash  BYTES  NOT NULL,
    body       BYTES  NOT NULL,
    at_us      BIGINT NOT NULL,
    PRIMARY KEY (user_id, request_id, page)
);
CREATE INDEX shadow_at ON shadow (at_us)"""


def bring(tx: Tx, kind: str) -> None:
    """Bring schema 2 to 3."""
    for statement in dialect.statements(_NEW, kind):
        tx.run(statement)
