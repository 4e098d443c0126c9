"""First answers as bytes, and answering them again.

What belongs here: what is kept of an outcome, and how it is told a second time. What does not: SQL
(`rows/replies.py`), when an answer is recorded (`batch.py`, `ops/settle.py`). Any thread.
"""

from __future__ import annotations

from typing import Any

from cairnfs.errors import (
    Aborted,
    CairnError,
    Deadlock,
    Internal,
    Locked,
    LockLost,
    LockTokenWrong,
    NotDurable,
    QueueFull,
    RequestReused,
    TooManyLocks,
)
from cairnfs.metadata.rows.replies import ABORTED, COMMITTED, REFUSED, ReplyKey, StoredReply
from cairnfs.metadata.state import State
from cairnfs.wire import codec, problems

#: A request refused by one of these may be sent again as it is.
_MAY_SUCCEED = (NotDurable, Internal, Locked, LockLost, LockTokenWrong, Deadlock, QueueFull, TooManyLocks)


def keep_answer(state: State, key: ReplyKey, answer: object) -> None:
    """Record an answer: a message, or anything else that JSON holds."""
    state.answer(key, COMMITTED, codec.encode(answer))


def keep_refusal(state: State, key: ReplyKey, error: CairnError) -> None:
    """Record a refusal, unless the same request may succeed later."""
    if is_first_answer(error):
        state.answer(key, REFUSED, codec.encode(problems.from_error(error)))


def is_first_answer(error: CairnError) -> bool:
    """Whether a refusal stays the answer: not where the same request may succeed, with more receipts, or with
    other locks shown. What is not of a request's body (`locks`, `receipts`) decides nothing for good."""
    return not error.retryable and not isinstance(error, _MAY_SUCCEED)


def repeat(reply: StoredReply, body_hash: bytes, answer_type: type[Any] | None) -> Any:
    """Answer as the first time. Raises the recorded refusal, Aborted, or RequestReused."""
    if reply.outcome == ABORTED:
        raise Aborted("this request was declared aborted")
    if reply.body_hash != body_hash:
        raise RequestReused("this request id was used with another body", hint="use a new request id")
    if reply.outcome == REFUSED:
        raise problems.to_error(codec.decode(problems.Problem, reply.answer))
    return codec.decode(answer_type or type(None), reply.answer)
