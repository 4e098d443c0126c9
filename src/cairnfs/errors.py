"""The one tree of errors that Cairn raises, sends and prints.

    CairnError
    ├── Usage           the request is wrong and stays wrong            exit 2
    │   ├── BadRequest, BadName, PathTooLong, UnknownField, BadCursor, BadRange, BadPattern,
    │   └── BadXattr, BadSymlink, RequestReused, LengthMismatch, HashMismatch
    ├── Missing         the thing named is not there                    exit 3
    │   └── NotFound, NoSuchUser, NoSuchGroup, NoSuchXattr, NoSuchSnapshot, BeforeHorizon,
    │       NoSuchCommit, ChunkNotFound, ChunkCollected
    ├── Denied          who asks may not                                exit 4
    │   └── BadCredentials, TokenExpired, TokenInvalid, Forbidden, InvitationRequired,
    │       JoinRefused, ForeignCluster, ReceiptInvalid
    ├── Conflict        it may be right, but not in this state          exit 5
    │   └── Exists, NotADirectory, IsADirectory, SymlinkLoop, LinkToDirectory, NotEmpty,
    │       RenameIntoItself, RootIsFixed, VersionChanged, IncarnationChanged, SessionEnded,
    │       NotDurable, Aborted, Locked
    ├── Unavailable     try again                                       exit 6
    │   └── Busy, DeadlineExceeded, OutcomeUnknown, TooFewCopies, NotAMember, ChunkNotYet,
    │       Unreachable, TooManyLogins
    ├── Limit           a published limit or the space is reached       exit 7
    │   └── TooLarge, TooManyOperations, TooManyLinks, XattrTooLarge, NoSpace
    └── Broken          our fault, or the disk's                        exit 6 or 1
        └── ChunkLost, Internal

What belongs here: the classes and their numbers (code, HTTP status, errno, exit status, may the
same request be retried). What does not: how they travel (`wire/problems.py`) or are printed
(`cli/exits.py`). Errors are values: safe to raise from any thread.
"""

from __future__ import annotations

import errno as _errno
from typing import ClassVar


class CairnError(Exception):
    """Base of every error. `detail` says what happened, `hint` what to do; neither holds a secret."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    errno: ClassVar[int] = _errno.EIO
    exit_status: ClassVar[int] = 6
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, hint: str | None = None, path: str | None = None) -> None:
        """`path` is the text form of the path concerned, if there is one."""
        super().__init__(detail or self.title())
        self.detail = detail or self.title()
        self.hint = self.default_hint if hint is None else hint
        self.path = path
        self.retry_after_ms: int | None = None

    @classmethod
    def title(cls) -> str:
        """The code in words: `not_found` reads "not found"."""
        return cls.code.replace("_", " ")

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path is not None else ""
        return f"{where}{self.detail}"


class Usage(CairnError):
    """The request is wrong whoever sends it and whenever: HTTP 400, exit status 2."""

    code, status, errno, exit_status = "bad_request", 400, _errno.EINVAL, 2


class BadRequest(Usage):
    """A message that does not have the announced shape."""


class UnknownField(Usage):
    """A message holds a field that nobody defined."""

    code = "unknown_field"


class BadName(Usage):
    """A name is empty, over 255 bytes, `.` or `..`, or holds NUL or `/`."""

    code = "bad_name"


class PathTooLong(Usage):
    """A path of more than 4,096 bytes."""

    code, status, errno = "path_too_long", 414, _errno.ENAMETOOLONG


class BadCursor(Usage):
    """A cursor that this directory listing did not give, or of another incarnation."""

    code = "bad_cursor"


class BadPattern(Usage):
    """A pattern of names that is too long, or no pattern."""

    code = "bad_pattern"


class BadXattr(Usage):
    """No name of an extended attribute that Cairn keeps, or not on what can have one."""

    code, status, errno = "bad_xattr", 422, _errno.EOPNOTSUPP


class BadSymlink(Usage):
    """A symlink's target is empty, over 4,095 bytes or holds NUL; or what is read is no symlink."""

    code = "bad_symlink"


class BadRange(Usage):
    """A byte range outside the file."""

    code, status = "bad_range", 416


class RequestReused(Usage):
    """A request id that was already used with another body."""

    code, status = "request_reused", 422


