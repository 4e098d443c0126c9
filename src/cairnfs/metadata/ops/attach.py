"""attach: give a detached tree its name, so that all of it appears at once.

What belongs here: the verb. It writes one name, whatever the tree's size. What does not: building the tree
(`begin_tree`, `extend_tree`), whether what it replaces may be removed with all below it (`emptying`).
"""

from __future__ import annotations

from collections.abc import Collection

from cairnfs.core.durability import strongest
from cairnfs.core.permissions import WALK, WRITE, Person
from cairnfs.errors import Exists, NotDurable, RootIsFixed
from cairnfs.ids import InodeId
from cairnfs.metadata.ops import detached_handle, expect, results
from cairnfs.metadata.ops.durable import policy
from cairnfs.metadata.ops.making import way
from cairnfs.metadata.ops.remove import take_away
from cairnfs.metadata.ops.resolve import require, text
from cairnfs.metadata.ops.steps import AttachStep
from cairnfs.metadata.rows import detached
from cairnfs.metadata.state import Stamp, State
from cairnfs.wire.commits import OperationResult


def attach(
    state: State, person: Person, stamp: Stamp, step: AttachStep, checked: Collection[InodeId] = ()
) -> OperationResult:
    """Raises BadCursor, NoSuchTree, IncarnationChanged, Exists, RootIsFixed, Forbidden, NotDurable where the
    directory asks for more than it did when the tree was begun, and what expectations raise.

    `checked`: see `remove`.
    """
    handle = detached_handle.read(state.tx, person, step.tree)
    detached_handle.require_same(handle, stamp.incarnation)
    if handle.top in state.tree.attached or detached.lock(state.tx, handle.top) is None:
        raise detached_handle.gone()
    view = state.tree.view
    at = way(state, person, stamp, step.path, parents=step.parents)
    if at.is_root:
        raise RootIsFixed("the root cannot be replaced", path="/")
    expect.hold(step.expected, view, at, stamp)
    if at.dentry is not None:
        if not step.replace:
            raise Exists("something already has that name", path=text(step.path))
        take_away(state, person, stamp, at, at.dentry, checked)
    require(person, view.version(at.parent), WRITE | WALK, step.path)
    asked = policy(view, at.chain)
    if strongest(asked, handle.policy) != handle.policy:
        raise NotDurable(
            f"the directory asks for {asked} now, {handle.policy} was when the tree was begun",
            path=text(step.path),
        )
    state.tree.attach(at.parent, at.name, handle.top, stamp)
    return results.of(state, handle.top, stamp)
