"""Telling whoever is refused by a lock: who holds it, and whose turn to wait for.

What belongs here: the error. `where` is a path that the refused operation walked to, as it was before it and
without symlinks, so that whoever locks it waits for what was in the way; nothing else of the tree is told.
What does not: who is refused (`meeting`). Inside the clock, one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.errors import Locked
from cairnfs.ids import ROOT, Path
from cairnfs.metadata.guard.meeting import Met
from cairnfs.metadata.rows import sessions
from cairnfs.metadata.state import Mark, State
from cairnfs.metadata.state.touched import Place
from cairnfs.metadata.state.ways import path_to
from cairnfs.wire import names


class _Told(NamedTuple):
    """A place that may be told: as whoever asked wrote it, and as it is."""

    path: Path
    where: bytes


def locked(state: State, mark: Mark, met: Sequence[Met]) -> Locked:
    """The error for what met these locks. What was done since `mark` is taken back: it is refused."""
    walked = dict(state.tree.view.walked or {})
    state.undo(mark)
    inodes = _walked_to(state, walked)
    for one in met:
        told = _told(state, walked, one, inodes)
        if told is not None:
            break
    else:
        one, told = met[0], None
    detail = _who(state, one.lock)
    return Locked(
        f"a lock is held below it: {detail}" if one.below else f"somebody else has a lock there: {detail}",
        path=None if told is None else names.to_text(told.path)[0],
        where=None if told is None else told.where,
        subtree=one.below,
    )


def _told(state: State, walked: dict[Place, Path], met: Met, inodes: dict[int, Place]) -> _Told | None:
    if met.inode == ROOT:
        return _Told(Path(b"/"), b"/")
    place = met.place or inodes.get(met.inode or 0)
    if place is None or place not in walked:
        return None
    where = path_to(state.tree, *place)
    if where is None or len(where) > PATH_MAX_BYTES:
        return None
    return _Told(walked[place], where)


def _walked_to(state: State, walked: dict[Place, Path]) -> dict[int, Place]:
    """What was walked to, by what is there."""
    view = state.tree.view
    leads = ((place, view.names.get(place[0], {}).get(place[1])) for place in walked)
    return {dentry.inode: place for place, dentry in leads if dentry is not None}


def _who(state: State, lock: int) -> str:
    """Who holds a lock, for people."""
    row = state.locks.rows([lock])[lock]
    assert row is not None, "it was met just now"
    name = state.people.names((row.user_id,))[row.user_id]
    session = sessions.find(state.tx, [row.session]).get(row.session)
    label = f" ({session.label})" if session is not None and session.label else ""
    since = datetime.fromtimestamp(row.granted_us // 1_000_000, UTC)
    return f"{name}{label}, since {since:%Y-%m-%d %H:%M:%S} UTC"
