"""Where the pages of a publish go until its commit: into the commit itself, or into a detached tree.

What belongs here: both ways, which look alike. What does not: what a page does (`plan.py`). Used from
one event loop, page after page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

from cairnfs.client.commit import commit
from cairnfs.client.control import Control
from cairnfs.client.publish.compare import Change
from cairnfs.client.publish.looked import Looked
from cairnfs.client.put.detached import DetachedTree
from cairnfs.client.put.pages import Page, Pages
from cairnfs.client.results import Durability
from cairnfs.ids import Path
from cairnfs.wire.commits import OPERATIONS_MAX, Base, CommitReply, Operation, Receipt
from cairnfs.wire.detached import Making
from cairnfs.wire.directory import ChunkRef

#: A chunk's entry and its part of a receipt, as JSON; what an operation takes at most beside that.
_CHUNK_BYTES, _OPERATION_BYTES = 160, 8192

Made = Sequence[tuple[Change, Sequence[ChunkRef]]]


async def place_for(
    control: Control, looked: Looked, durability: Durability | None, *, much: bool
) -> InCommit | InTree:
    """A detached tree where nothing is there yet and `much` is to come, else the commit."""
    if looked.is_new and much:
        top = looked.plan(durability).top(looked.making_top)
        tree = await DetachedTree.begin(control, looked.path, mode=top.mode, attributes=top.attributes)
        return InTree(control, looked, tree, durability)
    return InCommit(control, looked, durability)


class InCommit:
    """Everything goes into one commit, in pages that are staged where they are many."""

    #: Whether a page that was refused for its chunks may be sent again by itself.
    repeats = False
    tree: str | None = None

    def __init__(self, control: Control, looked: Looked, durability: Durability | None) -> None:
        self._pages = Pages(control)
        self._plan = looked.plan(durability)
        self._session: str | None = None

    async def add(self, made: Made, session: str, receipts: Sequence[Receipt], bases: Sequence[Base]) -> None:
        """The next page."""
        self._session = session
        operations = [one for change, chunks in made for one in self._plan.operations(change, chunks)]
        weight = _weight(made) + _CHUNK_BYTES * sum(len(chunks) for _, chunks in made)
        await self._pages.add(Page(operations, list(receipts), list(bases), weight), session)

    async def finish(self, more: Sequence[Operation], message: str) -> CommitReply:
        """Make the commit, with what has to come last, and with what is expected."""
        last = self._plan.end()
        while operations := list(islice(last, OPERATIONS_MAX - len(more))):
            weight = _OPERATION_BYTES * len(operations)
            await self._pages.add(Page(operations, weight=weight), self._session)
        reply = await self._pages.commit(more, message)
        assert reply is not None
        return reply


class InTree:
    """Everything goes into a tree that no name leads to before the commit attaches it."""

    repeats = True

    def __init__(
        self, control: Control, looked: Looked, tree: DetachedTree, durability: Durability | None
    ) -> None:
        self.tree = tree.handle
        self._control = control
        self._path: Path = looked.path
        self._tree = tree
        self._plan = looked.plan(durability, detached=True)

    async def add(self, made: Made, session: str, receipts: Sequence[Receipt], bases: Sequence[Base]) -> None:
        """The next page."""
        operations = list(self._operations(made))
        if operations:
            await self._tree.extend(operations, session=session, receipts=receipts, bases=bases)

    def _operations(self, made: Made) -> Iterator[Making]:
        for change, chunks in made:
            # The tree has its top already.
            if change.path:
                yield from cast(Iterator[Making], self._plan.operations(change, chunks))

    async def finish(self, more: Sequence[Operation], message: str) -> CommitReply:
        """Attach the tree."""
        return await commit(self._control, [*more, self._tree.attach(self._path)], message=message)


def _weight(made: Made) -> int:
    return sum(7 * (2 * len(change.path) + 128) for change, _ in made)
