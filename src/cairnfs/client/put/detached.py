"""A detached tree of this client: begun, extended page by page, attached or given up.

Each request may be sent again, and is until it is answered or time is over. What belongs here: these
requests. What does not: what goes into the tree (`tree.py`, `stash.py`). Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.client.commit import new_request_id
from cairnfs.client.control import Control
from cairnfs.ids import Path
from cairnfs.wire import endpoints, names
from cairnfs.wire.commits import Attach, Attributes, Base, Receipt
from cairnfs.wire.detached import BeginTreeRequest, DropTreeRequest, ExtendTreeRequest, Making


class DetachedTree:
    """A tree that no name leads to yet. `handle` stands for it; it is for nobody else."""

    def __init__(self, control: Control, handle: str) -> None:
        """One that was begun before, perhaps by another process of the same user."""
        self.handle = handle
        self._control = control

    @classmethod
    async def begin(
        cls, control: Control, path: Path, *, mode: int | None = None, attributes: Attributes | None = None
    ) -> DetachedTree:
        """A new one, to be attached at the path. `mode` and `attributes` are its top's."""
        text, base64 = names.to_text(path)
        request = BeginTreeRequest(
            request_id=new_request_id(), path=text, path_b64=base64, mode=mode, attributes=attributes
        )
        return cls(control, (await control.ask(endpoints.BEGIN_TREE, request)).tree)

    async def extend(
        self,
        operations: Sequence[Making],
        *,
        session: str | None = None,
        receipts: Sequence[Receipt] = (),
        bases: Sequence[Base] = (),
    ) -> None:
        """Make these things in it, all or none; paths begin at its top. Raises NotDurable, NoSuchTree."""
        request = ExtendTreeRequest(
            request_id=new_request_id(),
            tree=self.handle,
            operations=list(operations),
            session=session,
            receipts=list(receipts),
            bases=list(bases),
        )
        await self._control.ask(endpoints.EXTEND_TREE, request)

    async def drop(self) -> None:
        """Give it up."""
        await self._control.ask(endpoints.DROP_TREE, DropTreeRequest(tree=self.handle))

    def attach(self, path: Path, *, replace: bool = False) -> Attach:
        """The operation of a commit that gives it its name, with missing directories on the way."""
        text, base64 = names.to_text(path)
        return Attach(path=text, path_b64=base64, tree=self.handle, replace=replace, parents=True)
