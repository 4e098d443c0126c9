"""The one tree of errors that Cairn raises, sends and prints.

    CairnError
    ├── Usage           the request is wrong and stays wrong            exit 2
    │   ├── BadRequest, BadName, PathTooLong, UnknownField, BadCursor, BadRange, BadPattern,
    │   └── BadXattr, BadSymlink, RequestReused, LengthMismatch, HashMismatch
    ├── Missing         the thing named is not there                    exit 3
    │   └── NotFound, NoSuchUser, NoSuchGroup, NoSuchXattr, NoSuchSnapshot, NoSuchTree,
    │       NoSuchLock, BeforeHorizon, NoSuchCommit, ChunkNotFound, ChunkCollected
    ├── Denied          who asks may not                                exit 4
    │   └── BadCredentials, TokenExpired, TokenInvalid, Forbidden, InvitationRequired,
    │       JoinRefused, ForeignCluster, ReceiptInvalid, LockTokenWrong
    ├── Conflict        it may be right, but not in this state          exit 5
    │   └── Exists, NotADirectory, IsADirectory, SymlinkLoop, LinkToDirectory, NotEmpty,
    │       RenameIntoItself, RootIsFixed, VersionChanged, IncarnationChanged, SessionEnded,
    │       NotDurable, Aborted, LastAdministrator, RemovesMost, Locked, LockLost, Deadlock,
    │       NotSoleHolder
    ├── Unavailable     try again                                       exit 6
    │   └── Busy, DeadlineExceeded, OutcomeUnknown, TooFewCopies, NotAMember, ChunkNotYet,
    │       Unreachable, TooManyLogins
    ├── Limit           a published limit or the space is reached       exit 7
    │   ├── TooLarge, TooManyOperations, TooManyLinks, TooManySnapshots, XattrTooLarge,
    │   └── NoSpace, QueueFull, TooManyLocks
    └── Broken          our fault, or the disk's                        exit 6 or 1
        └── ChunkLost, Internal

What belongs here: the classes and their numbers (code, HTTP status, errno, exit status, may the
same request be retried). What does not: how they travel (`wire/problems.py`) or are printed
(`cli/exits.py`). Errors are values: safe to raise from any thread.
"""

from __future__ import annotations

from cairnfs.errors.broken import (
    ChunkLost as ChunkLost,
    Internal as Internal,
)
from cairnfs.errors.conflicts import (
    Aborted as Aborted,
    Exists as Exists,
    IncarnationChanged as IncarnationChanged,
    IsADirectory as IsADirectory,
    LastAdministrator as LastAdministrator,
    LinkToDirectory as LinkToDirectory,
    NotADirectory as NotADirectory,
    NotDurable as NotDurable,
    NotEmpty as NotEmpty,
    RemovesMost as RemovesMost,
    RenameIntoItself as RenameIntoItself,
    RootIsFixed as RootIsFixed,
    SessionEnded as SessionEnded,
    SymlinkLoop as SymlinkLoop,
    VersionChanged as VersionChanged,
)
from cairnfs.errors.denied import (
    BadCredentials as BadCredentials,
    Forbidden as Forbidden,
    ForeignCluster as ForeignCluster,
    InvitationRequired as InvitationRequired,
    JoinRefused as JoinRefused,
    ReceiptInvalid as ReceiptInvalid,
    SealInvalid as SealInvalid,
    TokenExpired as TokenExpired,
    TokenInvalid as TokenInvalid,
    Unauthenticated as Unauthenticated,
)
from cairnfs.errors.kinds import (
    CairnError as CairnError,
    Conflict as Conflict,
    Denied as Denied,
    Limit as Limit,
    Missing as Missing,
    Unavailable as Unavailable,
    Usage as Usage,
)
from cairnfs.errors.limits import (
    NoSpace as NoSpace,
    TooLarge as TooLarge,
    TooManyLinks as TooManyLinks,
    TooManyOperations as TooManyOperations,
    TooManySnapshots as TooManySnapshots,
    XattrTooLarge as XattrTooLarge,
)
from cairnfs.errors.locks import (
    Deadlock as Deadlock,
    Locked as Locked,
    LockLost as LockLost,
    LockTokenWrong as LockTokenWrong,
    NoSuchLock as NoSuchLock,
    NotSoleHolder as NotSoleHolder,
    QueueFull as QueueFull,
    TooManyLocks as TooManyLocks,
)
from cairnfs.errors.missing import (
    BeforeHorizon as BeforeHorizon,
    ChunkCollected as ChunkCollected,
    ChunkMissing as ChunkMissing,
    NoSuchCommit as NoSuchCommit,
    NoSuchGroup as NoSuchGroup,
    NoSuchSnapshot as NoSuchSnapshot,
    NoSuchTree as NoSuchTree,
    NoSuchUser as NoSuchUser,
    NoSuchXattr as NoSuchXattr,
    NotFound as NotFound,
)
from cairnfs.errors.unavailable import (
    Busy as Busy,
    ChunkNotYet as ChunkNotYet,
    DeadlineExceeded as DeadlineExceeded,
    NotAMember as NotAMember,
    OutcomeUnknown as OutcomeUnknown,
    TooFewCopies as TooFewCopies,
    TooManyLogins as TooManyLogins,
    Unreachable as Unreachable,
)
from cairnfs.errors.usage import (
    BadCursor as BadCursor,
    BadName as BadName,
    BadPattern as BadPattern,
    BadRange as BadRange,
    BadRequest as BadRequest,
    BadSymlink as BadSymlink,
    BadXattr as BadXattr,
    HashMismatch as HashMismatch,
    LengthMismatch as LengthMismatch,
    MethodNotAllowed as MethodNotAllowed,
    PathTooLong as PathTooLong,
    RequestReused as RequestReused,
    UnknownField as UnknownField,
    UnsupportedMedia as UnsupportedMedia,
)


def _walk(cls: type[CairnError]) -> list[type[CairnError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _walk(child))]


#: The class that a code travels back to. Where several classes share a code, the deepest one wins,
#: so that `not_found` comes back as NotFound and not as Missing.
BY_CODE: dict[str, type[CairnError]] = {cls.code: cls for cls in _walk(CairnError)}
