"""Small operations for the driver's tests: each leaves a commit whose message can be counted."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError, NotFound
from cairnfs.ids import Path, RequestId, UserId
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State, Want

ANN, BOB = UserId(1), UserId(2)


def soon() -> float:
    """A deadline that no test reaches."""
    return SystemClock().monotonic() + 60


def key(request: str = "", body: bytes = b"body", user: UserId = ANN) -> ReplyKey:
    """A key of a request; without a name, of one that was never made before."""
    return ReplyKey(user, RequestId(request or secrets.token_hex(16)), body.ljust(32, b"."))


class Noted(msgspec.Struct, frozen=True):
    """The answer of `Note`; it can be read as a CommitReply."""

    commit: int
    at_us: int = 0
    incarnation: int = 1
    results: tuple[int, ...] = ()


@dataclass(frozen=True)
class Note:
    """Make a commit with this message; `hook` is called inside the tx, after the change.

    It looks up so many `paths`, which makes it large or small.
    """

    message: str
    reply_key: ReplyKey | None = field(default_factory=key)
    deadline: float = field(default_factory=soon)
    hook: Callable[[State], None] | None = None
    answer_type: type[Noted] = Noted
    paths: int = 0

    def wants(self) -> list[Want]:
        return [Path(b"/%d" % number) for number in range(self.paths)]

    def apply(self, state: State) -> Noted:
        stamp = state.begin_commit(ANN, 1, self.message)
        if self.hook is not None:
            self.hook(state)
        return Noted(stamp.number)


def refusing(error: CairnError | None = None) -> Callable[[State], None]:
    """A hook that refuses, after everything was changed in the working set."""

    def refuse(state: State) -> None:
        raise error or NotFound("no such thing")

    return refuse


def breaking(state: State) -> None:
    """A hook with a defect."""
    raise ZeroDivisionError("a defect")


def notes(database: Database) -> Counter[str]:
    """How often each message was committed."""
    rows = database.read(lambda tx: tx.rows("SELECT message FROM commits ORDER BY number"))
    return Counter(message for (message,) in rows)


def replies(database: Database) -> int:
    """How many first answers are kept."""
    row = database.read(lambda tx: tx.row("SELECT count(*) FROM reply"))
    assert row is not None
    return int(row[0])
