"""Any number of operations as one commit: what is more than one request holds is staged in pages.

Pages are handed over as they come, so that the chunks of the next ones are on their way meanwhile; nothing
takes effect before `commit`. What belongs here: filling pages and sending them in order. What does not: the
commit's outcome where answers are lost (`commit.py`). Used from one event loop, by one task at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cairnfs.client.commit import commit, new_request_id
from cairnfs.client.control import Control
from cairnfs.errors import SessionEnded, TooManyOperations
from cairnfs.wire import endpoints
from cairnfs.wire.commits import (
    BASES_MAX,
    OPERATIONS_MAX,
    STAGED_PAGES_MAX,
    Base,
    CommitReply,
    Operation,
    Receipt,
    StageRequest,
)

#: Bytes of one page as JSON, roughly.
_PAGE_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Page:
    """What goes together. `weight` is its size in bytes, roughly."""

    operations: list[Operation] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    bases: list[Base] = field(default_factory=list)
    weight: int = 0

    def takes(self, other: Page) -> bool:
        """Whether both fit into one request."""
        return not (self.operations or self.receipts) or (
            len(self.operations) + len(other.operations) <= OPERATIONS_MAX
            and len(self.bases) + len(other.bases) <= BASES_MAX
            and self.weight + other.weight <= _PAGE_BYTES
        )

    def add(self, other: Page) -> None:
        """Both are one."""
        self.operations += other.operations
        self.receipts += other.receipts
        self.bases += other.bases
        self.weight += other.weight


class Pages:
    """One commit on its way."""

    def __init__(self, control: Control) -> None:
        self.staged = 0
        self._control = control
        self._request_id = new_request_id()
        self._session: str | None = None
        self._last = Page()

    async def add(self, page: Page, session: str | None) -> None:
        """The next operations. Raises TooManyOperations, NotDurable, SessionEnded."""
        if not page.operations:
            return
        if None not in (session, self._session) and session != self._session:
            raise SessionEnded("the session ended while pages were staged")
        self._session = session or self._session
        if not self._last.takes(page):
            await self._stage()
        self._last.add(page)

    async def commit(self, more: Sequence[Operation] = (), message: str = "") -> CommitReply | None:
        """Make all of it one commit, with these operations last. None where there was nothing to do."""
        if more:
            await self.add(Page(operations=list(more)), None)
        last = self._last
        if not last.operations:
            return None
        return await commit(
            self._control,
            last.operations,
            session=self._session,
            receipts=last.receipts,
            bases=last.bases,
            message=message,
            request_id=self._request_id,
            staged=self.staged,
        )

    async def _stage(self) -> None:
        if self.staged == STAGED_PAGES_MAX:
            raise TooManyOperations(
                f"a commit changes at most {(STAGED_PAGES_MAX + 1) * OPERATIONS_MAX} paths of what is there",
                hint="put the parts of the tree one by one, or into a directory that is not there yet",
            )
        last, self._last = self._last, Page()
        request = StageRequest(
            request_id=self._request_id,
            page=self.staged,
            operations=last.operations,
            session=self._session,
            receipts=last.receipts,
            bases=last.bases,
        )
        await self._control.ask(endpoints.STAGE, request)
        self.staged += 1
