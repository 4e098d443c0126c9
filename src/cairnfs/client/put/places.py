"""Where the pages of a put go until its commit: into the commit itself, or into a detached tree.

What belongs here: both ways, which look alike. What does not: what a page holds (`changes.py`). Used from
one event loop, page after page.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from cairnfs.client.commit import commit
from cairnfs.client.control import Control
from cairnfs.client.put.changes import Changes
from cairnfs.client.put.detached import DetachedTree
from cairnfs.client.put.pages import Page, Pages
from cairnfs.client.put.plan import Step, Window, attributes_of
from cairnfs.errors import CairnError
from cairnfs.wire.commits import Base, CommitReply, Operation, Receipt
from cairnfs.wire.detached import Making

#: A chunk's entry and its part of a receipt, as JSON.
_CHUNK_BYTES = 160


class AtOnce:
    """Everything goes into one commit, in pages that are staged where they are many."""

    #: Whether a page that was refused for its chunks may be sent again by itself.
    repeats = False
    tree: str | None = None

    def __init__(self, control: Control, changes: Changes) -> None:
        self.changes = changes
        self._pages = Pages(control)

    async def add(
        self,
        window: Window,
        operations: list[Operation],
        session: str,
        receipts: Sequence[Receipt],
        bases: list[Base],
    ) -> None:
        """The next page."""
        weight = window.weight + _CHUNK_BYTES * window.chunks
        await self._pages.add(Page(operations, list(receipts), bases, weight), session)

    async def finish(self) -> CommitReply | None:
        """Make the commit. None where nothing is to be changed."""
        return await self._pages.commit()

    async def give_up(self) -> None:
        """Nobody will go on with it. What was staged is forgotten by itself."""


class InDetachedTree:
    """Everything goes into a tree that no name leads to before the commit attaches it."""

    repeats = True

    def __init__(self, control: Control, changes: Changes, tree: DetachedTree, root: Step) -> None:
        """See `begin`."""
        self.changes = changes
        self.tree = tree.handle
        self._control = control
        self._tree = tree
        self._path = root.path

    @classmethod
    async def begin(cls, control: Control, changes: Changes, root: Step) -> InDetachedTree:
        """Begin the tree whose top the root becomes."""
        attributes = None if root.beside is None else attributes_of(root.found, root.beside)
        tree = await DetachedTree.begin(
            control, root.path, mode=changes.mode(root.found), attributes=attributes
        )
        return cls(control, changes, tree, root)

    async def add(
        self,
        window: Window,
        operations: list[Operation],
        session: str,
        receipts: Sequence[Receipt],
        bases: list[Base],
    ) -> None:
        """The next page."""
        if operations:
            making = cast(Sequence[Making], operations)
            await self._tree.extend(making, session=session, receipts=receipts, bases=bases)

    async def finish(self) -> CommitReply | None:
        """Attach the tree."""
        return await commit(self._control, [self._tree.attach(self._path)])

    async def give_up(self) -> None:
        """Nobody will go on with it."""
        with suppress(CairnError):
            await self._tree.drop()
