"""Messages of the lock service: `/v1/locks`, and the proof that a commit shows.

A lock is asked for by a session, for one path or many at once, under an **owner** of that session (whose own
requests do not exclude each other) and with a **token** that the client drew: 128 random bits, of which the
cluster keeps only the hash. Requests have numbers in the order of their arrival; a request is granted, with
a fence, when it conflicts with nothing that is held and nothing that waits before it. A lock ends by its
release, with its session, or when it is broken.

Who holds it shows a **proof** (`LockProof`) with each commit; as text, for `CAIRN_LOCK` and the header
`Cairn-Lock`, it reads `LOCK.FENCE.INCARNATION.TOKEN`, several separated by commas. What belongs here: that.
Any thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from cairnfs.errors import BadRequest
from cairnfs.wire import names
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.shapes import Cursor, Id, PathBase64, PathString, listed, text

#: Paths that one request is for, and locks that one release names.
PATHS_MAX, RELEASED_MAX = 1000, 1000
#: Locks, granted or waiting, of one session; requests that wait for one key.
SESSION_LOCKS_MAX, QUEUE_MAX = 250_000, 4_096
#: Proofs that one commit shows.
PROOFS_MAX = 1000
#: The longest that one request waits for a grant; ask again.
WAIT_MAX_MS = 30_000
ITEMS_MAX = 1000
REASON_MAX_BYTES = 255
LOCK_EVENT = "lock"

Mode = Literal["exclusive", "shared"]
State = Literal["held", "waiting"]
_PROOF = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})\.([0-9a-f]{32})")


class LockProof(Request, kw_only=True):
    """What a holder shows: the lock, the fence and incarnation of its grant, and the token."""

    lock: Whole
    fence: Whole
    incarnation: Whole
    token: Id

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return f"LockProof(lock={self.lock}, fence={self.fence}, incarnation={self.incarnation})"


def proofs_to_text(proofs: Sequence[LockProof]) -> str:
    """Proofs as `CAIRN_LOCK` and the header `Cairn-Lock` carry them."""
    return ",".join(f"{one.lock}.{one.fence}.{one.incarnation}.{one.token}" for one in proofs)


def proofs_from_text(written: str) -> list[LockProof]:
    """The proofs of such a text; an empty one has none. Raises BadRequest, which never repeats the text."""
    found = []
    for part in written.split(",") if written.strip() else ():
        match = _PROOF.fullmatch(part.strip())
        if match is None:
            raise BadRequest("a lock's proof reads LOCK.FENCE.INCARNATION.TOKEN")
        lock, fence, incarnation = (int(number) for number in match.group(1, 2, 3))
        found.append(LockProof(lock=lock, fence=fence, incarnation=incarnation, token=match[4]))
    if len(found) > PROOFS_MAX:
        raise BadRequest(f"at most {PROOFS_MAX} locks are shown at once")
    return found


class LockPath(Request, kw_only=True):
    """A path to lock."""

    path: PathString
    path_b64: PathBase64 | None = None

    def raw_path(self) -> bytes:
        """The path's bytes."""
        return names.from_text(self.path, self.path_b64)


class AcquireRequest(Request, kw_only=True):
    """Ask for a lock on these paths, all of them or none.

    A path's directory has to be there; it itself need not. It is locked under its name and, where something
    is there, as the inode whatever its names are. `subtree`: with everything below it. With `follow` false a
    symlink at the end of a path is locked itself. `exclusive` needs the right to write there or to make
    something there, `shared` the right to read or to write; a directory with `subtree` the right to write it
    in either mode, and a sticky one to be its owner. Unless `wait`, Locked where it cannot be granted at
    once. `deadline_ms` bounds only how long the asking may take, not the waiting.
    """

    request_id: Id
    deadline_ms: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 30_000
    session: Id
    owner: Id
    token: Id
    paths: Annotated[list[LockPath], listed(PATHS_MAX, 1)]
    mode: Mode = "exclusive"
    subtree: bool = False
    follow: bool = True
    wait: bool = False

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return f"AcquireRequest(session={self.session!r}, paths={self.paths!r}, mode={self.mode!r})"


class LockHolder(Reply, kw_only=True):
    """Somebody who is in the way, as far as the asker may know: `label` tells host and command."""

    lock: int
    user: str
    label: str
    mode: Mode
    since_us: int


class LockReply(Reply, kw_only=True):
    """A request as it stands. `fence` is 0 while it waits; `place` is 1 for the next in line, 0 for a holder.
    Of a request for very many paths it is counted in some of their lines: it does not come before.

    `holder`: one of those whom it waits for.
    """

    lock: int
    state: State
    fence: int
    incarnation: int
    place: int = 0
    holder: LockHolder | None = None


class WaitRequest(Request, kw_only=True):
    """Answered when the lock is granted, or after `timeout_ms` as it stands then."""

    token: Id
    timeout_ms: Annotated[int, Meta(ge=0, le=WAIT_MAX_MS)] = 0

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return f"WaitRequest(timeout_ms={self.timeout_ms})"


class TokenRequest(Request, kw_only=True):
    """To be done by whoever has the lock's token."""

    token: Id

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return "TokenRequest()"


class LockToken(Request, kw_only=True):
    """A lock to release, or a request to withdraw."""

    lock: Whole
    token: Id

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return f"LockToken(lock={self.lock})"


class ReleaseRequest(Request, kw_only=True):
    """Release these: all of them, or on an error none."""

    locks: Annotated[list[LockToken], listed(RELEASED_MAX, 1)]


class BreakRequest(Request, kw_only=True):
    """Take a lock from its holder. `reason` is kept with the record of it."""

    reason: Annotated[str, text(REASON_MAX_BYTES)] = ""


class LockEventsRequest(Request, kw_only=True):
    """Follow a session's grants: those with a fence beyond `since` first, then each as it comes."""

    session: Id
    since: Whole = 0


class LockEvent(Reply, kw_only=True):
    """A grant. Its id, in the stream, is `INCARNATION.FENCE`."""

    lock: int
    fence: int
    incarnation: int


class ListLocksRequest(Request, kw_only=True):
    """Locks and requests on a path and all below it, and those above with all below, that the caller may see,
    in the order of their numbers.

    With `broken`, instead, those that were broken, the latest first, of the caller's own; an administrator
    sees all.
    """

    path: PathString = "/"
    path_b64: PathBase64 | None = None
    broken: bool = False
    limit: Annotated[int, Meta(ge=1, le=ITEMS_MAX)] = ITEMS_MAX
    cursor: Cursor | None = None


class LockItem(Reply, kw_only=True):
    """A lock or a request.

    `paths`: those of its paths that the caller may see, as they are called now, at most ten; `more` counts
    the others. `waiting` counts those that wait for it, at least in part. `mine`: it is the caller's own.
    """

    lock: int
    state: State
    mode: Mode
    subtree: bool
    paths: list[LockPath]
    more: int = 0
    user: str
    label: str
    session: str
    fence: int
    asked_us: int
    granted_us: int = 0
    place: int = 0
    waiting: int = 0
    mine: bool = False


class BrokenItem(Reply, kw_only=True):
    """A lock that was broken: whose it was, by whom, and why."""

    lock: int
    fence: int
    user: str
    by: str
    at_us: int
    reason: str


class ListLocksReply(Reply, kw_only=True):
    """A page; `cursor` where there is more."""

    locks: list[LockItem] = []
    broken: list[BrokenItem] = []
    cursor: str | None = None
