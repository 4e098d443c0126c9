"""Building detached trees as the control plane does it, step by step, so that a test can come between."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from cairnfs.core.manifest import Chunk
from cairnfs.core.permissions import Person
from cairnfs.ids import SessionId
from cairnfs.metadata.ops import begin_tree, extend_tree, tree_page
from cairnfs.metadata.ops.begin_tree import BeginTree
from cairnfs.metadata.ops.extend_tree import ExtendTree, Reserved, ReserveInodes
from cairnfs.testing.ledger import NEVER_LATE, Ledger
from cairnfs.wire.commits import Attach, Attributes, Base, CommitReply, Operation, Write
from cairnfs.wire.detached import BeginTreeRequest, ExtendTreeRequest
from cairnfs.wire.receipts import ReceiptBody


class Building:
    """One tree in the making, begun for `path`."""

    def __init__(
        self,
        ledger: Ledger,
        path: str,
        *,
        person: Person | None = None,
        mode: int | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        self.ledger = ledger
        self.person = person or ledger.admin
        self.path = path
        self.session = ledger.session if self.person == ledger.admin else ledger.begin(self.person)
        request = BeginTreeRequest(
            request_id=secrets.token_hex(16), path=path, mode=mode, attributes=attributes
        )
        asked = begin_tree.parse(self.person, request, bytes(32))
        look = ledger.read(lambda tx: begin_tree.look_up(tx, asked))
        self.tree: str = ledger.do(BeginTree(asked, look, deadline=NEVER_LATE)).tree

    def page(
        self,
        *operations: Operation,
        receipts: Sequence[ReceiptBody] | None = None,
        bases: Sequence[Base] = (),
        person: Person | None = None,
        session: SessionId | None = None,
    ) -> ExtendTree:
        """A page ready to be written, with receipts for every chunk unless others are given."""
        session = session or self.session
        if receipts is None:
            chunks = [
                Chunk(one.hash, one.size)  # type: ignore[arg-type]
                for operation in operations
                if isinstance(operation, Write)
                for one in operation.chunks
            ]
            receipts = [self.ledger.receipt(chunks, self.person, session)]
        request = ExtendTreeRequest(
            request_id=secrets.token_hex(16),
            tree=self.tree,
            operations=list(operations),  # type: ignore[arg-type]
            session=session,
            bases=list(bases),
        )
        parsed = extend_tree.parse(person or self.person, request, receipts, bytes(32))
        look = self.ledger.read(lambda tx: extend_tree.look_up(tx, parsed))
        taken: Reserved = self.ledger.do(ReserveInodes(len(operations), deadline=NEVER_LATE))
        page = tree_page.make(look, parsed.steps, taken.first)
        return ExtendTree(parsed, look, page, deadline=NEVER_LATE)

    def extend(self, *operations: Operation, **rest: Any) -> int:
        """Put a page in; give how many things it made."""
        made: int = self.ledger.do(self.page(*operations, **rest)).made
        return made

    def attaching(self, path: str | None = None, **rest: Any) -> Attach:
        """The operation that attaches it."""
        return Attach(path=path or self.path, tree=self.tree, **rest)

    def attach(self, path: str | None = None, *, person: Person | None = None, **rest: Any) -> CommitReply:
        """Attach it in a commit of its own."""
        return self.ledger.commit(self.attaching(path, **rest), person=person or self.person)
