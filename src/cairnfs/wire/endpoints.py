"""The one table of endpoints: from it come the server's routes, the client's stubs and OpenAPI.

What belongs here: method, path, messages, who may call, which errors to expect. What does not:
how an endpoint is served (`net/serving.py`) or called (`net/calls.py`). The chunk plane's two
endpoints carry frames (`wire/chunks.py`) instead of JSON on one side and are marked so.
"""

from __future__ import annotations

from typing import Any

from cairnfs import errors as e
from cairnfs.wire import auth, chunks, cluster, commits, directory, sessions, verification
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

__all__ = ["CONTROL", "FILESERVER", "Endpoint"]

_PATHS = (e.BadName, e.PathTooLong, e.NotFound, e.NotADirectory, e.Forbidden)
_HISTORY = (e.NoSuchCommit, e.BeforeHorizon, e.IncarnationChanged)

# auth
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
    (e.SealInvalid, e.Exists, e.BadName, e.InvitationRequired),
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
    (e.SealInvalid, e.BadCredentials, e.TooManyLogins),
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
WHOAMI = Endpoint(
    "whoami", "auth", "GET", "/v1/auth/whoami", Empty, auth.WhoamiReply, "user", "Who the token says one is"
)
JOIN_TOKEN = Endpoint(
    "join_token",
    "auth",
    "POST",
    "/v1/auth/join-tokens",
    auth.OneTimeRequest,
    auth.OneTimeReply,
    "admin",
    "A one-time token by which a fileserver joins",
)
INVITATION = Endpoint(
    "invitation",
    "auth",
    "POST",
    "/v1/auth/invitations",
    auth.OneTimeRequest,
    auth.OneTimeReply,
    "admin",
    "A one-time invitation to sign up",
)

# directory
STAT = Endpoint(
    "stat",
    "directory",
    "POST",
    "/v1/stat",
    directory.StatRequest,
    directory.StatReply,
    "user",
    "What paths lead to",
    (*_HISTORY, e.TooManyOperations),
    body_max_bytes=16 * 1024 * 1024,
)
LIST = Endpoint(
    "list",
    "directory",
    "POST",
    "/v1/list",
    directory.ListRequest,
    directory.ListReply,
    "user",
    "One page of a directory",
    (*_PATHS, *_HISTORY, e.BadCursor),
)
OPEN = Endpoint(
    "open",
    "directory",
    "POST",
    "/v1/open",
    directory.OpenRequest,
    directory.OpenReply,
    "user",
    "A file's version and its chunks",
    (*_PATHS, *_HISTORY, e.IsADirectory, e.BadRange),
)

# transactions
COMMIT = Endpoint(
    "commit",
    "transactions",
    "POST",
    "/v1/commits",
    commits.CommitRequest,
    commits.CommitReply,
    "user",
    "Change many paths at one instant, or nothing",
    (
        *_PATHS,
        e.IsADirectory,
        e.Exists,
        e.NotEmpty,
        e.RenameIntoItself,
        e.RootIsFixed,
        e.VersionChanged,
        e.IncarnationChanged,
        e.SessionEnded,
        e.NotDurable,
        e.ReceiptInvalid,
        e.RequestReused,
        e.Aborted,
        e.TooManyOperations,
        e.LengthMismatch,
        e.DeadlineExceeded,
        e.Busy,
    ),
    body_max_bytes=commits.COMMIT_BODY_MAX_BYTES,
)
SETTLE = Endpoint(
    "settle",
    "transactions",
    "POST",
    "/v1/commits/settle",
    commits.SettleRequest,
    commits.SettleReply,
    "user",
    "The outcome of a commit whose answer was lost",
    (e.Busy,),
)

# sessions (the lock service's ground)
BEGIN_SESSION = Endpoint(
    "begin_session",
    "locks",
    "POST",
    "/v1/sessions",
    sessions.SessionRequest,
    sessions.SessionReply,
    "user",
    "Begin a session",
    (e.Busy,),
)
RENEW_SESSION = Endpoint(
    "renew_session",
    "locks",
    "POST",
    "/v1/sessions/{session}/renew",
    sessions.RenewRequest,
    sessions.RenewReply,
    "user",
    "Renew a session",
    (e.SessionEnded,),
)
END_SESSION = Endpoint(
    "end_session", "locks", "DELETE", "/v1/sessions/{session}", Empty, Empty, "user", "End a session"
)

