"""Not now: try again."""

from __future__ import annotations

import errno as _errno

from cairnfs.errors.kinds import Unavailable


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
