"""Commits that lean on bases: files that have the chunks which are not sent."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.ops.commit import Commit, prepare
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chunk
from cairnfs.wire.commits import Base, CommitRequest, Operation


class Leaning:
    """Commits with bases, looked at before the clock as the route does it."""

    def __init__(self, ledger: Ledger, person: Person | None = None) -> None:
        self.ledger = ledger
        self.person = person or ledger.admin
        self.session = ledger.begin(self.person)

    def prepared(self, *operations: Operation, bases: list[Base], sent: tuple[bytes, ...] = ()) -> Commit:
        request = CommitRequest(
            request_id=secrets.token_hex(16), operations=list(operations), session=self.session, bases=bases
        )
        receipts = [self.ledger.receipt(map(chunk, sent), self.person, self.session)] if sent else []
        return prepare(self.person, request, receipts, body_hash=bytes(32), deadline=NEVER_LATE)

    def looked(self, *operations: Operation, **given: Any) -> Commit:
        made = self.prepared(*operations, **given)
        self.ledger.read(made.look)
        return made

    def commit(self, *operations: Operation, **given: Any) -> Any:
        return self.ledger.do(self.looked(*operations, **given))

    def refused(self, *operations: Operation, **given: Any) -> list[bytes]:
        """The chunks that it is asked to send."""
        with pytest.raises(e.NotDurable) as refusal:
            self.commit(*operations, **given)
        return list(refusal.value.chunks)
