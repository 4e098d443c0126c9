"""Messages of the auth service: keys, sign-up, login, tokens, join tokens, invitations.

`sealed` is a JWE (compact form) to the key that `GET /v1/auth/keys` gives, of one of the
*Sealed structs below as JSON. Texts that are secrets are never logged or shown by repr.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cairnfs.wire.codec import Moment, Reply, Request

ONE_TIME_MS_MIN, ONE_TIME_MS_MAX = 1_000, 7 * 24 * 3600 * 1000


class KeysReply(Reply, kw_only=True):
    """A JWKS: one key with `use: enc` to seal to, one or more with `use: sig` to check tokens by."""

    keys: list[dict[str, Any]]
    cluster_id: str
    now_us: int


class SealedRequest(Request, kw_only=True):
    """A sealed body."""

    sealed: str


class SignupSealed(Request, kw_only=True):
    """Inside the seal of a sign-up. `time_us` must be within 5 minutes; a nonce counts once."""

    purpose: str  # "signup"
    name: str
    password: str | None = None  # only an administrator made by the first `up` has none
    invitation: str | None = None
    time_us: Moment
    nonce: str

    def __repr__(self) -> str:
        return f"SignupSealed(name={self.name!r})"


class LoginSealed(Request, kw_only=True):
    """Inside the seal of a login."""

    purpose: str  # "login"
    name: str
    password: str
    time_us: Moment
    nonce: str

    def __repr__(self) -> str:
        return f"LoginSealed(name={self.name!r})"


class PasswordSealed(Request, kw_only=True):
    """Inside the seal of a change of password. `old` may be absent only where none was set."""

    purpose: str  # "password"
    old: str | None = None
    new: str
    time_us: Moment
    nonce: str

    def __repr__(self) -> str:
        return "PasswordSealed()"


class TokenReply(Reply, kw_only=True):
    """What a login, sign-up or refresh gives: an access token (15 minutes) and how to renew it."""

    user: str
    role: str  # "user", "admin" or "fileserver"
    token: str
    expires_at_us: int
    refresh_token: str
    home: str | None = None  # the text form of the user's home directory

    def __repr__(self) -> str:
        return f"TokenReply(user={self.user!r}, role={self.role!r})"


class RefreshRequest(Request, kw_only=True):
    """Exchange (or, at logout, revoke) a refresh token."""

    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshRequest()"


class WhoamiReply(Reply, kw_only=True):
    """Who one is: role and user groups as the database has them now, the rest as the token says."""

    user: str
    user_id: int
    role: str
    cluster_id: str
    expires_at_us: int
    home: str | None = None
    user_groups: list[str] = []


class OneTimeRequest(Request, kw_only=True):
    """Ask for a one-time join token (fileservers) or invitation (people), good for 1 s to 7 days."""

    ttl_ms: Annotated[int, Meta(ge=ONE_TIME_MS_MIN, le=ONE_TIME_MS_MAX)] = 600_000


class OneTimeReply(Reply, kw_only=True):
    """A secret that works once. `id` is what it is called where it is listed or revoked: no secret."""

    secret: str
    expires_at_us: int
    id: str = ""

    def __repr__(self) -> str:
        return "OneTimeReply()"
