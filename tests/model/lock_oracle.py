"""Who may touch what, told from two pictures of a tree and a list of locks: by paths and not by keys.

What belongs here: the law once more, in other words than Cairn's, so that the one may find what the other
forgot. What does not: the steps (`guarding`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cairnfs.ids import NEVER, ROOT
from cairnfs.metadata.databases.seam import Tx

#: A name in a directory, by its inode; of the root, None.
Spot = tuple[int, bytes] | None


class Picture:
    """All names that a path leads to, what they lead to, and in which state that is."""

    def __init__(self, tx: Tx) -> None:
        inside: dict[int, list[tuple[bytes, int, str]]] = defaultdict(list)
        for parent, name, inode, kind in tx.rows(
            f"SELECT parent, name, inode, kind FROM dentry WHERE died = {NEVER}"
        ):
            inside[parent].append((name, inode, kind))
        versions = tx.rows(f"SELECT inode, born FROM version WHERE died = {NEVER}")
        born: dict[int, int] = {row[0]: row[1] for row in versions}
        self.names: dict[tuple[int, bytes], int] = {}
        self.directories: dict[int, bytes] = {ROOT: b""}
        self.of: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        pending: list[int] = [ROOT]
        while pending:
            here = pending.pop()
            for name, inode, kind in inside[here]:
                self.names[here, name] = inode
                self.of[inode].append((here, name))
                if kind == "directory":
                    self.directories[inode] = self.directories[here] + b"/" + name
                    pending.append(inode)
        self.states = {inode: born[inode] for inode in {ROOT, *self.names.values()}}

    def path(self, spot: tuple[int, bytes]) -> bytes:
        """The path of a name."""
        return self.directories[spot[0]] + b"/" + spot[1]

    def at(self, path: bytes) -> Spot:
        """The name that a path without symlinks is. Raises KeyError."""
        if path == b"/":
            return None
        up, _, name = path.rpartition(b"/")
        [parent] = [inode for inode, one in self.directories.items() if one == up] or [0]
        if not parent:
            raise KeyError(path)
        return parent, name

    def leads(self, spot: Spot) -> int | None:
        """What is there."""
        return ROOT if spot is None else self.names.get(spot)

    def below(self, directory: int) -> dict[tuple[int, bytes], int]:
        """All names below a directory."""
        if directory not in self.directories:
            return {}
        top = self.directories[directory] + b"/"
        return {
            spot: inode
            for spot, inode in self.names.items()
            if spot[0] == directory or self.directories[spot[0]].startswith(top)
        }


@dataclass(frozen=True)
class Lock:
    """A request as the story knows it: for which names, and how it stands."""

    number: int
    owner: str
    exclusive: bool
    subtree: bool
    spots: tuple[Spot, ...]
    fence: int


def touches(lock: Lock, before: Picture, after: Picture) -> bool:
    """Whether going from one picture to the other touches what a held lock keeps."""
    return any(_touches(spot, before, after, subtree=lock.subtree) for spot in lock.spots)


def _touches(spot: Spot, before: Picture, after: Picture, *, subtree: bool) -> bool:
    inode = before.leads(spot)
    places = [] if spot is None else [spot]
    if inode is not None and inode != ROOT:
        places += before.of[inode]
    if spot is not None:
        if spot[0] not in before.directories:
            return False  # it went with its directory, and keeps nothing
        if spot[0] not in after.directories or after.leads(spot) != inode:
            return True
    # Directories on the way that moved or went, by whichever name.
    if any(after.directories.get(parent) != before.directories[parent] for parent, _ in places):
        return True
    if inode is None:
        return False
    if before.states[inode] != after.states.get(inode) or len(before.of[inode]) != len(after.of[inode]):
        return True
    return subtree and _differs(inode, before, after)


def _differs(directory: int, before: Picture, after: Picture) -> bool:
    """Whether anything below is other: a name, a state, or how many names something there has."""
    old, new = before.below(directory), after.below(directory)
    if old != new:
        return True
    for inode in set(old.values()):
        if before.states[inode] != after.states[inode]:
            return True
        # What went with its directory is not looked for.
        names = [spot for spot in before.of[inode] if spot[0] in after.directories]
        if inode not in before.directories and len(names) != len(after.of[inode]):
            return True
    return False


def exclude(one: Lock, other: Lock, tree: Picture) -> bool:
    """Whether two requests cannot be held together."""
    if one.owner == other.owner or not (one.exclusive or other.exclusive):
        return False
    return _meet(one, other, tree) or _meet(other, one, tree)


def _meet(one: Lock, other: Lock, tree: Picture) -> bool:
    if set(one.spots) & set(other.spots):
        return True
    inodes, theirs = (
        {inode for spot in lock.spots if _alive(spot, tree) and (inode := tree.leads(spot)) is not None}
        for lock in (one, other)
    )
    if inodes & theirs:
        return True
    if not one.subtree:
        return False
    for spot in other.spots:
        if not _alive(spot, tree):
            continue
        inode = tree.leads(spot)
        places = [] if spot is None else [spot]
        places += [] if inode is None else tree.of[inode]
        for parent, _ in places:
            way = tree.directories[parent] + b"/"
            if any(way.startswith(tree.directories[top] + b"/") for top in inodes & tree.directories.keys()):
                return True
    return False


def _alive(spot: Spot, tree: Picture) -> bool:
    return spot is None or spot[0] in tree.directories


def two_hold(locks: Sequence[Lock], tree: Picture) -> bool:
    """Whether two of these hold what excludes the other."""
    held = [one for one in locks if one.fence]
    return any(exclude(one, other, tree) for at, one in enumerate(held) for other in held[:at])


def in_a_circle(locks: Sequence[Lock], tree: Picture) -> bool:
    """Whether owners wait for each other."""
    waits: dict[str, set[str]] = defaultdict(set)
    for one in locks:
        if not one.fence:
            waits[one.owner] |= {
                other.owner
                for other in locks
                if (other.fence or other.number < one.number) and exclude(one, other, tree)
            }
    return any(owner in _reached(owner, waits) for owner in waits)


def _reached(owner: str, waits: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending: Iterable[str] = waits.get(owner, ())
    while pending := set(pending) - found:
        found |= pending
        pending = {other for one in pending for other in waits.get(one, ())}
    return found
