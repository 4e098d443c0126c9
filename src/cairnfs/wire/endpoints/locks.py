"""The lock service: sessions, which hold the leases, and locks."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import locks, sessions
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import PATHS, Endpoint

#: How many wait, or follow their grants, at one process of the control plane; and of one user.
_PLACES = (1280, 1024)

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

ACQUIRE_LOCK = Endpoint(
    "acquire_lock",
    "locks",
    "POST",
    "/v1/locks",
    locks.AcquireRequest,
    locks.LockReply,
    "user",
    "Ask for a lock on one path or many",
    (*PATHS, e.Locked, e.Deadlock, e.QueueFull, e.TooManyLocks, e.SessionEnded, e.RequestReused, e.Busy),
)
WAIT_LOCK = Endpoint(
    "wait_lock",
    "locks",
    "POST",
    "/v1/locks/{lock}/wait",
    locks.WaitRequest,
    locks.LockReply,
    "user",
    "Wait for a lock's grant",
    (e.NoSuchLock, e.LockTokenWrong),
    waits=True,
    places=_PLACES,
)
LOCK_EVENTS = Endpoint(
    "lock_events",
    "locks",
    "GET",
    "/v1/locks/events",
    locks.LockEventsRequest,
    locks.LockEvent,
    "user",
    "A session's grants, as they come",
    (e.SessionEnded, e.IncarnationChanged, e.Busy),
    frames="events",
    places=_PLACES,
)
RENEW_LOCK = Endpoint(
    "renew_lock",
    "locks",
    "POST",
    "/v1/locks/{lock}/renew",
    locks.TokenRequest,
    sessions.RenewReply,
    "user",
    "Renew the session that holds a lock",
    (e.NoSuchLock, e.LockTokenWrong, e.SessionEnded),
)
UPGRADE_LOCK = Endpoint(
    "upgrade_lock",
    "locks",
    "POST",
    "/v1/locks/{lock}/upgrade",
    locks.TokenRequest,
    locks.LockReply,
    "user",
    "Make a shared lock exclusive",
    (e.NoSuchLock, e.LockTokenWrong, e.NotSoleHolder, e.Deadlock, e.QueueFull, e.Forbidden),
)
RELEASE_LOCKS = Endpoint(
    "release_locks",
    "locks",
    "POST",
    "/v1/locks/release",
    locks.ReleaseRequest,
    Empty,
    "user",
    "Release locks, or withdraw requests",
    (e.NoSuchLock, e.LockTokenWrong, e.TooManyLocks),
)
BREAK_LOCK = Endpoint(
    "break_lock",
    "locks",
    "POST",
    "/v1/locks/{lock}/break",
    locks.BreakRequest,
    Empty,
    "user",
    "Take a lock from its holder",
    (e.NoSuchLock, e.Forbidden),
)
LIST_LOCKS = Endpoint(
    "list_locks",
    "locks",
    "POST",
    "/v1/locks/list",
    locks.ListLocksRequest,
    locks.ListLocksReply,
    "user",
    "Who holds locks, and who waits",
    (*PATHS, e.BadCursor),
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    BEGIN_SESSION,
    RENEW_SESSION,
    END_SESSION,
    ACQUIRE_LOCK,
    WAIT_LOCK,
    LOCK_EVENTS,
    RENEW_LOCK,
    UPGRADE_LOCK,
    RELEASE_LOCKS,
    BREAK_LOCK,
    LIST_LOCKS,
)
