"""How often a login may fail: so many times at once, then as often as time gives back.

Each name and each peer has a bucket of failures that leaks. An attempt is counted before the
password is looked at, so that attempts made at the same time do not slip past, and taken back when
it succeeds. Unknown names are counted like known ones. What belongs here: counting, in bounded
memory, per process. What does not: what an attempt is (`routes.py`). One event loop.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from cairnfs.clock import Clock
from cairnfs.errors import TooManyLogins

BUCKETS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` failures at once, then one more every `every_s` seconds."""

    burst: int
    every_s: float


PER_NAME = Allowance(burst=10, every_s=30.0)
PER_PEER = Allowance(burst=50, every_s=6.0)


class Buckets:
    """The buckets of one kind; the one touched longest ago gives way to a new one."""

    def __init__(self, allowance: Allowance, clock: Clock, buckets_max: int = BUCKETS_MAX) -> None:
        self._allowance = allowance
        self._clock = clock
        self._max = buckets_max
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def wait_s(self, key: bytes) -> float:
        """Seconds until one more failure is allowed; 0 now."""
        over = self._level(key) + 1 - self._allowance.burst
        return max(0.0, over * self._allowance.every_s)

    def fill(self, key: bytes, by: int) -> None:
        """Count `by` failures more (or less)."""
        level = max(0.0, self._level(key) + by)
        if level <= 0:
            self._levels.pop(key, None)
            return
        self._levels[key] = (level, self._clock.monotonic())
        self._levels.move_to_end(key)
        while len(self._levels) > self._max:
            self._levels.popitem(last=False)

    def empty(self, key: bytes) -> None:
        """Forget every failure."""
        self._levels.pop(key, None)

    def _level(self, key: bytes) -> float:
        level, at = self._levels.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock.monotonic() - at) / self._allowance.every_s)


class FailedLogins:
    """The limit on attempts, by name and by peer."""

    def __init__(
        self, clock: Clock, *, per_name: Allowance = PER_NAME, per_peer: Allowance = PER_PEER
    ) -> None:
        self._names = Buckets(per_name, clock)
        self._peers = Buckets(per_peer, clock)

    def attempt(self, name: str, peer: str) -> None:
        """Count an attempt. Raises TooManyLogins, with the time to wait, and then counts nothing."""
        wait_s = max(self._names.wait_s(_key(name)), self._peers.wait_s(_key(peer)))
        if wait_s > 0:
            error = TooManyLogins("too many failed logins; wait before the next")
            error.retry_after_ms = int(wait_s * 1000) + 1
            raise error
        self._names.fill(_key(name), 1)
        self._peers.fill(_key(peer), 1)

    def withdraw(self, name: str, peer: str) -> None:
        """The attempt was not judged: it does not count."""
        self._names.fill(_key(name), -1)
        self._peers.fill(_key(peer), -1)

    def succeeded(self, name: str, peer: str) -> None:
        """The attempt succeeded: the name's failures are forgotten, the peer's others stay."""
        self._names.empty(_key(name))
        self._peers.fill(_key(peer), -1)


def _key(text: str) -> bytes:
    """A key of fixed size, whatever was sent as a name."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
