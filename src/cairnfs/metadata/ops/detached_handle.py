"""detached_handle: the text that stands for a detached tree, and what it opens to.

    write(tx, handle) -> text                        what who begins a tree is given
    read(tx, person, text) -> Handle                 what it says; the tree may be over
    open_handle(tx, person, text) -> Opened          the tree's top, if it is still in the making

What belongs here: the text, and that it is for nobody but whom it was given to. It is sealed as cursors are:
any process of the control plane reads it, nobody else reads or writes one. What does not: what is done with
the tree (`detached`, `begin_tree`, `extend_tree`, `attach`). Any thread, inside a tx.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.errors import Busy, Forbidden, IncarnationChanged, NoSuchTree
from cairnfs.ids import CommitNumber, Incarnation, InodeId, RequestId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors
from cairnfs.metadata.rows import clock, detached
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State
from cairnfs.wire.shapes import request_id


class Handle(NamedTuple):
    """What was settled when a tree was begun, for all that is put into it.

    `born`, `at_us`: of all its rows. `policy`: the durability that is asked for where it is to be attached.
    """

    incarnation: Incarnation
    top: InodeId
    born: CommitNumber
    at_us: int
    user: UserId
    policy: str


class Opened(NamedTuple):
    """The directory at the top of a detached tree, and the incarnation that it is of."""

    top: InodeId
    incarnation: Incarnation


def write(tx: Tx, handle: Handle) -> str:
    """A handle as text."""
    return cursors.write(tx, handle)


def read(tx: Tx, person: Person, text: str) -> Handle:
    """What a text says that was given to `person`. Raises BadCursor, Forbidden."""
    handle = cursors.read(tx, text, Handle)
    if handle.user != person.user_id:
        raise Forbidden("a detached tree is for nobody but who began it")
    return handle


def open_handle(tx: Tx, person: Person, text: str) -> Opened:
    """The tree that a text stands for, as it is now.

    Raises BadCursor, Forbidden, IncarnationChanged, NoSuchTree (it was attached or given up).
    """
    handle = read(tx, person, text)
    require_same(handle, clock.read(tx).incarnation)
    if not detached.is_there(tx, handle.top):
        raise gone()
    return Opened(handle.top, handle.incarnation)


def require_same(handle: Handle, incarnation: Incarnation) -> None:
    """Raises IncarnationChanged."""
    if handle.incarnation != incarnation:
        raise IncarnationChanged("the detached tree is of another incarnation")


def require_unchanged(
    state: State, asker: Person, person: Person, incarnation: Incarnation, people_version: int | None
) -> None:
    """What was looked up before holds only for whom, and where history was not cut.

    `people_version`: None where nobody else was looked up by name. Raises IncarnationChanged,
    Unauthenticated; Busy where it has to be looked up again.
    """
    if incarnation != state.clock.incarnation:
        raise IncarnationChanged("history was cut meanwhile")
    if state.people.now(asker) != person or people_version not in (None, state.counters["people_version"]):
        raise Busy("people were changed meanwhile: try again")


def reply_key(person: Person, request: str, body_hash: bytes) -> ReplyKey:
    """Under which an answer is kept: apart from commits, whose ids are settled. Raises BadRequest."""
    return ReplyKey(person.user_id, RequestId(f"tree:{request_id(request)}"), body_hash)


def gone() -> NoSuchTree:
    """What is said of a tree that is no more in the making."""
    return NoSuchTree("the detached tree was attached or given up", hint="begin another one")
