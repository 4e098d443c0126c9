"""What the client's verbs answer, besides messages of the wire.

What belongs here: frozen values, no behaviour. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: How many holders must have fsynced before a write counts: one (the copies follow), most, or all.
Durability = Literal["async", "majority", "all"]

#: So many things that were left out are listed by name; all are counted.
SKIPPED_MAX = 100


@dataclass(frozen=True, slots=True)
class Written:
    """A new version of a file. `sent_bytes` are the chunk bytes that went to fileservers for it."""

    etag: str
    commit: int
    at_us: int
    inode: int
    size: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What a change without content left; no ETag after a removal."""

    commit: int
    at_us: int
    etag: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was left out, or what of it, and why. `path` is the local one."""

    path: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Tree:
    """What a transfer of files moved.

    `commit` is the last commit made (put), or the commit that was read (get). `commits` counts those
    made: a tree of more operations than one commit holds appears in several, parents first. `links` are
    further names of files that are counted once.
    """

    files: int = 0
    directories: int = 0
    bytes: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    commit: int = 0
    commits: int = 0
    skipped: tuple[Skipped, ...] = ()
    skipped_count: int = 0
    symlinks: int = 0
    links: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is; totals are None while they are not known."""

    files_done: int
    files_total: int | None
    bytes_done: int
    bytes_total: int | None


OnProgress = Callable[[Progress], None]