# cluster
CLUSTER_MAP = Endpoint(
    "cluster_map",
    "cluster",
    "GET",
    "/v1/map",
    Empty,
    cluster.ClusterMap,
    "user",
    "Groups, their members and where these are",
)
STATUS = Endpoint(
    "status", "cluster", "GET", "/v1/status", Empty, cluster.StatusReply, "user", "The cluster for people"
)
JOIN = Endpoint(
    "join",
    "cluster",
    "POST",
    "/v1/fileservers",
    cluster.JoinRequest,
    cluster.JoinReply,
    "anyone",
    "A new fileserver joins",
    (e.JoinRefused,),
)
REGISTER = Endpoint(
    "register",
    "cluster",
    "POST",
    "/v1/fileservers/{fileserver}/register",
    cluster.RegisterRequest,
    cluster.HeartbeatReply,
    "fileserver",
    "A known fileserver starts again",
    (e.NotFound, e.ForeignCluster),
)
HEARTBEAT = Endpoint(
    "heartbeat",
    "cluster",
    "POST",
    "/v1/fileservers/{fileserver}/heartbeat",
    cluster.HeartbeatRequest,
    cluster.HeartbeatReply,
    "fileserver",
    "A fileserver is alive",
    (e.NotFound, e.Conflict),
)
VERIFY_DATABASE = Endpoint(
    "verify_database",
    "cluster",
    "POST",
    "/v1/verify/database",
    Empty,
    verification.VerifyDatabaseReply,
    "admin",
    "Check every invariant of the database",
)
VERIFY_GROUPS = Endpoint(
    "verify_groups",
    "cluster",
    "POST",
    "/v1/verify/groups",
    verification.VerifyGroupsRequest,
    verification.VerifyGroupsReply,
    "admin",
    "Compare groups with the fileservers' inventories",
)

#: What the control plane serves.
CONTROL: tuple[Endpoint[Any, Any], ...] = (
    KEYS, SIGNUP, LOGIN, REFRESH, LOGOUT, PASSWORD, WHOAMI, JOIN_TOKEN, INVITATION,
    STAT, LIST, OPEN, COMMIT, SETTLE, BEGIN_SESSION, RENEW_SESSION, END_SESSION,
    CLUSTER_MAP, STATUS, JOIN, REGISTER, HEARTBEAT, VERIFY_DATABASE, VERIFY_GROUPS,
)  # fmt: skip

# fileserver
PUT_CHUNKS = Endpoint(
    "put_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/put",
    Empty,
    chunks.PutReply,
    "user",
    "Store chunks here and at the other members",
    (e.HashMismatch, e.LengthMismatch, e.TooLarge, e.NotAMember, e.NoSpace, e.TooFewCopies),
    "request",
    chunks.PUT_BODY_MAX_BYTES,
    {
        chunks.SESSION_HEADER: True,
        chunks.BEGIN_HEADER: True,
        chunks.DURABILITY_HEADER: False,
        chunks.MAP_HEADER: False,
    },
)
FORWARD_CHUNKS = Endpoint(
    "forward_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/forward",
    Empty,
    chunks.ForwardReply,
    "fileserver",
    "A member passes chunks on to this one",
    (e.HashMismatch, e.LengthMismatch, e.TooLarge, e.NoSpace),
    "request",
    chunks.PUT_BODY_MAX_BYTES,
    {chunks.BEGIN_HEADER: True},
)
GET_CHUNKS = Endpoint(
    "get_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/get",
    chunks.GetRequest,
    Empty,
    "user",
    "Read chunks",
    (e.TooLarge,),
    "reply",
)
INVENTORY = Endpoint(
    "inventory",
    "fileserver",
    "POST",
    "/v1/inventory",
    verification.InventoryRequest,
    verification.InventoryReply,
    "fileserver",
    "Which chunks are here",
)

FETCH_CHUNKS = Endpoint(
    "fetch_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/fetch",
    chunks.FetchRequest,
    chunks.FetchReply,
    "fileserver",
    "Copy chunks that this member lacks from other members",
    (e.TooLarge, e.NoSpace),
)

#: What a fileserver serves.
FILESERVER: tuple[Endpoint[Any, Any], ...] = (
    PUT_CHUNKS,
    FORWARD_CHUNKS,
    GET_CHUNKS,
    INVENTORY,
    FETCH_CHUNKS,
)
