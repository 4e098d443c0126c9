"""Who has stopped renewing: counters that stay the same for a whole lease of one's own time.

No wall clock and no time of anyone else decides. Only time during which the watcher itself was
awake counts: after a pause (a frozen process, a new leader) a counter has not been *seen* unchanged
for long, so everyone gets the lease again. What belongs here: the rule. What does not: where the
counters come from or what follows. Pure; one owner.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Seen:
    counter: Hashable
    still_s: float


class Watch(Generic[K]):
    """Remembers for each key its counter, and for how long it was seen unchanged."""

    def __init__(self, *, gap_max_s: float) -> None:
        """Between two looks at most `gap_max_s` counts as watched; it may be changed between looks."""
        self.gap_max_s = gap_max_s
        self._last: float | None = None
        self._seen: dict[K, _Seen] = {}

    def look(self, counters: Mapping[K, Hashable], now: float) -> dict[K, float]:
        """Take all counters as they are at `now` (monotonic seconds); give how long each was still.

        Keys that are gone are forgotten; new ones have been still for 0 seconds.
        """
        passed = 0.0 if self._last is None else min(max(0.0, now - self._last), self.gap_max_s)
        self._last = now
        before, self._seen = self._seen, {}
        for key, counter in counters.items():
            seen = before.get(key)
            if seen is None or seen.counter != counter:
                seen = _Seen(counter, 0.0)
            else:
                seen.still_s += passed
            self._seen[key] = seen
        return {key: seen.still_s for key, seen in self._seen.items()}

    def forget(self) -> None:
        """Start again, as if nothing had been seen."""
        self._last = None
        self._seen = {}
