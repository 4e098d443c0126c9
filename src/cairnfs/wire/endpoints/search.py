"""Finding and measuring: names below a path, and what is below it in sum."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import search
from cairnfs.wire.endpoint import HISTORY, PATHS, Endpoint

FIND = Endpoint(
    "find",
    "directory",
    "POST",
    "/v1/find",
    search.FindRequest,
    search.FindReply,
    "user",
    "What is at or below a path and meets conditions, and where it can be read",
    (*PATHS, *HISTORY, e.BadPattern, e.BadCursor, e.NoSuchUser, e.NoSuchGroup),
)
USAGE = Endpoint(
    "usage",
    "directory",
    "POST",
    "/v1/du",
    search.UsageRequest,
    search.UsageReply,
    "user",
    "What is at and below a path in sum",
    (*PATHS, *HISTORY, e.BadCursor),
)

#: All of them, in the order of the documents.
ENDPOINTS = (FIND, USAGE)
