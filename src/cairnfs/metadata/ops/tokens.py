"""tokens: refresh tokens, one-time secrets and nonces, all known by their hashes alone.

What belongs here: the verbs, as light writes (none touches the clock). What does not: making secrets
and signing tokens (`control/auth`). Times are the database's.
"""

from __future__ import annotations

from cairnfs.errors import InvitationRequired, JoinRefused, SealInvalid, TokenExpired, TokenInvalid
from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import people, replies, shadow, tokens, users
from cairnfs.metadata.rows.tokens import OneTime
from cairnfs.metadata.rows.users import User

JOIN, INVITATION = "join", "invitation"
REPLIES_KEPT_US = 24 * 3600 * 1_000_000
#: Of pages of commits in the making, after the last one came.
STAGED_KEPT_US = 3600 * 1_000_000
_PAGE, _STAGED_PAGE = 500, 8


def issue_refresh(tx: Tx, secret_hash: bytes, user: UserId, expires_us: int) -> None:
    """Keep a refresh token of a user."""
    tokens.insert_refresh(tx, secret_hash, user, expires_us)


def refresh(tx: Tx, secret_hash: bytes) -> User:
    """Whose refresh token it is. Raises TokenInvalid, TokenExpired."""
    found = tokens.refresh(tx, secret_hash)
    if found is None:
        raise TokenInvalid("this login was ended")
    user, expires_us = found
    if expires_us <= tx.now_us():
        raise TokenExpired("this login is too old")
    known = users.by_id(tx, user)
    if known is None or known.state != "active":
        raise TokenInvalid("the user was disabled or removed")
    return known


def extend_refresh(tx: Tx, secret_hash: bytes, expires_us: int) -> None:
    """Let a refresh token live longer; one that was revoked meanwhile stays so."""
    tokens.extend_refresh(tx, secret_hash, expires_us)


def revoke(tx: Tx, secret_hash: bytes) -> None:
    """Forget a refresh token; one that is unknown is fine."""
    tokens.delete_refresh(tx, secret_hash)


def issue_one_time(tx: Tx, secret_hash: bytes, purpose: str, expires_us: int) -> None:
    """Keep a secret that works once, in nobody's name. Those that people ask for: `ops/invitations`."""
    tokens.insert_one_time(tx, OneTime(secret_hash, purpose, expires_us, UserId(0), ""))


def check_one_time(tx: Tx, secret_hash: bytes, purpose: str) -> OneTime:
    """The secret. Raises JoinRefused or InvitationRequired unless it works now.

    Who asked for it has to be an active administrator still.
    """
    found = tokens.one_time(tx, secret_hash, purpose)
    if found is None or found.expires_us <= tx.now_us() or not _stands(tx, found.issuer):
        if purpose == JOIN:
            raise JoinRefused("the join token is unknown, expired or used")
        raise InvitationRequired("the invitation is unknown, expired or used")
    return found


def _stands(tx: Tx, issuer: UserId) -> bool:
    if issuer == 0:
        return True
    found = people.person(tx, issuer)
    return found is not None and found[1:] == ("admin", "active")


def spend_one_time(tx: Tx, secret_hash: bytes) -> None:
    """Use up a secret that was checked in this tx."""
    spent = tokens.delete_one_time(tx, secret_hash)
    assert spent, "the secret was checked in this very tx"


def spend_nonce(tx: Tx, nonce: str, expires_us: int) -> None:
    """Raises SealInvalid where the nonce came before."""
    if not tokens.insert_nonce(tx, nonce, expires_us):
        raise SealInvalid("this sealed body came before")


def forget(tx: Tx) -> int:
    """Forget some of what is too old to count: tokens, nonces, answers. Gives how many; 0 when done."""
    now_us = tx.now_us()
    forgotten = tokens.forget(tx, now_us, _PAGE) + replies.forget(tx, now_us - REPLIES_KEPT_US, _PAGE)
    return forgotten + shadow.forget(tx, now_us - STAGED_KEPT_US, _STAGED_PAGE)