class LengthMismatch(Usage):
    """A body that is larger or smaller than announced."""

    code = "length_mismatch"


class HashMismatch(Usage):
    """Bytes that do not have the announced BLAKE3 hash."""

    code, status = "hash_mismatch", 422


class MethodNotAllowed(Usage):
    """The path is served, but not with this HTTP method."""

    code, status = "method_not_allowed", 405


class UnsupportedMedia(Usage):
    """A body in a format that the endpoint does not read."""

    code, status = "unsupported_media", 415


class Missing(CairnError):
    """What the request names is not there: exit status 3."""

    code, status, errno, exit_status = "not_found", 404, _errno.ENOENT, 3


class NotFound(Missing):
    """No such path (or no such user, session, endpoint)."""


class NoSuchCommit(Missing):
    """A commit number that was never given, or a time before the first commit."""

    code = "no_such_commit"


class NoSuchUser(Missing):
    """No user of that name."""

    code = "no_such_user"


class NoSuchGroup(Missing):
    """No user group of that name, and no user either: each has a group."""

    code = "no_such_group"


class NoSuchXattr(Missing):
    """The file has no extended attribute of that name."""

    code, errno = "no_such_xattr", _errno.ENODATA


class NoSuchSnapshot(Missing):
    """No snapshot of that name."""

    code = "no_such_snapshot"


class BeforeHorizon(Missing):
    """A commit older than the retained history."""

    code, status = "before_horizon", 410


class ChunkCollected(Missing):
    """A chunk that was collected: its version is older than the retained history."""

    code, status = "chunk_collected", 410


class Denied(CairnError):
    """Who asks may not: exit status 4."""

    code, status, errno, exit_status = "forbidden", 403, _errno.EACCES, 4


class Forbidden(Denied):
    """The user is known, but has no right to do this here."""


class Unauthenticated(Denied):
    """No token came with the request."""

    code, status, default_hint = "unauthenticated", 401, "log in with: cairn login"


class BadCredentials(Unauthenticated):
    """Unknown user or wrong password; the answer does not say which."""

    code, default_hint = "bad_credentials", "check the name and the password"


class TokenExpired(Unauthenticated):
    """The token's time is over; a client refreshes it and tries again."""

    code = "token_expired"


class TokenInvalid(Unauthenticated):
    """A token that this cluster did not issue, or that was changed or revoked."""

    code = "token_invalid"


class SealInvalid(Denied):
    """A sealed body that cannot be opened, is too old, or came before."""

    code, status = "seal_invalid", 400


class InvitationRequired(Denied):
    """Sign-up is by invitation at this address."""

    code, default_hint = "invitation_required", "ask an administrator for an invitation"


class JoinRefused(Denied):
    """A join token that is unknown, expired or used."""

    code = "join_refused"


class ForeignCluster(Denied):
    """Data, a token or a server of another cluster."""

    code, status = "foreign_cluster", 409


class ReceiptInvalid(Denied):
    """A receipt that no fileserver gave for this session, or whose holders changed since."""

    code, status = "receipt_invalid", 403


class Conflict(CairnError):
    """The request cannot be done in the present state: exit status 5."""

    code, status, errno, exit_status = "conflict", 409, _errno.EBUSY, 5


class Exists(Conflict):
    """Something already has that name."""

    code, errno = "exists", _errno.EEXIST


class NotADirectory(Conflict):
    """A file where a directory is needed."""

    code, errno = "not_a_directory", _errno.ENOTDIR


class IsADirectory(Conflict):
    """A directory where a file is needed."""

    code, errno = "is_a_directory", _errno.EISDIR


class SymlinkLoop(Conflict):
    """More symlinks in a row than anyone means: they lead in a circle."""

    code, errno = "symlink_loop", _errno.ELOOP


class LinkToDirectory(Conflict):
    """A directory has one name; a symlink can lead to it too."""

    code, errno, default_hint = "link_to_directory", _errno.EPERM, "make a symlink: cairn ln -s"


class NotEmpty(Conflict):
    """A directory that still holds names."""

    code, errno, default_hint = "not_empty", _errno.ENOTEMPTY, "remove it with -r to remove all below it"


