"""renamings: by which name something was, or will be, known at another commit.

What belongs here: following what a name leads to from one commit to another. Directories are found by their
inodes; files by the log of changes, from one renaming to the next, a few statements a renaming however many
files are followed. A file that was renamed more often than HOPS_MAX in between is taken for another one, in
both directions alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from cairnfs.ids import CommitNumber, InodeId, Name
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state.changes import CREATED, MOVED, REMOVED, Change, decode
from cairnfs.metadata.view import DIRECTORY

HOPS_MAX = 32
#: So many commits' changes are in memory at once.
_COMMITS_AT_ONCE = 64

Key = tuple[InodeId, Name]


class Known(NamedTuple):
    """A name that leads to something: since when, to what."""

    key: Key
    born: CommitNumber
    inode: InodeId
    kind: str

    @classmethod
    def by(cls, dentry: Dentry) -> Known:
        """What a row says."""
        return cls((dentry.parent, dentry.name), dentry.born, dentry.inode, dentry.kind)


def origins(tx: Tx, known: Collection[Known], low: CommitNumber) -> dict[Known, Key]:
    """The names at the earlier commit `low` of what has these names later; what had none is left out."""
    found, moving = _directories(tx, known, low)
    for _ in range(HOPS_MAX + 1):
        found |= {one: at.key for one, at in moving.items() if at.born <= low}
        moving = {one: at for one, at in moving.items() if at.born > low}
        if not moving:
            break
        begun = _made(tx, {(at.born, at.key) for at in moving.values()}, _beginnings)
        came = {
            one: (change.from_parent, change.from_name, CommitNumber(at.born - 1))
            for one, at in moving.items()
            if (change := begun.get((at.born, at.key))) is not None and change.what == MOVED
        }
        before = rows.dentries_then(tx, set(came.values()))
        moving = {one: Known.by(before[key]) for one, key in came.items() if key in before}
    return found


def destinations(tx: Tx, known: Collection[Known], high: CommitNumber) -> dict[Known, Key]:
    """The names at the later commit `high` of what has these names earlier; what is gone is left out."""
    found, moving = _directories(tx, known, high)
    for _ in range(HOPS_MAX + 1):
        if not moving:
            break
        died = rows.ends(tx, {(*at.key, at.born) for at in moving.values()})
        ended = {one: died[*at.key, at.born] for one, at in moving.items()}
        found |= {one: moving[one].key for one, end in ended.items() if end > high}
        gone = _made(tx, {(end, moving[one].key) for one, end in ended.items() if end <= high}, _endings)
        moving = {
            one: Known((change.parent, change.name), end, one.inode, one.kind)
            for one, end in ended.items()
            if (change := gone.get((end, moving[one].key))) is not None and change.what == MOVED
        }
    return found


def is_logged(tx: Tx, commit: CommitNumber, key: Key, *, end: bool) -> bool:
    """Whether a commit's changes name this name as one that it began, or ended."""
    return bool(_made(tx, {(commit, key)}, _endings if end else _beginnings))


def _directories(
    tx: Tx, known: Collection[Known], at: CommitNumber
) -> tuple[dict[Known, Key], dict[Known, Known]]:
    """Where the directories among these are at a commit; and the others, which have to be followed."""
    directories = {one.inode: one for one in known if one.kind == DIRECTORY}
    names = rows.names_then(tx, [(inode, at) for inode in directories])
    found = {directories[dentry.inode]: (dentry.parent, dentry.name) for _, dentry in names}
    return found, {one: one for one in known if one.kind != DIRECTORY}


def _made(
    tx: Tx,
    wanted: set[tuple[CommitNumber, Key]],
    keys: Callable[[Change], Iterator[Key]],
) -> dict[tuple[CommitNumber, Key], Change]:
    """The changes that these commits made of these names."""
    numbers = sorted({number for number, _ in wanted})
    found: dict[tuple[CommitNumber, Key], Change] = {}
    for start in range(0, len(numbers), _COMMITS_AT_ONCE):
        for commit in rows.commits(tx, numbers[start : start + _COMMITS_AT_ONCE]).values():
            for change in decode(commit.entries) if commit.entries else []:
                for key in keys(change):
                    if (commit.number, key) in wanted:
                        found[commit.number, key] = change
    return found


def _beginnings(change: Change) -> Iterator[Key]:
    if change.what in (CREATED, MOVED):
        yield change.parent, change.name


def _endings(change: Change) -> Iterator[Key]:
    if change.what == MOVED:
        yield change.from_parent, change.from_name
    elif change.what == REMOVED:
        yield change.parent, change.name
