"""Known ways to let locks be cheated, planted on purpose: the stories of guarded commits must find each.

What belongs here: one context manager a bug; within it all of Cairn in this process has the bug. Not to be
switched while operations run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.core.locks.request import Spot
from cairnfs.errors import Locked, LockLost, LockTokenWrong
from cairnfs.metadata import guard, replies
from cairnfs.metadata.guard import meeting, proofs, rekeying
from cairnfs.metadata.guard.meeting import Meeting
from cairnfs.metadata.ops.locks import spots
from cairnfs.metadata.rows.lock_keys import Hit
from cairnfs.metadata.state import State, touched
from cairnfs.metadata.state.locks import Locks, Shown
from cairnfs.metadata.state.touched import Touched


def _numbers(shown: Shown) -> frozenset[int]:
    return frozenset(proof.lock for proof in shown.proofs)


@contextmanager
def fence_not_checked() -> Iterator[None]:
    """A lock that is shown counts, whether it is held still or not."""
    honest = proofs.check

    def trusting(state: State, shown: Shown) -> frozenset[int]:
        try:
            return honest(state, shown)
        except LockLost:
            return _numbers(shown)

    with patch.object(proofs, "check", trusting):
        yield


@contextmanager
def token_not_checked() -> Iterator[None]:
    """Whoever knows a lock's number has it."""
    honest = proofs.check

    def trusting(state: State, shown: Shown) -> frozenset[int]:
        try:
            return honest(state, shown)
        except LockTokenWrong:
            return _numbers(shown)

    with patch.object(proofs, "check", trusting):
        yield


@contextmanager
def inode_key_not_taken() -> Iterator[None]:
    """A file is locked by the name that was asked for alone: two hard links can be under two locks."""
    honest = spots.spot

    def by_name(at: Any, around: Any) -> Spot:
        found = honest(at, around)
        return found if found.name is None else Spot(found.name, None, found.above)

    with patch.object(spots, "spot", by_name), patch.object(rekeying, "spot", by_name):
        yield


@contextmanager
def keys_left_as_they_were() -> Iterator[None]:
    """A lock goes on to mean what its names led to when it was asked for."""
    with patch.object(rekeying, "rekey", lambda *_: None):
        yield


@contextmanager
def ancestors_not_looked_at() -> Iterator[None]:
    """A lock with all below it keeps only the directory itself."""
    with patch.object(Meeting, "_above", lambda *_: ()):
        yield


@contextmanager
def moving_directories_unasked() -> Iterator[None]:
    """A directory is moved or removed whatever is locked below it."""
    with patch.object(Meeting, "_below", lambda *_: ()):
        yield


@contextmanager
def batch_mates_not_seen() -> Iterator[None]:
    """What is known of locks is as it was when the batch began."""
    with patch.object(Locks, "_refresh", lambda *_: None), patch.object(Locks, "forget", lambda *_: None):
        yield


@contextmanager
def _looking_away(when: Callable[[Any], bool]) -> Iterator[None]:
    honest = guard.apply

    def hasty(operation: Any, state: State) -> Any:
        return operation.apply(state) if when(operation) else honest(operation, state)

    with patch.object(guard, "apply", hasty):
        yield


@contextmanager
def copies_not_looked_at() -> Iterator[None]:
    """A tree that was copied gets its name whoever has a lock there."""
    with _looking_away(lambda operation: type(operation).__name__ == "AttachCopy"):
        yield


@contextmanager
def trees_attached_unasked() -> Iterator[None]:
    """A tree that a client built gets its name whoever has a lock there."""
    with _looking_away(
        lambda operation: any(
            type(step).__name__ == "AttachStep" for step in getattr(operation, "_steps", ())
        )
    ):
        yield


@contextmanager
def readers_passed_over() -> Iterator[None]:
    """What others hold together is changed under their eyes."""
    honest = meeting._foreign

    def alone(hits: Iterable[Hit], held: Collection[int]) -> list[Hit]:
        return [one for one in honest(hits, held) if one.lock not in shared]

    shared: set[int] = set()
    look = Meeting.with_others

    def watching(self: Meeting, held: Collection[int]) -> list[meeting.Met]:
        rows = self._state.tx.rows("SELECT id FROM lock WHERE exclusive = 0")
        shared.clear()
        shared.update(row[0] for row in rows)
        return look(self, held)

    with patch.object(meeting, "_foreign", alone), patch.object(Meeting, "with_others", watching):
        yield


@contextmanager
def _seeing(change: Callable[[Touched], Touched]) -> Iterator[None]:
    honest = touched.since
    with patch.object(touched, "since", lambda state, mark: change(honest(state, mark))):
        yield


@contextmanager
def versions_not_looked_at() -> Iterator[None]:
    """Only names are kept, not what is in a file, nor its attributes."""
    with _seeing(lambda seen: Touched(seen.names, set(), seen.renamed, seen.uprooted, seen.made)):
        yield


@contextmanager
def names_not_looked_at() -> Iterator[None]:
    """Only what is there is kept, not what a name leads to."""
    honest = Meeting._there

    def blind(self: Meeting, held: Collection[int]) -> list[meeting.Met]:
        return [one for one in honest(self, held) if one.place is None]

    with patch.object(Meeting, "_there", blind):
        yield


@contextmanager
def other_names_not_looked_at() -> Iterator[None]:
    """A file below a locked directory is changed by its name elsewhere."""
    honest = meeting.parents

    def short(state: State, seen: Touched) -> Any:
        found = honest(state, seen)
        walked = {parent for parent, _ in state.tree.view.walked or ()}
        return {inode: there & walked or there for inode, there in found.items()}

    with patch.object(meeting, "parents", short):
        yield


@contextmanager
def first_refusals_kept() -> Iterator[None]:
    """Who was refused for a lock is refused for good."""
    kept = tuple(one for one in replies._MAY_SUCCEED if one is not Locked)
    with patch.object(replies, "_MAY_SUCCEED", kept):
        yield


@contextmanager
def two_holders_let_be() -> Iterator[None]:
    """Whoever shows the locks of two owners may bring them onto one file."""
    with patch.object(rekeying, "_require_alone", lambda *_: None):
        yield


@contextmanager
def circles_by_moving() -> Iterator[None]:
    """What moves may let owners wait for each other."""
    with patch.object(rekeying, "_require_no_circle", lambda *_: None):
        yield


BUGS: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    fence_not_checked,
    token_not_checked,
    inode_key_not_taken,
    keys_left_as_they_were,
    ancestors_not_looked_at,
    moving_directories_unasked,
    batch_mates_not_seen,
    copies_not_looked_at,
    trees_attached_unasked,
    readers_passed_over,
    versions_not_looked_at,
    names_not_looked_at,
    other_names_not_looked_at,
    first_refusals_kept,
    two_holders_let_be,
    circles_by_moving,
)
