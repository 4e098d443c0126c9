"""conditions: what of all that is met is what was asked for.

What belongs here: one request's conditions, read once, and each of them. What does not: how things are met
(`treewalk`, `name_index`). Names and kinds are looked at first, for they cost nothing; a directory's time of
change last, for it may have to be looked up.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cairnfs.core import moment as moments
from cairnfs.core import patterns
from cairnfs.core.patterns import Pattern
from cairnfs.errors import BadRequest, NoSuchGroup, NoSuchUser
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import commits
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire.directory import Entry
from cairnfs.wire.search import FindRequest

#: A user or user group that was removed, as entries name it.
_REMOVED = re.compile(r"#([0-9]{1,18})")


class Conditions(NamedTuple):
    """One request's conditions; None, and no kinds, is no condition."""

    pattern: Pattern | None
    kinds: frozenset[str]
    size_min: int
    size_max: int | None
    owner: int | None
    owner_group: int | None
    newer_ns: int | None  # exclusive

    def takes_name(self, name: bytes) -> bool:
        """Whether something may be called so."""
        return self.pattern is None or self.pattern.matches(name)

    def takes(self, kind: str, version: Version) -> bool:
        """Whether it is what was asked, as far as its version tells: not of a directory's time."""
        return (
            (not self.kinds or kind in self.kinds)
            and version.size >= self.size_min
            and (self.size_max is None or version.size <= self.size_max)
            and (self.owner is None or version.owner == self.owner)
            and (self.owner_group is None or version.owner_group == self.owner_group)
            and (kind == DIRECTORY or self._is_newer(version.mtime_us * 1000 + version.mtime_sub_ns))
        )

    def takes_entry(self, entry: Entry) -> bool:
        """What `takes` could not tell."""
        return entry.kind != DIRECTORY or self._is_newer(entry.mtime_ns)

    def _is_newer(self, mtime_ns: int) -> bool:
        return self.newer_ns is None or mtime_ns > self.newer_ns


def read(sight: Sight, request: FindRequest, newer_ns: int | None) -> Conditions:
    """Read the conditions; `newer_ns` as `newer` gave it at the first page.

    Raises BadPattern, BadName, NoSuchUser, NoSuchGroup.
    """
    pattern = request.pattern()
    return Conditions(
        None if pattern is None else patterns.parse(pattern, ignore_case=request.ignore_case),
        frozenset(request.kinds),
        request.size_min or 0,
        request.size_max,
        None if request.owner is None else _user(sight.people, request.owner),
        None if request.group is None else _user_group(sight.people, request.group),
        newer_ns,
    )


def newer(tx: Tx, sight: Sight, request: FindRequest) -> int | None:
    """After which time, in ns since 1970, what is asked for was changed.

    Raises BadRequest, NoSuchCommit, NoSuchSnapshot, BeforeHorizon.
    """
    if request.newer_us is not None:
        if request.newer_than is not None:
            raise BadRequest("newer than one thing alone")
        return request.newer_us * 1000 + request.newer_sub_ns
    if request.newer_than is None:
        return None
    then = moments.parse(request.newer_than)
    if then.at_us is not None:
        return then.at_us * 1000
    if then.ago_us is not None:
        return (tx.now_us() - then.ago_us) * 1000
    number = moment.meant(tx, sight.clock, then)
    return commits.times(tx, [number]).get(number, 0) * 1000


def _user(people: People, name: str) -> int:
    removed = _REMOVED.fullmatch(name)
    found = int(removed[1]) if removed else people.user(name)
    if found is None:
        raise NoSuchUser(f"there is no user named {name[:80]!r}")
    return found


def _user_group(people: People, name: str) -> int:
    removed = _REMOVED.fullmatch(name)
    found = int(removed[1]) if removed else people.user_group(name)
    if found is None:
        raise NoSuchGroup(f"there is no user group named {name[:80]!r}")
    return found
