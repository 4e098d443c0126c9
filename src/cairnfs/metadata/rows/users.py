"""People and services.

What belongs here: the table `users`. What does not: passwords' rules (`control/auth`). Any thread,
inside a tx.
"""

from __future__ import annotations

import msgspec

from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx


class User(msgspec.Struct, frozen=True):
    """A row. `home` is the text form of a path, or empty."""

    id: UserId
    name: str
    role: str
    password_hash: str
    home: str
    created_us: int
    state: str = "active"  # active, disabled or removed

    def __repr__(self) -> str:
        return f"User(id={self.id}, name={self.name!r}, role={self.role!r})"


_COLUMNS = ", ".join(User.__struct_fields__)


def by_name(tx: Tx, name: str) -> User | None:
    """The user of this name, which may be any text."""
    if "\0" in name:  # which PostgreSQL takes in no text
        return None
    row = tx.row(f"SELECT {_COLUMNS} FROM users WHERE name = ?", name)
    return None if row is None else User(*row)


def by_id(tx: Tx, user: UserId) -> User | None:
    """The user of this id."""
    row = tx.row(f"SELECT {_COLUMNS} FROM users WHERE id = ?", user)
    return None if row is None else User(*row)


def any_admin(tx: Tx) -> bool:
    """Whether there is an administrator."""
    return tx.row("SELECT 1 FROM users WHERE role = 'admin' LIMIT 1") is not None


def insert(tx: Tx, user: User) -> None:
    """A new user."""
    tx.run(
        f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        user.id,
        user.name,
        user.role,
        user.password_hash,
        user.home,
        user.created_us,
        user.state,
    )


def page(tx: Tx, after: int, limit: int) -> list[User]:
    """People in the order of their ids: no services, nobody who was removed."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM users WHERE id > ? AND role <> 'fileserver' AND state <> 'removed'"
        " ORDER BY id LIMIT ?",
        after,
        limit,
    )
    return [User(*row) for row in rows]


def active_admins(tx: Tx) -> int:
    """How many administrators are active."""
    row = tx.row("SELECT count(*) FROM users WHERE role = 'admin' AND state = 'active'")
    assert row is not None
    return int(row[0])


def set_standing(tx: Tx, user: UserId, role: str, state: str) -> None:
    """Give a user a role and a state."""
    tx.run("UPDATE users SET role = ?, state = ? WHERE id = ?", role, state, user)


def remove(tx: Tx, user: UserId, name: str) -> None:
    """Leave of a user the row alone, under this name."""
    tx.run(
        "UPDATE users SET name = ?, state = 'removed', password_hash = '', home = '' WHERE id = ?", name, user
    )


def lock_login(tx: Tx, user: UserId) -> tuple[str, str] | None:
    """(password's hash, state), which nobody changes until the tx ends; None where there is no such user."""
    row = tx.row("SELECT password_hash, state FROM users WHERE id = ? {lock}", user)
    return None if row is None else (row[0], row[1])


def set_password(tx: Tx, user: UserId, password_hash: str) -> bool:
    """Change the password's hash; False where there is no such user."""
    return tx.run("UPDATE users SET password_hash = ? WHERE id = ?", password_hash, user) == 1
