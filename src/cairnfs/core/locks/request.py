"""Requests for locks: whose, for which keys, and what each asks of the others.

A path stands for keys: its name in its directory, the inode that the name leads to, and every directory
above, so that "anything below D" is one look. What a request must not meet is written as looks: a key, and
whether only requests with a subtree count there. Two requests meet where a look of the one hits a key of the
other; it makes no difference whose looks are taken.

What belongs here: these values. Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, NewType

from cairnfs.ids import InodeId

#: Kinds of keys: a name in a directory; an inode, whatever it is called; something below a directory.
NAME, INODE, BELOW = 0, 1, 2
#: Whoever's own requests do not exclude each other; no two are called alike.
Owner = NewType("Owner", str)


class Key(NamedTuple):
    """One of a request's keys; `name` is empty but for NAME. In the order of the table `lock_key`."""

    inode: InodeId
    kind: int
    name: bytes = b""


class Look(NamedTuple):
    """Where a request meets others: whoever has this key, or (`subtree`) whoever has it with all below."""

    key: Key
    subtree: bool


@dataclass(frozen=True, slots=True)
class Request:
    """A request for any number of paths, all or none. `number`: the order of arrival; `fence` 0: it waits."""

    number: int
    owner: Owner
    exclusive: bool
    subtree: bool
    keys: frozenset[Key]
    fence: int = 0

    @property
    def held(self) -> bool:
        """Whether it was granted."""
        return self.fence > 0

    def looks(self) -> Iterator[Look]:
        """What it asks of others."""
        return looks(self.keys, subtree=self.subtree)


@dataclass(frozen=True, slots=True)
class Spot:
    """One path, as it was walked.

    `name` is None for the root, `inode` where nothing is there. `above`: the directories above the name, the
    root first; `around`: where the inode has other names, those above any of them.
    """

    name: Key | None
    inode: Key | None
    above: tuple[InodeId, ...] = ()
    around: frozenset[InodeId] = frozenset()


def keys_of(spots: Iterable[Spot]) -> frozenset[Key]:
    """The keys of a request for these."""
    keys: set[Key] = set()
    ways: set[Iterable[InodeId]] = set()
    for spot in spots:
        keys.update(key for key in (spot.name, spot.inode) if key is not None)
        ways.update((spot.above, spot.around))
    directories = {one for way in ways for one in way}
    return frozenset(keys.union(Key(directory, BELOW) for directory in directories))


def points(keys: Iterable[Key]) -> list[Key]:
    """The keys that are asked for themselves, in the order of the table."""
    return sorted(key for key in keys if key.kind != BELOW)


def looks(keys: Iterable[Key], *, subtree: bool) -> Iterator[Look]:
    """What a request for these keys asks of others."""
    for key in keys:
        if key.kind != BELOW:
            yield Look(key, subtree=False)
            if subtree and key.kind == INODE:
                yield Look(Key(key.inode, BELOW), subtree=False)
        else:
            yield Look(Key(key.inode, INODE), subtree=True)
