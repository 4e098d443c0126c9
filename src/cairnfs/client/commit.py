"""Sending a commit so that its outcome is known: done, refused, or surely not done.

One request id per commit, however often it is sent. Where time runs out while the outcome is not
known, the cluster is asked to settle it. Each shows the locks that are held where it is made
(`locks/turns.py`). What belongs here: that. What does not: making the operations. Used from one event loop.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import msgspec

from cairnfs.client.control import Control
from cairnfs.client.locks import turns
from cairnfs.client.retry import STRANGER_S, Pauses, worth_repeating
from cairnfs.errors import (
    BadRequest,
    CairnError,
    DeadlineExceeded,
    Deadlock,
    Internal,
    Locked,
    LockLost,
    LockTokenWrong,
    OutcomeUnknown,
    TooManyLocks,
    Unauthenticated,
    Unreachable,
)
from cairnfs.ids import RequestId
from cairnfs.wire import endpoints, problems
from cairnfs.wire.commits import (
    Base,
    CommitReply,
    CommitRequest,
    Operation,
    Receipt,
    SettleReply,
    SettleRequest,
)
from cairnfs.wire.endpoint import Endpoint
from cairnfs.wire.locks import LockProof


class Repeatable(Protocol):
    """A request that makes one commit."""

    @property
    def request_id(self) -> str:
        """The same however often it is sent."""
        ...


Q = TypeVar("Q", bound=Repeatable)
A = TypeVar("A", bound=CommitReply)

#: How long a commit is tried, and then how long its outcome is asked for.
COMMIT_S = 60.0
SETTLE_S = 15.0
ATTEMPT_S = 20.0
#: Refusals that are no first answers: the same request may be done when it comes again.
_PASSING = (Locked, LockLost, LockTokenWrong, Deadlock, TooManyLocks)


def new_request_id() -> RequestId:
    """128 random bits in hex."""
    return RequestId(secrets.token_hex(16))


async def commit(
    control: Control,
    operations: Sequence[Operation],
    *,
    session: str | None = None,
    receipts: Sequence[Receipt] = (),
    bases: Sequence[Base] = (),
    message: str = "",
    request_id: RequestId | None = None,
    staged: int = 0,
    timeout_s: float = COMMIT_S,
) -> CommitReply:
    """Make the operations one commit, with the pages that were staged under its request id before them.

    Raises what refused it; the last passing error where it surely never takes effect; OutcomeUnknown
    only where the cluster could not even be asked for the outcome.
    """
    request = CommitRequest(
        request_id=request_id or new_request_id(),
        deadline_ms=int(ATTEMPT_S * 1000),
        operations=list(operations),
        session=session,
        receipts=list(receipts),
        bases=list(bases),
        message=message,
        staged=staged,
    )
    return await send(control, endpoints.COMMIT, request, timeout_s=timeout_s)


async def send(control: Control, endpoint: Endpoint[Q, A], request: Q, *, timeout_s: float) -> A:
    """Send what makes one commit, and may be sent again under its request id. Raises as `commit`.

    It shows the locks that are held here. Raises Locked where somebody else's is in the way, LockLost where
    one that it shows is lost; where that is asked for, it waits for its turn.
    """
    tries = _Tries()

    async def shown(proofs: Sequence[LockProof]) -> A:
        showing = cast(Q, msgspec.structs.replace(cast(msgspec.Struct, request), locks=list(proofs)))
        return await _send(control, endpoint, showing, timeout_s, tries)

    try:
        if turns.is_plain(control):
            return await _send(control, endpoint, request, timeout_s, tries)
        return await turns.in_turn(control, shown)
    except _PASSING as error:
        if not tries.unknown:
            raise
        # One of them may be on its way yet, and come when nothing is in its way any more.
        return await _settle(control, endpoint, request, error)


@dataclass(slots=True)
class _Tries:
    """All attempts to make one commit. `unknown`: whether one may have taken effect, or do so yet."""

    unknown: bool = False


async def _send(control: Control, endpoint: Endpoint[Q, A], request: Q, timeout_s: float, tries: _Tries) -> A:
    pauses = Pauses(control.clock, timeout_s)
    stranger_until = control.clock.monotonic() + STRANGER_S
    while True:
        try:
            attempt_s = min(ATTEMPT_S, max(pauses.left_s, 0.001))
            return await _once(control, endpoint, request, attempt_s)
        except CairnError as error:
            if _says_nothing(error, tries.unknown):
                return await _settle(control, endpoint, request, error)
            if not worth_repeating(error):
                raise
            tries.unknown = tries.unknown or isinstance(error, OutcomeUnknown)
            if isinstance(error, Unreachable) and not control.met:
                pauses.deadline = min(pauses.deadline, stranger_until)
            try:
                await pauses.after(error)
            except CairnError:
                if not tries.unknown:
                    raise
                return await _settle(control, endpoint, request, error)


async def _once(control: Control, endpoint: Endpoint[Q, A], request: Q, timeout_s: float) -> A:
    if isinstance(request, CommitRequest):
        return cast(A, await control.commits.once(request, timeout_s=timeout_s))
    return await control.once(endpoint, request, timeout_s=timeout_s)


def _says_nothing(error: CairnError, unknown: bool) -> bool:
    """Whether this answer leaves open if the commit took effect, now or at an attempt before."""
    return isinstance(error, Internal) or (unknown and isinstance(error, Unauthenticated | BadRequest))


async def settle(control: Control, request_id: str) -> SettleReply:
    """The outcome of a commit; one that the cluster does not know never takes effect from now on."""
    return await control.ask(endpoints.SETTLE, SettleRequest(request_id=request_id), timeout_s=SETTLE_S)


async def _settle(control: Control, endpoint: Endpoint[Q, A], request: Q, last: CairnError) -> A:
    try:
        settled = await settle(control, request.request_id)
    except CairnError as error:
        raise OutcomeUnknown(
            f"the answer to request {request.request_id} was lost, and asking for it failed: {error.detail}",
            hint="look whether the change is there before making it again",
        ) from error
    if isinstance(settled.reply, endpoint.reply):
        return settled.reply
    if settled.reply is not None:
        # It says more than a commit does: the first answer is there whole.
        return await control.ask(endpoint, request, timeout_s=SETTLE_S)
    if settled.error is not None:
        raise problems.to_error(settled.error)
    if isinstance(last, (Internal, Unauthenticated, *_PASSING)):
        raise last
    raise DeadlineExceeded(f"the change was given up and never takes effect: {last.detail}") from last
