"""Users and user groups as the owners of things, and who is in which.

What belongs here: the tables `user_group` and `membership`, and names and roles out of `users`. What does
not: logins (`rows/users`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx


def person(tx: Tx, user: UserId) -> tuple[str, str] | None:
    """(role, state) of a user."""
    row = tx.row("SELECT role, state FROM users WHERE id = ?", user)
    return None if row is None else (row[0], row[1])


def user_groups_of(tx: Tx, user: UserId) -> list[int]:
    """The user groups that a user is in, besides their own."""
    return [row[0] for row in tx.rows("SELECT user_group FROM membership WHERE user_id = ?", user)]


def names(tx: Tx, ids: Sequence[int]) -> dict[int, str]:
    """The names of those of these ids that are users or user groups."""
    rows = tx.rows_given(
        "SELECT g.id, coalesce(u.name, o.name) FROM {given} AS g LEFT JOIN users AS u ON u.id = g.id"
        " LEFT JOIN user_group AS o ON o.id = g.id WHERE coalesce(u.name, o.name) IS NOT NULL",
        "id BIGINT",
        [(one,) for one in ids],
    )
    return dict(rows)


def user(tx: Tx, name: str) -> UserId | None:
    """The id of a person's name."""
    row = tx.row("SELECT id FROM users WHERE name = ? AND role <> 'fileserver'", name)
    return None if row is None else UserId(row[0])


def user_group(tx: Tx, name: str) -> int | None:
    """The id of a user group's name, or of a person's: that is their own group's."""
    row = tx.row("SELECT id FROM user_group WHERE name = ?", name)
    return user(tx, name) if row is None else int(row[0])
