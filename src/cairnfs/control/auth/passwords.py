"""Passwords: argon2id, a few at a time, in threads, so that logins never hold up anything else.

What belongs here: hashing, verifying, the length rule. What does not: who may change what
(`routes.py`), how often one may fail (`limits.py`). One event loop; the work is done in threads of
its own, and argon2 leaves the interpreter free meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cairnfs.errors import BadRequest, Busy

PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX = 8, 1024
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs. The product of `memory_kib` and `threads` is the most memory in use.

    The default takes about 55 ms and 19 MiB on the machine it was measured on, above the least that
    OWASP's password storage advice asks for (19 MiB, two passes).
    """

    passes: int = 5
    memory_kib: int = 19 * 1024
    threads: int = 2
    waiting_max: int = 64


def check_length(password: str) -> None:
    """Raises BadRequest unless it has 8 to 1,024 bytes."""
    length = len(password.encode())
    if not PASSWORD_BYTES_MIN <= length <= PASSWORD_BYTES_MAX:
        raise BadRequest(
            f"a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes, this one has {length}"
        )


class Passwords:
    """Hashes and verifies. `close` ends its threads."""

    def __init__(self, cost: Cost | None = None) -> None:
        """`cost` is made small by tests only."""
        cost = cost or Cost()
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1, hash_len=32, salt_len=16
        )
        self._threads = ThreadPoolExecutor(cost.threads, thread_name_prefix="cairn-argon2")
        self._places = cost.threads + cost.waiting_max
        # Verified against where there is no user or no password, so that the answer takes as long.
        self._nobody = self._hasher.hash("no password has this hash")

    async def hash(self, password: str) -> str:
        """The text that the database keeps. Raises BadRequest for a length that is not allowed, Busy."""
        check_length(password)
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of this hash. None or "" (no user, none set): never, alike.

        Raises Busy.
        """
        if len(password.encode()) > PASSWORD_BYTES_MAX:
            password = ""
        matches = await self._in_thread(lambda: self._matches(stored or self._nobody, password))
        return matches and bool(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], R]) -> R:
        if self._places <= 0:
            raise Busy("too many logins at once")
        self._places -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._places += 1

    def close(self) -> None:
        """End the threads; what waits is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)
