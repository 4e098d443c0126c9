"""The transaction service: single-shot commits, settling lost answers, copying trees."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import commits, copies
from cairnfs.wire.endpoint import HISTORY, PATHS, Endpoint

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
        *PATHS,
        *HISTORY,
        e.IncarnationChanged,
        e.IsADirectory,
        e.Exists,
        e.NotEmpty,
        e.LinkToDirectory,
        e.TooManyLinks,
        e.BadSymlink,
        e.RenameIntoItself,
        e.RootIsFixed,
        e.NoSuchUser,
        e.NoSuchGroup,
        e.BadXattr,
        e.NoSuchXattr,
        e.XattrTooLarge,
        e.VersionChanged,
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
COMMIT_MANY = Endpoint(
    "commit_many",
    "transactions",
    "POST",
    "/v1/commits/many",
    commits.CommitManyRequest,
    commits.CommitManyReply,
    "user",
    "Several commits that do not know of each other, in one request",
    (e.TooManyOperations,),
    body_max_bytes=16 * 1024 * 1024,
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
COPY = Endpoint(
    "copy",
    "transactions",
    "POST",
    "/v1/copies",
    copies.CopyRequest,
    copies.CopyReply,
    "user",
    "Copy a directory with all below it in one commit, sending nothing",
    (
        *PATHS,
        *HISTORY,
        e.IncarnationChanged,
        e.Exists,
        e.RootIsFixed,
        e.RequestReused,
        e.Aborted,
        e.TooManyOperations,
        e.TooLarge,
        e.DeadlineExceeded,
        e.Busy,
    ),
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    COMMIT,
    COMMIT_MANY,
    SETTLE,
    COPY,
)
