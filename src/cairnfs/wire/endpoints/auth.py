"""The auth service: keys, sign-up, login, tokens, people."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import auth
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

KEYS = Endpoint(
    "keys",
    "auth",
    "GET",
    "/v1/auth/keys",
    Empty,
    auth.KeysReply,
    "anyone",
    "Public keys to seal to and to check tokens by",
)
SIGNUP = Endpoint(
    "signup",
    "auth",
    "POST",
    "/v1/auth/signup",
    auth.SealedRequest,
    auth.TokenReply,
    "anyone",
    "Make a user with a home directory",
    (e.SealInvalid, e.Exists, e.BadName, e.InvitationRequired, e.Locked),
)
LOGIN = Endpoint(
    "login",
    "auth",
    "POST",
    "/v1/auth/login",
    auth.SealedRequest,
    auth.TokenReply,
    "anyone",
    "Exchange a sealed password for tokens",
    (e.SealInvalid, e.BadCredentials, e.TooManyLogins, e.Forbidden),
)
REFRESH = Endpoint(
    "refresh",
    "auth",
    "POST",
    "/v1/auth/refresh",
    auth.RefreshRequest,
    auth.TokenReply,
    "anyone",
    "A new access token",
    (e.TokenInvalid, e.TokenExpired),
)
LOGOUT = Endpoint(
    "logout",
    "auth",
    "POST",
    "/v1/auth/logout",
    auth.RefreshRequest,
    Empty,
    "anyone",
    "Revoke a refresh token",
)
PASSWORD = Endpoint(
    "password",
    "auth",
    "POST",
    "/v1/auth/password",
    auth.SealedRequest,
    Empty,
    "user",
    "Change one's password; revokes one's refresh tokens",
    (e.SealInvalid, e.BadCredentials, e.TooManyLogins, e.Forbidden),
)
WHOAMI = Endpoint("whoami", "auth", "GET", "/v1/auth/whoami", Empty, auth.WhoamiReply, "user", "Who one is")
JOIN_TOKEN = Endpoint(
    "join_token",
    "auth",
    "POST",
    "/v1/auth/join-tokens",
    auth.OneTimeRequest,
    auth.OneTimeReply,
    "admin",
    "A one-time token by which a fileserver joins",
    (e.Busy,),
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    KEYS,
    SIGNUP,
    LOGIN,
    REFRESH,
    LOGOUT,
    PASSWORD,
    WHOAMI,
    JOIN_TOKEN,
)
