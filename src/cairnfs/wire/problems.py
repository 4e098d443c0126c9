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
    Locked,
    Missing,
    NotDurable,
    Unavailable,
    Usage,
)
from cairnfs.wire import names
from cairnfs.wire.codec import Reply
from cairnfs.wire.shapes import Bytes

#: Hashes that one problem names.
CHUNKS_MAX = 4096
MEDIA_TYPE = "application/problem+json"


class LockedAt(Reply, kw_only=True):
    """A path whose lock is the turn to wait for; `subtree`: with all below it."""

    path: str
    path_b64: str | None = None
    subtree: bool = False


class Problem(Reply, kw_only=True):
    """One error. `code` is stable and for programs; the other texts are for people.

    `chunks`, with `not_durable`: the hashes of chunks to send before asking again, at most CHUNKS_MAX.
    `locked`, with `locked`: what to lock so as to wait for one's turn.
    """

    code: str
    status: int
    title: str = ""
    detail: str = ""
    hint: str = ""
    path: str | None = None
    retryable: bool = False
    retry_after_ms: int | None = None
    request_id: str | None = None
    chunks: list[Bytes] | None = None
    locked: LockedAt | None = None


def from_error(error: CairnError, request_id: str | None = None) -> Problem:
    """The document of an error."""
    chunks = list(error.chunks[:CHUNKS_MAX]) if isinstance(error, NotDurable) else []
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
        chunks=chunks or None,
        locked=_locked_at(error),
    )


def to_error(problem: Problem) -> CairnError:
    """The error of a document; a code of a newer server becomes the nearest known class."""
    kind = BY_CODE.get(problem.code) or _nearest(problem)
    error = kind(problem.detail, hint=problem.hint, path=problem.path)
    error.retry_after_ms = problem.retry_after_ms
    if isinstance(error, NotDurable):
        error.chunks = tuple(problem.chunks or ())
    if isinstance(error, Locked) and problem.locked is not None:
        error.where = names.to_path(problem.locked.path, problem.locked.path_b64)
        error.subtree = problem.locked.subtree
    return error


def _locked_at(error: CairnError) -> LockedAt | None:
    if not isinstance(error, Locked) or error.where is None:
        return None
    text, base64 = names.to_text(error.where)
    return LockedAt(path=text, path_b64=base64, subtree=error.subtree)


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
