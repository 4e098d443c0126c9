"""Looking back and following: the log, a path's history, differences, and the stream of changes."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import history
from cairnfs.wire.endpoint import HISTORY, PATHS, Endpoint

LOG = Endpoint(
    "log",
    "directory",
    "POST",
    "/v1/log",
    history.LogRequest,
    history.LogReply,
    "user",
    "Commits that changed something at or below a path",
    (*PATHS, *HISTORY, e.BadCursor),
)
PAST = Endpoint(
    "history",
    "directory",
    "POST",
    "/v1/history",
    history.HistoryRequest,
    history.HistoryReply,
    "user",
    "What a path has led to",
    (*PATHS, *HISTORY, e.BadCursor),
)
DIFF = Endpoint(
    "diff",
    "directory",
    "POST",
    "/v1/diff",
    history.DiffRequest,
    history.DiffReply,
    "user",
    "How a tree differs between two moments",
    (*PATHS, *HISTORY, e.BadCursor),
)
CHANGES = Endpoint(
    "changes",
    "directory",
    "GET",
    "/v1/changes",
    history.ChangesRequest,
    history.Changes,
    "user",
    "What commits change at or below a path, as they come",
    (*PATHS, e.NoSuchCommit, e.BeforeHorizon, e.IncarnationChanged, e.Busy),
    frames="events",
)

#: All of them, in the order of the documents.
ENDPOINTS = (LOG, PAST, DIFF, CHANGES)
