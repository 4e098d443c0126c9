"""The directory service: names, versions, listings, and where the chunks of a file lie."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import directory
from cairnfs.wire.endpoint import HISTORY, PATHS, Endpoint

STAT = Endpoint(
    "stat",
    "directory",
    "POST",
    "/v1/stat",
    directory.StatRequest,
    directory.StatReply,
    "user",
    "What paths lead to",
    (*HISTORY, e.TooManyOperations),
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
    (*PATHS, *HISTORY, e.BadCursor),
)
WALK = Endpoint(
    "walk",
    "directory",
    "POST",
    "/v1/walk",
    directory.WalkRequest,
    directory.WalkReply,
    "user",
    "One page of everything below a directory",
    (*PATHS, *HISTORY, e.BadCursor, e.NoSuchTree, e.IncarnationChanged),
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
    (*PATHS, *HISTORY, e.IsADirectory, e.BadRange),
)
OPEN_MANY = Endpoint(
    "open_many",
    "directory",
    "POST",
    "/v1/open-many",
    directory.OpenManyRequest,
    directory.OpenManyReply,
    "user",
    "Versions of many files and their chunks",
    (*HISTORY, e.TooManyOperations),
    body_max_bytes=16 * 1024 * 1024,
)
XATTRS = Endpoint(
    "xattrs",
    "directory",
    "POST",
    "/v1/xattrs",
    directory.XattrsRequest,
    directory.XattrsReply,
    "user",
    "Extended attributes of what paths lead to",
    (*HISTORY, e.TooManyOperations),
    body_max_bytes=16 * 1024 * 1024,
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    STAT,
    LIST,
    WALK,
    OPEN,
    OPEN_MANY,
    XATTRS,
)
