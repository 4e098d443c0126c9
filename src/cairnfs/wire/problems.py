"""How an error travels: a problem document (RFC 9457) with Cairn's stable code.

What belongs here: CairnError to Problem and back. The classes are in `cairnfs.errors`. Any thread.
"""

from __future__ import annotations

from cairnfs.errors import (
    BY_CODE,
    CairnError,
    Conflict,
    Denied,
    Internal,
    Limit,
    Missing,
    Unavailable,
    Usage,
)
from cairnfs.wire.codec import Reply

MEDIA_TYPE = "application/problem+json"


class Problem(Reply, kw_only=True):
    """One error. `code` is stable and for programs; the other texts are for people."""

    code: str
    status: int
    title: str = ""
    detail: str = ""
    hint: str = ""
    path: str | None = None
    retryable: bool = False
    retry_after_ms: int | None = None
    request_id: str | None = None


def from_error(error: CairnError, request_id: str | None = None) -> Problem:
    """The document of an error."""
    return Problem(
        code=error.code,
        status=error.status,
        title=error.title(),
        detail=error.detail,
        hint=error.hint,
        path=error.path,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        request_id=request_id,
    )


def to_error(problem: Problem) -> CairnError:
    """The error of a document; a code of a newer server becomes the nearest known class."""
    kind = BY_CODE.get(problem.code) or _nearest(problem)
    error = kind(problem.detail, hint=problem.hint, path=problem.path)
    error.retry_after_ms = problem.retry_after_ms
    return error


def _nearest(problem: Problem) -> type[CairnError]:
    if problem.retryable:
        return Unavailable
    for kind, statuses in _BY_STATUS.items():
        if problem.status in statuses:
            return kind
    return Internal


_BY_STATUS: dict[type[CairnError], tuple[int, ...]] = {
    Usage: (400, 405, 406, 411, 414, 415, 416, 422),
    Denied: (401, 403),
    Missing: (404, 410),
    Conflict: (409, 412, 423),
    Limit: (413, 431, 507),
    Unavailable: (408, 425, 429, 502, 503, 504),
}
