"""Locks that cannot be cheated: every operation is looked at, whatever it is, before its tree is written.

    apply(operation, state)    the only way to run one: what it shows, its change, what that met

    proofs     the locks that it shows are held now, by that user
    meeting    held locks that the change meets, and that it does not show
    refusal    telling whoever is refused whose turn to wait for
    rekeying   requests go on to mean what their names lead to now
    ahead      before the clock: whether what takes long to prepare would be refused

What belongs here: that order. What was changed is read from the journal (`state/touched`), so that no verb
can forget to ask. What does not: asking for locks and giving them up (`ops/locks`). While no lock is there
none of it runs. Inside the clock, one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from cairnfs.core.locks.request import INODE, NAME, Key
from cairnfs.ids import ROOT, InodeId
from cairnfs.metadata.guard import meeting, proofs, refusal, rekeying
from cairnfs.metadata.state import Mark, State, touched
from cairnfs.metadata.state.locks import NONE_SHOWN, Shown
from cairnfs.metadata.view import View

A_co = TypeVar("A_co", covariant=True)


class Applied(Protocol[A_co]):
    """What this looks at of an operation. One that shows locks has them in `locks`, a `Shown`."""

    def apply(self, state: State) -> A_co:
        """See `batch.Operation`."""
        ...


def prefetch(state: State, operations: Iterable[Any]) -> None:
    """Load what looking at these will ask for: a few statements for a batch, none while there is no lock."""
    if not state.locks.any:
        return
    view = state.tree.view
    around = state.locks.around([ROOT, *view.above])
    changing = [one for one in operations if hasattr(one, "locks")]
    # Not what locks are asked for: where many wait for very much, that would be all of their keys.
    paths = {want for one in changing for want in one.wants() if isinstance(want, bytes)}
    names = {name for path in paths for name in path.split(b"/")}
    state.locks.on(key for one, there in around.items() if there.inside for key in _inside(view, one, names))
    state.locks.rows(proof.lock for operation in changing for proof in _shown(operation).proofs)


def _inside(view: View, directory: InodeId, names: Collection[bytes]) -> Iterator[Key]:
    """What of a directory may come to be changed: these names, as far as they were looked up."""
    for name, dentry in view.names.get(directory, {}).items():
        if name in names:
            yield Key(directory, NAME, name)
            if dentry is not None:
                yield Key(dentry.inode, INODE)


def apply(operation: Applied[A_co], state: State) -> A_co:
    """Apply an operation. Raises what refuses it, and Locked, LockLost, LockTokenWrong, Deadlock."""
    shown = _shown(operation)
    held = proofs.check(state, shown)
    view, mark = state.tree.view, state.mark()
    view.walked = {} if state.locks.any else None
    try:
        answer = operation.apply(state)
        if state.locks.any:
            _look(state, mark, shown, held)
    finally:
        view.walked = None
    return answer


def _look(state: State, mark: Mark, shown: Shown, held: frozenset[int]) -> None:
    done = touched.since(state, mark)
    if not done:
        return
    found = meeting.Meeting(state, done)
    if found.quiet:
        return
    met = found.with_others(held)
    if met:
        raise refusal.locked(state, mark, met)
    try:
        rekeying.rekey(state, found, shown.person)
    except rekeying.TwoHolders as two:
        raise refusal.locked(state, mark, [two.met]) from two


def _shown(operation: Any) -> Shown:
    shown: Shown = getattr(operation, "locks", NONE_SHOWN)
    return shown
