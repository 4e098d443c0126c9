"""All times of leases, in one place, and the rule that they keep: who holds stops before another begins.

A client counts from *sending* a renewal, whoever judges it from *seeing* one, on clocks of their own that
nobody compares; so the same span, begun earlier, ends earlier. What belongs here: the times and the rule.
What does not: counting (`client/session`, `control/duties`). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from cairnfs.errors import BadRequest

#: No lease is shorter than this (a machine under load says nothing for as long), none longer than that.
SHORTEST_MS, LONGEST_MS = 100, 24 * 3600 * 1000


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
