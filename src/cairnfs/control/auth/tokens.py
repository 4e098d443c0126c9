"""Issuing access tokens. How they are checked: `net/tokens.py`, which every service has.

What belongs here: signing a token for a user, the service's own token by which the control plane calls
fileservers, and how long refresh tokens live. What does not: refresh tokens themselves, which the
database keeps (`metadata/ops/tokens.py`). One event loop.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import cast

import msgspec
from joserfc import jws
from joserfc.jwk import OKPKey

from cairnfs.clock import Clock
from cairnfs.ids import ClusterId, UserId
from cairnfs.net.tokens import ALGORITHM, TYPE, Claims, Role

TOKEN_TTL_S = 15 * 60
_DAY_S = 24 * 3600
REFRESH_TTL_US = 30 * _DAY_S * 1_000_000
#: A fileserver has no other way in: it may stay away for longer than people.
REFRESH_TTL_FILESERVER_US = 1_000 * REFRESH_TTL_US
_REMEMBERED_MAX = 10_000
#: The control plane renews the token for its own calls when less than this is left.
_OWN_LEFT_S = 5 * 60
#: Owner of nothing; the root belongs to 0 until there is an administrator.
_NOBODY = UserId(-1)


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

    def issue(self, user_id: UserId, name: str, role: str) -> Issued:
        """A token of 15 minutes for this user."""
        now = self._clock.now_us() // 1_000_000
        claims = Claims(
            iss=self._cluster_id,
            sub=str(user_id),
            name=name,
            role=cast(Role, role),
            iat=now,
            exp=now + TOKEN_TTL_S,
        )
        header = {"alg": ALGORITHM, "kid": self._key.kid, "typ": TYPE}
        token = jws.serialize_compact(header, msgspec.json.encode(claims), self._key, algorithms=[ALGORITHM])
        return Issued(token, claims.exp * 1_000_000)

    async def own(self) -> str:
        """The control plane's token for its calls to fileservers: no user, role fileserver."""
        left_us = 0 if self._own is None else self._own.expires_at_us - self._clock.now_us()
        if self._own is None or left_us < _OWN_LEFT_S * 1_000_000:
            self._own = self.issue(_NOBODY, "control", "fileserver")
        return self._own.token


class RefreshTtl:
    """How long refresh tokens live: 30 days since they were last used, looked at once a day."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._extended: OrderedDict[bytes, float] = OrderedDict()

    def expires_us(self, role: str) -> int:
        """When one that is used now expires."""
        ttl_us = REFRESH_TTL_FILESERVER_US if role == "fileserver" else REFRESH_TTL_US
        return self._clock.now_us() + ttl_us

    def is_due(self, digest: bytes) -> bool:
        """Whether its time should be written anew; says so once a day for each, in this process."""
        now = self._clock.monotonic()
        last = self._extended.get(digest)
        if last is not None and now - last < _DAY_S:
            return False
        self._extended[digest] = now
        self._extended.move_to_end(digest)
        while len(self._extended) > _REMEMBERED_MAX:
            self._extended.popitem(last=False)
        return True


def new_secret() -> str:
    """A secret of 256 random bits, for refresh tokens, join tokens and invitations."""
    return secrets.token_urlsafe(32)
