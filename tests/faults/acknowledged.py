"""What a cluster has promised, written down outside of it: the book of acknowledged files.

Each writer keeps one file, a line an event, flushed before it goes on:

    try PATH HASH     a write of content with this hash begins
    ok PATH HASH      it was acknowledged
    no PATH HASH      it failed, or nobody knows

What belongs here: keeping the book, and judging a file by it. What does not: who writes and who kills.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

ABSENT = "absent"


class Event(NamedTuple):
    """One line of a book."""

    what: Literal["try", "ok", "no"]
    path: str
    digest: str


@dataclass
class File:
    """What is known of one path: the last acknowledged content, and what was tried after it."""

    acknowledged: str = ABSENT
    possible: set[str] = field(default_factory=set)

    def fits(self, digest: str) -> bool:
        """Whether a read may find this content now."""
        return digest == self.acknowledged or digest in self.possible


def digest(content: bytes | None) -> str:
    """The hash of a content; None is a file that is not there."""
    return ABSENT if content is None else hashlib.sha256(content).hexdigest()


def events(book: Path) -> list[Event]:
    """The whole lines of a book, which its writer may be writing at this moment."""
    whole, _, _ = book.read_text().rpartition("\n") if book.exists() else ("", "", "")
    found = []
    for line in whole.splitlines():
        what, path, content = line.split(" ")
        assert what in ("try", "ok", "no")
        found.append(Event(what, path, content))  # type: ignore[arg-type]
    return found


def files(told: Iterable[Event]) -> dict[str, File]:
    """What the events of one writer come to, path by path.

    A write that failed stays possible until the next one is acknowledged: its commit may have happened
    with its answer lost, but may not come after a later commit of the same writer.
    """
    known: dict[str, File] = {}
    for event in told:
        file = known.setdefault(event.path, File())
        if event.what == "try":
            file.possible.add(event.digest)
        elif event.what == "ok":
            file.acknowledged, file.possible = event.digest, set()
    return known
