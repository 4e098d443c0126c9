"""Issuing access tokens. How they are checked: `net/tokens.py`, which every service has.

What belongs here: signing a token for a user, and the service's own token by which the control plane
calls fileservers. What does not: refresh tokens, which live in the database. One event loop.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
from joserfc import jws
from joserfc.jwk import OKPKey

from cairnfs.clock import Clock
from cairnfs.ids import ClusterId, UserId
from cairnfs.net.tokens import ALGORITHM, TYPE, Claims, Role

TOKEN_TTL_S = 15 * 60
REFRESH_TTL_US = 30 * 24 * 3600 * 1_000_000
#: The control plane renews the token for its own calls when less than this is left.
_OWN_LEFT_S = 5 * 60


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token and the end of its time."""

    token: str = field(repr=False)
    expires_at_us: int


class Issuer:
    """Signs tokens in the cluster's name."""

    def __init__(self, key: OKPKey, cluster_id: ClusterId, clock: Clock) -> None:
        """`key` is the private signing key."""
        self._key = key
        self._cluster_id = cluster_id
        self._clock = clock
        self._own: Issued | None = None

    def issue(self, user_id: UserId, name: str, role: Role) -> Issued:
        """A token of 15 minutes for this user."""
        now = self._clock.now_us() // 1_000_000
        claims = Claims(
            iss=self._cluster_id, sub=str(user_id), name=name, role=role, iat=now, exp=now + TOKEN_TTL_S
        )
        header = {"alg": ALGORITHM, "kid": self._key.kid, "typ": TYPE}
        token = jws.serialize_compact(header, msgspec.json.encode(claims), self._key, algorithms=[ALGORITHM])
        return Issued(token, claims.exp * 1_000_000)

    async def own(self) -> str:
        """The control plane's token for its calls to fileservers: user 0, role fileserver."""
        left_us = 0 if self._own is None else self._own.expires_at_us - self._clock.now_us()
        if self._own is None or left_us < _OWN_LEFT_S * 1_000_000:
            self._own = self.issue(UserId(0), "control", "fileserver")
        return self._own.token


def new_secret() -> str:
    """A secret of 256 random bits, for refresh tokens, join tokens and invitations."""
    return secrets.token_urlsafe(32)
