"""Looking ahead: whether a lock of others would be in the way of what takes long to prepare.

What belongs here: a look at one name that something is to appear at, before the clock is taken. It may be
otherwise when the commit comes, and is looked at then. Any thread, inside a tx.
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError
from cairnfs.ids import NEVER, InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.guard import meeting, proofs, refusal
from cairnfs.metadata.ops.resolve import place
from cairnfs.metadata.rows import clock
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import State
from cairnfs.metadata.state.locks import Shown
from cairnfs.metadata.state.touched import Touched
from cairnfs.metadata.view import DIRECTORY


def look(tx: Tx, person: Person, path: Path, shown: Shown) -> None:
    """Raises Locked, LockLost, LockTokenWrong where a directory cannot come to have this path now.

    Where the path cannot be walked, or what is there not be replaced, it is left to the commit to say so.
    """
    state = State(tx, clock.read(tx))
    held = proofs.check(state, shown)
    if not state.locks.any:
        return
    view = state.tree.view
    view.walked = {}
    view.prefetch([path])
    try:
        at = place(view, state.people.now(person), path)
    except CairnError:
        return
    if at.is_root:
        return
    there = at.dentry
    new = Dentry(at.parent, at.name, view.version(at.parent).born, InodeId(NEVER), DIRECTORY)
    gone = {there.inode} if there is not None else set()
    uprooted = gone if there is not None and there.kind == DIRECTORY else set()
    touched = Touched({(at.parent, at.name): (there, new)}, gone, gone, uprooted, {new.inode})
    met = meeting.Meeting(state, touched).with_others(held)
    if met:
        raise refusal.locked(state, state.mark(), met)
