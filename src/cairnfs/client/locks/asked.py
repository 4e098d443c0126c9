"""What is asked for: paths, how they are to be locked, and how long that is waited for.

What belongs here: the values, checked, and the request for them. Any thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cairnfs.errors import BadRequest
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.locks import PATHS_MAX, AcquireRequest, LockPath, LockReply, Mode

OnWait = Callable[[LockReply], None]

_DEADLINE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be locked, and how long it is waited for: seconds, 0 not at all, None for ever."""

    paths: Sequence[Path]
    mode: Mode = "exclusive"
    subtree: bool = False
    follow: bool = True
    wait_s: float | None = None
    #: Told where the request has to wait: its place and one who is in the way.
    tell: OnWait | None = None

    def __post_init__(self) -> None:
        """Raises BadRequest."""
        if not 1 <= len(self.paths) <= PATHS_MAX:
            raise BadRequest(f"one lock is for 1 to {PATHS_MAX} paths, not {len(self.paths)}")
        if self.wait_s is not None and not self.wait_s >= 0:
            raise BadRequest("a lock is waited for 0 seconds or longer")

    @property
    def name(self) -> str:
        """What people call it."""
        first, more = names.printable(self.paths[0]), len(self.paths) - 1
        return f"{first} and {more} more" if more else first

    def request(self, session: str, owner: str) -> AcquireRequest:
        """A new request for it."""
        texts = (names.to_text(path) for path in self.paths)
        return AcquireRequest(
            request_id=secrets.token_hex(16),
            deadline_ms=_DEADLINE_MS,
            session=session,
            owner=owner,
            token=secrets.token_hex(16),
            paths=[LockPath(path=text, path_b64=base64) for text, base64 in texts],
            mode=self.mode,
            subtree=self.subtree,
            follow=self.follow,
            wait=self.wait_s != 0,
        )
