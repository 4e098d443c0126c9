"""Messages about sessions: one live client process each.

A session renews every `renew_ms` by raising a counter; the control plane ends it when it has seen
the counter unchanged for `lease_ms` of its own monotonic time. The client counts from *sending* a
renewal: at `suspend_ms` without an answer it suspends, at `lease_ms` it cancels. `needs` is the
oldest commit that the session may still read, or at which its oldest unfinished upload began.
"""

from __future__ import annotations

from typing import Annotated

from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.shapes import text

LABEL_MAX_BYTES = 255


class SessionRequest(Request, kw_only=True):
    """Begin a session. `label` tells people what it is: host and command.

    `needs`: the oldest commit that it will read, where that is not the present one.
    """

    label: Annotated[str, text(LABEL_MAX_BYTES)] = ""
    needs: Whole | None = None


class SessionReply(Reply, kw_only=True):
    """The session's id and times; `commit` is the present commit, needed at first, or an earlier one."""

    session: str
    incarnation: int
    commit: int
    renew_ms: int
    suspend_ms: int
    lease_ms: int


class RenewRequest(Request, kw_only=True):
    """`counter` grows with each renewal; `needs` never falls."""

    counter: Whole
    needs: Whole


class RenewReply(Reply, kw_only=True):
    """The present commit, by which `needs` may be raised next time."""

    commit: int
    incarnation: int
