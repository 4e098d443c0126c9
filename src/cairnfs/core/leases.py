"""All times of leases, in one place, and the rule that they keep: who holds stops before another begins.

    sessions      a client renews; without an answer it suspends, then cancels; then the cluster ends it
    lead          of control-plane processes one does the duties; it stops, then another takes over
    heartbeats    a silent fileserver is suspect, then down, then away

Whoever holds counts from *sending* a renewal, whoever judges it from *seeing* one, on clocks of their own
that nobody compares; so the same span, begun earlier, ends earlier. What belongs here: the times and the
rule. What does not: counting (`client/session`, `control/duties`). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cairnfs.errors import BadRequest

#: No lease is shorter than this (a machine under load says nothing for as long), none longer than that.
SHORTEST_MS, LONGEST_MS = 100, 24 * 3600 * 1000
#: Into how many parts whoever judges a lease cuts it by looking, and the longest of them.
_LOOKS, _LOOK_MAX_MS = 12, 1_000
_WRITTEN = re.compile(r"([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """A session's. It is renewed every `renew_ms`; without an answer its work waits from `suspend_ms` on, and
    ends at `lease_ms`; the cluster ends it when it has seen no renewal for `lease_ms`, or a little later."""

    renew_ms: int = 5_000
    suspend_ms: int = 10_000
    lease_ms: int = 15_000

    def __post_init__(self) -> None:
        """Raises BadRequest where a client could go on after the cluster gave its locks away, or would be
        suspended although every renewal came through."""
        if not SHORTEST_MS <= self.renew_ms < self.suspend_ms < self.lease_ms <= LONGEST_MS:
            raise BadRequest(
                f"lease times have to grow: renew {self.renew_ms} ms, suspend {self.suspend_ms} ms,"
                f" end {self.lease_ms} ms",
                hint=f"between {SHORTEST_MS} ms and a day",
            )

    @classmethod
    def parse(cls, written: str) -> LeaseTimes:
        """The times of `RENEW:SUSPEND:END`, in milliseconds. Raises BadRequest."""
        found = _WRITTEN.fullmatch(written)
        if found is None:
            raise BadRequest(
                "lease times read RENEW:SUSPEND:END, in milliseconds", hint=f"as it is by itself: {cls()}"
            )
        renew_ms, suspend_ms, lease_ms = (int(number) for number in found.groups())
        return cls(renew_ms, suspend_ms, lease_ms)

    def __str__(self) -> str:
        """What `parse` reads."""
        return f"{self.renew_ms}:{self.suspend_ms}:{self.lease_ms}"

    @property
    def end_ms(self) -> int:
        """After so long without an answer, work that cannot be made to wait (another program, say) is told to
        end: a while after the suspension, since a renewal may come through yet."""
        return self.suspend_ms + (self.lease_ms - self.suspend_ms) * 2 // 5

    @property
    def grace_ms(self) -> int:
        """So long after that, what has not ended is killed; still before the cluster gives anything away."""
        return (self.lease_ms - self.suspend_ms) * 2 // 5


@dataclass(frozen=True, slots=True)
class LeadTimes:
    """Of the one process that does the duties. It renews every `renew_ms`, and leads for `lease_ms` from
    sending a renewal; another takes over when it has seen none for `lease_ms`."""

    renew_ms: int = 1_000
    lease_ms: int = 3_000

    def __post_init__(self) -> None:
        """Raises BadRequest where the lead would be lost although every renewal but one came through."""
        if not (self.renew_ms >= SHORTEST_MS and 2 * self.renew_ms < self.lease_ms <= LONGEST_MS):
            raise BadRequest(
                f"the lead has to last for two renewals and more: renew {self.renew_ms} ms,"
                f" end {self.lease_ms} ms"
            )


@dataclass(frozen=True, slots=True)
class HeartbeatTimes:
    """A fileserver's. It sends one every `beat_ms`; silent for `suspect_ms` it is sent no new chunks, for
    `down_ms` readers leave it too, and only after `away_ms` others may take its place."""

    beat_ms: int = 1_000
    suspect_ms: int = 3_000
    down_ms: int = 5_000
    away_ms: int = 30_000

    def __post_init__(self) -> None:
        """Raises BadRequest where one lost heartbeat would count, or another could take a place too early."""
        if not (
            self.beat_ms >= SHORTEST_MS
            and 2 * self.beat_ms < self.suspect_ms < self.down_ms < self.away_ms <= LONGEST_MS
        ):
            raise BadRequest(
                f"times of heartbeats have to grow: one every {self.beat_ms} ms, suspect {self.suspect_ms} ms"
                f" (after more than two), down {self.down_ms} ms, away {self.away_ms} ms"
            )


@dataclass(frozen=True, slots=True)
class Times:
    """All of a cluster's."""

    sessions: LeaseTimes = field(default_factory=LeaseTimes)
    lead: LeadTimes = field(default_factory=LeadTimes)
    heartbeats: HeartbeatTimes = field(default_factory=HeartbeatTimes)


def look_every_ms(lease_ms: int) -> int:
    """How often to look at what has such a lease, so that its end is seen soon; at most every second."""
    return max(1, min(_LOOK_MAX_MS, lease_ms // _LOOKS))
