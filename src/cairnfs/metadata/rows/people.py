"""Users and user groups as the owners of things, and who is in which.

What belongs here: the tables `user_group` and `membership`, and names and roles out of `users`. What does
not: logins (`rows/users`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx


class UserGroup(NamedTuple):
    """A row, and how many members there are."""

    id: int
    name: str
    created_us: int
    members: int


_GROUP = (
    "SELECT o.id, o.name, o.created_us,"
    " (SELECT count(*) FROM membership AS m WHERE m.user_group = o.id) FROM user_group AS o"
)


def person(tx: Tx, user: UserId) -> tuple[str, str, str] | None:
    """(name, role, state) of a user."""
    row = tx.row("SELECT name, role, state FROM users WHERE id = ?", user)
    return None if row is None else (row[0], row[1], row[2])


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


def users(tx: Tx, called: Iterable[str]) -> dict[str, UserId]:
    """The ids of those of these names that are people's."""
    rows = tx.rows_given(
        "SELECT u.name, u.id FROM {given} AS g CROSS JOIN users AS u"
        " WHERE u.name = g.name AND u.role <> 'fileserver'",
        "name TEXT",
        [(one,) for one in called],
    )
    return {row[0]: UserId(row[1]) for row in rows}


def user_group(tx: Tx, name: str) -> int | None:
    """The id of a user group's name, or of a person's: that is their own group's."""
    row = tx.row("SELECT id FROM user_group WHERE name = ?", name)
    return user(tx, name) if row is None else int(row[0])


def find_group(tx: Tx, name: str) -> UserGroup | None:
    """The user group of this name; no person's own."""
    row = tx.row(f"{_GROUP} WHERE o.name = ?", name)
    return None if row is None else UserGroup(*row)


def groups(tx: Tx, after: int, limit: int) -> list[UserGroup]:
    """A page of user groups, in the order of their ids."""
    rows = tx.rows(f"{_GROUP} WHERE o.id > ? ORDER BY o.id LIMIT ?", after, limit)
    return [UserGroup(*row) for row in rows]


def members(tx: Tx, group: int, after: int, limit: int) -> list[tuple[UserId, str]]:
    """(id, name) of a page of a user group's members, in the order of their ids."""
    rows = tx.rows(
        "SELECT m.user_id, u.name FROM membership AS m JOIN users AS u ON u.id = m.user_id"
        " WHERE m.user_group = ? AND m.user_id > ? ORDER BY m.user_id LIMIT ?",
        group,
        after,
        limit,
    )
    return [(UserId(row[0]), row[1]) for row in rows]


def groups_of(tx: Tx, people: Iterable[UserId]) -> dict[UserId, list[str]]:
    """The names of the user groups of each of these people, in order; nothing for who is in none."""
    rows = tx.rows_given(
        "SELECT m.user_id, o.name FROM {given} AS g CROSS JOIN membership AS m"
        " CROSS JOIN user_group AS o WHERE m.user_id = g.id AND o.id = m.user_group",
        "id BIGINT",
        [(one,) for one in people],
    )
    found: dict[UserId, list[str]] = {}
    for one, name in sorted(rows):
        found.setdefault(UserId(one), []).append(name)
    return found


def groups_among(tx: Tx, ids: Iterable[int]) -> list[int]:
    """Those of these ids that are user groups'."""
    rows = tx.rows_given(
        "SELECT o.id FROM {given} AS g CROSS JOIN user_group AS o WHERE o.id = g.id",
        "id BIGINT",
        [(one,) for one in ids],
    )
    return [row[0] for row in rows]


def most_groups(tx: Tx, people: Iterable[UserId]) -> int:
    """In how many user groups the one of these people is who is in most."""
    counts = tx.rows_given(
        "SELECT (SELECT count(*) FROM membership AS m WHERE m.user_id = g.id) FROM {given} AS g",
        "id BIGINT",
        [(one,) for one in people],
    )
    return max((row[0] for row in counts), default=0)


def insert_group(tx: Tx, group: int, name: str, created_us: int) -> None:
    """A new user group."""
    tx.run("INSERT INTO user_group (id, name, created_us) VALUES (?, ?, ?)", group, name, created_us)


def delete_group(tx: Tx, group: int) -> None:
    """A user group goes, and everybody leaves it."""
    tx.run("DELETE FROM membership WHERE user_group = ?", group)
    tx.run("DELETE FROM user_group WHERE id = ?", group)


def join(tx: Tx, pairs: Iterable[tuple[UserId, int]]) -> int:
    """Let these (user, user group) be together; give how many were not."""
    return tx.run_given(
        "INSERT INTO membership (user_id, user_group) SELECT g.user_id, g.user_group FROM {given} AS g"
        " WHERE true ON CONFLICT (user_id, user_group) DO NOTHING",
        "user_id BIGINT, user_group BIGINT",
        list(dict.fromkeys(pairs)),
    )


def leave(tx: Tx, pairs: Iterable[tuple[UserId, int]]) -> int:
    """Let these (user, user group) part; give how many were together."""
    return tx.run_given(
        "DELETE FROM membership WHERE (user_id, user_group) IN"
        " (SELECT g.user_id, g.user_group FROM {given} AS g)",
        "user_id BIGINT, user_group BIGINT",
        list(dict.fromkeys(pairs)),
    )


def leave_all(tx: Tx, user: UserId) -> None:
    """A user leaves every user group."""
    tx.run("DELETE FROM membership WHERE user_id = ?", user)
