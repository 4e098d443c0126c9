"""Secrets that are kept by their hash, and nonces: all end by themselves.

What belongs here: the tables `refresh_token`, `one_time`, `nonce`. What does not: making secrets
(`control/auth`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx


class OneTime(NamedTuple):
    """A row. `detail`: JSON of what an invitation grants; else empty."""

    hash: bytes
    purpose: str
    expires_us: int
    issuer: UserId
    detail: str


_ONE_TIME = ", ".join(OneTime._fields)


def insert_refresh(tx: Tx, secret_hash: bytes, user: UserId, expires_us: int) -> None:
    """Keep a refresh token."""
    tx.run(
        "INSERT INTO refresh_token (hash, user_id, expires_us) VALUES (?, ?, ?)",
        secret_hash,
        user,
        expires_us,
    )


def refresh(tx: Tx, secret_hash: bytes) -> tuple[UserId, int] | None:
    """Whose refresh token it is, and when it expires."""
    row = tx.row("SELECT user_id, expires_us FROM refresh_token WHERE hash = ?", secret_hash)
    return None if row is None else (row[0], row[1])


def extend_refresh(tx: Tx, secret_hash: bytes, expires_us: int) -> bool:
    """Let a refresh token live longer; False where there is none."""
    return tx.run("UPDATE refresh_token SET expires_us = ? WHERE hash = ?", expires_us, secret_hash) == 1


def delete_refresh(tx: Tx, secret_hash: bytes) -> bool:
    """Forget a refresh token; False where there was none."""
    return tx.run("DELETE FROM refresh_token WHERE hash = ?", secret_hash) == 1


def delete_refresh_of(tx: Tx, user: UserId) -> int:
    """Forget all refresh tokens of a user; give how many."""
    return tx.run("DELETE FROM refresh_token WHERE user_id = ?", user)


def insert_one_time(tx: Tx, row: OneTime) -> None:
    """Keep a secret that works once."""
    tx.run(f"INSERT INTO one_time ({_ONE_TIME}) VALUES (?, ?, ?, ?, ?)", *row)


def one_time(tx: Tx, secret_hash: bytes, purpose: str) -> OneTime | None:
    """The secret of this purpose."""
    row = tx.row(f"SELECT {_ONE_TIME} FROM one_time WHERE hash = ? AND purpose = ?", secret_hash, purpose)
    return None if row is None else OneTime(*row)


def one_times(
    tx: Tx, low: bytes, high: bytes, purposes: Iterable[str], now_us: int, limit: int
) -> list[OneTime]:
    """A page of the secrets between two hashes that still work, in the order of their hashes."""
    wanted = list(purposes)
    marks = ", ".join("?" for _ in wanted)
    rows = tx.rows(
        f"SELECT {_ONE_TIME} FROM one_time WHERE hash >= ? AND hash <= ? AND expires_us > ?"
        f" AND purpose IN ({marks}) ORDER BY hash LIMIT ?",
        low,
        high,
        now_us,
        *wanted,
        limit,
    )
    return [OneTime(*row) for row in rows]


def delete_one_time_of(tx: Tx, issuer: UserId) -> int:
    """Let no secret work any more that this user asked for; give how many."""
    return tx.run("DELETE FROM one_time WHERE issuer = ?", issuer)


def delete_one_time(tx: Tx, secret_hash: bytes) -> bool:
    """Use a secret up; False where it was used already."""
    return tx.run("DELETE FROM one_time WHERE hash = ?", secret_hash) == 1


def insert_nonce(tx: Tx, nonce: str, expires_us: int) -> bool:
    """Remember a nonce; False where it came before."""
    return (
        tx.run(
            "INSERT INTO nonce (nonce, expires_us) VALUES (?, ?) ON CONFLICT (nonce) DO NOTHING",
            nonce,
            expires_us,
        )
        == 1
    )


def nonce_known(tx: Tx, nonce: str) -> bool:
    """Whether a nonce came before."""
    return tx.row("SELECT 1 FROM nonce WHERE nonce = ?", nonce) is not None


def forget(tx: Tx, now_us: int, limit: int) -> int:
    """Forget up to `limit` of each that expired before `now_us`; give how many."""
    gone = 0
    for table, key in (("refresh_token", "hash"), ("one_time", "hash"), ("nonce", "nonce")):
        gone += tx.run(
            f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_us < ? LIMIT ?)",
            now_us,
            limit,
        )
    return gone
