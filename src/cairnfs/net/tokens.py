"""Access tokens, checked by each service on its own: no request to anyone, mostly a dictionary hit.

A token is a JWT signed with Ed25519 (`alg: Ed25519`, RFC 9864) by one of the cluster's signing keys:
`iss` the cluster's id, `sub` the user's id, `name`, `role`, `iat`, `exp` (seconds). What belongs
here: checking. What does not: issuing (`control/auth/tokens.py`). One event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from cairnfs.clock import Clock
from cairnfs.errors import TokenExpired, TokenInvalid
from cairnfs.ids import ClusterId, UserId
from cairnfs.net.serving import Caller

Role = Literal["user", "admin", "fileserver"]

ALGORITHM: Final = "Ed25519"
CURVE: Final = "Ed25519"
TYPE: Final = "JWT"
TOKEN_MAX_CHARS = 2048
#: Checked tokens that are remembered; the oldest give way.
CACHE_MAX = 8192


class Claims(msgspec.Struct, frozen=True):
    """What a token says. Times in seconds since 1970."""

    iss: str
    sub: str
    name: str
    role: Role
    iat: int
    exp: int


_claims = msgspec.json.Decoder(Claims)


class TokenChecker:
    """Says who a token's bearer is. Call it with the token's text."""

    def __init__(
        self,
        jwks: Iterable[Mapping[str, Any]],
        cluster_id: ClusterId,
        clock: Clock,
        *,
        cache_max: int = CACHE_MAX,
    ) -> None:
        """`jwks` as `KeysReply.keys` gives them; keys for other uses are passed over."""
        self._cluster_id = cluster_id
        self._clock = clock
        self._cache_max = cache_max
        self._jwks: list[dict[str, Any]] = []
        self._keys: dict[str, OKPKey] = {}
        self._known: dict[str, Caller] = {}
        self.update(jwks)

    def update(self, jwks: Iterable[Mapping[str, Any]]) -> None:
        """Take these keys in place of the former; what a key that is gone has signed is void at once."""
        self._jwks = [dict(key) for key in jwks]
        self._keys = {
            str(key["kid"]): OKPKey.import_key(key)
            for key in self._jwks
            if key.get("use") == "sig" and key.get("crv") == CURVE and "kid" in key
        }
        self._known = {}

    @property
    def keys(self) -> list[dict[str, Any]]:
        """The JWKS in use, to be kept for a start while the control plane is away."""
        return self._jwks

    def __call__(self, token: str) -> Caller:
        """Who calls. Raises TokenInvalid, TokenExpired."""
        known = self._known
        caller = known.get(token)
        if caller is None:
            caller = self._check(token)
            while len(known) >= self._cache_max:
                known.pop(next(iter(known)), None)
            known[token] = caller
        if caller.expires_at_us <= self._clock.now_us():
            known.pop(token, None)
            raise TokenExpired("the access token's time is over")
        return caller

    def _check(self, token: str) -> Caller:
        if len(token) > TOKEN_MAX_CHARS:
            raise TokenInvalid("the access token is too long")
        try:
            signed = jws.deserialize_compact(token, self._key, algorithms=[ALGORITHM])
            claims = _claims.decode(signed.payload)
            user_id = int(claims.sub)
        except (JoseError, msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError):
            raise TokenInvalid("the access token was not issued by this cluster") from None
        if claims.iss != self._cluster_id:
            raise TokenInvalid("the access token is another cluster's")
        return Caller(
            user_id=UserId(user_id),
            name=claims.name,
            role=claims.role,
            expires_at_us=claims.exp * 1_000_000,
        )

    def _key(self, token: Any) -> OKPKey:
        """The key that a token names; its header is checked before its signature."""
        header = token.headers()
        if header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
            raise ValueError("not an access token")
        return self._keys[header["kid"]]
