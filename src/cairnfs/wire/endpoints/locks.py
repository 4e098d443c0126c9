"""The lock service's ground: sessions."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import sessions
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

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

#: All of them, in the order of the documents.
ENDPOINTS = (
    BEGIN_SESSION,
    RENEW_SESSION,
    END_SESSION,
)
