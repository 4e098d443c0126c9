"""What a transfer leaves out: the first by name, all counted.

Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cairnfs.client.results import SKIPPED_MAX, Skipped


@dataclass(slots=True)
class Skips:
    """Gathers them."""

    listed: list[Skipped] = field(default_factory=list)
    count: int = 0

    def add(self, path: bytes, reasons: Iterable[str]) -> None:
        """Something at a local path, or of it, was left out, for each of these reasons."""
        for reason in reasons:
            self.count += 1
            if len(self.listed) < SKIPPED_MAX:
                self.listed.append(Skipped(path, reason))