class RenameIntoItself(Conflict):
    """A directory cannot move below itself."""

    code, errno = "rename_into_itself", _errno.EINVAL


class RootIsFixed(Conflict):
    """The root directory cannot be removed, renamed or replaced."""

    code, errno = "root_is_fixed", _errno.EBUSY


class VersionChanged(Conflict):
    """The expected version has gone by (HTTP If-Match failed)."""

    code, status, errno = "version_changed", 412, _errno.ESTALE


class IncarnationChanged(Conflict):
    """History was cut since this number was given: drop caches and start again."""

    code, status, errno = "incarnation_changed", 412, _errno.ESTALE


class SessionEnded(Conflict):
    """The session is unknown or over: its uploads no longer count."""

    code, status = "session_ended", 409


class NotDurable(Conflict):
    """A chunk of the commit has no valid receipt with enough holders."""

    code, status, default_hint = "not_durable", 409, "send the chunk again"


class Aborted(Conflict):
    """The request was declared aborted and will never take effect."""

    code = "aborted"


class Unavailable(CairnError):
    """Not now; the same request may succeed later: exit status 6."""

    code, status, errno, exit_status, retryable = "unavailable", 503, _errno.EAGAIN, 6, True


class Busy(Unavailable):
    """A queue is full, or the database asked to try again."""

    code = "busy"


class DeadlineExceeded(Unavailable):
    """The request's deadline passed before it took effect; it will not take effect."""

    code, status, errno = "deadline_exceeded", 504, _errno.ETIMEDOUT


class OutcomeUnknown(Unavailable):
    """The answer was lost; asking again with the same request id tells the outcome."""

    code, status, errno = "outcome_unknown", 504, _errno.ETIMEDOUT


class TooFewCopies(Unavailable):
    """Fewer fileservers than the durability policy needs could take the chunk."""

    code, default_hint = "too_few_copies", "wait until more fileservers are up: cairn status"


class NotAMember(Unavailable):
    """The fileserver is not in the chunk's group: fetch the cluster map again."""

    code, status = "not_a_member", 421


class ChunkNotYet(Unavailable):
    """No member that answered has the chunk, but not every member answered."""

    code = "chunk_not_yet"


class Unreachable(Unavailable):
    """No answer from the server named in the detail."""

    code, errno, default_hint = "unreachable", _errno.EHOSTUNREACH, "is the cluster up? try: cairn status"


class TooManyLogins(Unavailable):
    """Too many failed logins; wait as long as Retry-After says."""

    code, status = "too_many_logins", 429


class Limit(CairnError):
    """A published limit, or the space, is reached: exit status 7."""

    code, status, errno, exit_status = "limit", 413, _errno.EFBIG, 7


class TooLarge(Limit):
    """A body, file, header or batch over its published limit."""

    code = "too_large"


class TooManyOperations(Limit):
    """More operations in one commit than the published limit."""

    code = "too_many_operations"


class TooManyLinks(Limit):
    """A file has as many names as it can."""

    code, errno = "too_many_links", _errno.EMLINK


class XattrTooLarge(Limit):
    """An extended attribute, or all of a file together, over the published limit."""

    code, errno = "xattr_too_large", _errno.E2BIG


class NoSpace(Limit):
    """The fileservers that could take the chunk have no space left."""

    code, status, errno, default_hint = "no_space", 507, _errno.ENOSPC, "free space or add a fileserver"


class ChunkLost(CairnError):
    """Every member answered and none has a good copy."""

    code, status, exit_status = "chunk_lost", 500, 1
    default_hint = "restore the fileserver that held it; see: cairn verify"


class ChunkMissing(Missing):
    """This one fileserver does not have the chunk; another member may."""

    code = "chunk_missing"


class Internal(CairnError):
    """A defect in Cairn: the server's log knows the cause under the request id."""

    code, status, exit_status = "internal", 500, 6
    default_hint = "the server's log knows more: cairn logs"


def _walk(cls: type[CairnError]) -> list[type[CairnError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _walk(child))]


#: The class that a code travels back to. Where several classes share a code, the deepest one wins,
#: so that `not_found` comes back as NotFound and not as Missing.
BY_CODE: dict[str, type[CairnError]] = {cls.code: cls for cls in _walk(CairnError)}
