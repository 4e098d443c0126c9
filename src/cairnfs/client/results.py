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

    `commit` is the commit made (put), or the one that was read (get, and a put that found nothing to change:
    `commits` counts those made). `links` are further names of files that are counted once. `received_bytes`
    came from fileservers, `cached_bytes` from this machine's cache. `unchanged` of the files were as they
    are to be.
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
    cached_bytes: int = 0
    unchanged: int = 0


#: So many of the things that a publish does are told one by one.
ACTIONS_MAX = 10_000
#: added, removed, changed (its content, or what it is), attributes (those alone), linked (now another name
#: of a file), renamed (added, and it was `origin` before, as far as one can tell without reading it).
What = Literal["added", "removed", "changed", "attributes", "linked", "renamed"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a publish does. `path` is relative to the directory, `size` the bytes of new content."""

    what: What
    path: bytes
    kind: Literal["file", "directory", "symlink"]
    size: int = 0
    origin: bytes | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did, or with `dry` would do.

    `commit` is the one that it made (`made`), else one at which the directory was as the local one is. Names
    are counted in `there` (before), `added`, `changed` and `removed`; a removed directory with all in it.
    `bytes` are those of new content, of which `sent_bytes` went to fileservers. `rounds` says how often it
    was begun because others changed the directory meanwhile, `walked` whether it had to be looked through.
    """

    commit: int
    made: bool
    there: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    bytes: int = 0
    sent_bytes: int = 0
    rounds: int = 1
    walked: bool = False
    dry: bool = False
    actions: tuple[Action, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    skipped_count: int = 0


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did, or with `dry` would do: the local directory is as the remote one was at `commit`.

    Names are counted that were `here` before, were `added`, `changed` (not those that only got what stands
    beside content) and `removed`, a directory with all in it. `files` and `bytes` are those of the tree, with
    `dry` the bytes of files that would come.
    """

    commit: int
    here: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    files: int = 0
    bytes: int = 0
    received_bytes: int = 0
    cached_bytes: int = 0
    dry: bool = False
    actions: tuple[Action, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    skipped_count: int = 0


#: What a transfer is about: finding what is to be done, moving content, making it visible.
Phase = Literal["looking", "sending", "committing", "receiving"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is; totals are None while they are not known.

    Rates are per second, of the last seconds rather than of all; `left_s` is an estimate. Each is None while
    there is nothing to tell it by.
    """

    files_done: int
    files_total: int | None
    bytes_done: int
    bytes_total: int | None
    phase: Phase = "sending"
    files_per_s: float | None = None
    bytes_per_s: float | None = None
    left_s: float | None = None


OnProgress = Callable[[Progress], None]
