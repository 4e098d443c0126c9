"""upgrade: make a shared lock exclusive, for whoever is its only holder.

What belongs here: the verb. The lock keeps its number and takes a new fence; whoever waits goes on waiting.
It takes the rights of an exclusive one. Inside the clock.
"""

from __future__ import annotations

from dataclasses import replace

from cairnfs.core.locks.request import INODE, NAME, Key, Request
from cairnfs.core.permissions import Person
from cairnfs.errors import Forbidden, NotSoleHolder
from cairnfs.ids import ROOT, InodeId, Name
from cairnfs.metadata.ops.locks import circles, shown, spots, telling
from cairnfs.metadata.rows import lock_looks, locks, nodes
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.state import State, Want
from cairnfs.metadata.state.ways import way_up
from cairnfs.wire.locks import LockReply, TokenRequest


class Upgrade:
    """Make a shared lock exclusive; one that is so already stays as it is. Answers a LockReply."""

    reply_key = None  # asked again it says the same
    answer_type = None

    def __init__(self, person: Person, lock: int, request: TokenRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self._person = person
        self._named = (lock, request.token)

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> LockReply:
        """Raises NoSuchLock, LockTokenWrong, Forbidden, NotSoleHolder, Deadlock."""
        person = state.people.now(self._person)
        [row] = shown.require(state.tx, state.people, person.user_id, [self._named])
        if row.fence == 0:
            raise NotSoleHolder(f"the lock {row.id} is not held yet", hint="wait for its grant")
        if row.exclusive:
            return telling.held(state.clock, row.id, row.fence)
        [request] = locks.requests(state.tx, [row.id])
        _require_rights(state, person, request)
        stronger = replace(request, exclusive=True)
        holds, _ = lock_looks.in_the_way(state.tx, telling.asks(row, stronger))
        if holds:
            who = telling.described(telling.holder(state.tx, state.people, min(holds)))
            raise NotSoleHolder(f"it is held by {who}, too")
        # Whoever waits for something else and shares it waits for this owner now, who may wait for them.
        waits = [one.id for one in locks.waiting_of(state.tx, [(row.session, row.owner)])]
        circles.check(state, person, locks.requests(state.tx, waits), [stronger])
        fence = state.grant(row.id, row.session)
        locks.make_exclusive(state.tx, row.id, fence, state.now_us)
        return telling.held(state.clock, row.id, fence)


def _require_rights(state: State, person: Person, request: Request) -> None:
    """Raises Forbidden where the person may not lock one of its names, as it is now, for themselves alone."""
    view = state.tree.view
    names = [key for key in request.keys if key.kind == NAME]
    for key in names:
        parent = _version(state, key.inode)
        dentry = None if parent is None else view.lookup(key.inode, Name(key.name))
        kind = None if dentry is None else dentry.kind
        here = None if dentry is None else view.version(dentry.inode)
        # What is in a directory that was removed is nobody's.
        if parent is not None and not spots.may_lock(person, parent, kind, here, exclusive=True):
            raise Forbidden(f"{person.name} may not have it exclusively")
    root = Key(ROOT, INODE) in request.keys
    if root and not spots.may_lock(person, None, None, view.version(ROOT), exclusive=True):
        raise Forbidden(f"{person.name} may not have it exclusively")


def _version(state: State, directory: InodeId) -> Version | None:
    if not way_up(state.tree, directory):
        return None
    return state.tree.view.versions.get(directory) or nodes.version(state.tx, directory, None)
