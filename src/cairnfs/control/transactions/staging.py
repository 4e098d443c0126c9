"""Commits in pages: keeping a page, and reading all pages of a commit again.

Everything slow about a page is done when it comes and when the commit comes, never with the clock held. What
belongs here: the endpoint, and the pages of a commit for `routes.py`. What does not: what is kept of a page
(`metadata/ops/staged.py`). One event loop; pages are read and checked in threads.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from cairnfs.clock import Clock
from cairnfs.control.people import person
from cairnfs.control.transactions.receipts import Receipts
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, CairnError, DeadlineExceeded
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import staged
from cairnfs.metadata.ops.staged import Page
from cairnfs.net.serving import Context
from cairnfs.wire.commits import STAGED_PAGES_MAX, StageReply, StageRequest


class Staging:
    """The pages of commits in the making."""

    def __init__(self, driver: Driver, receipts: Receipts, clock: Clock) -> None:
        self._driver = driver
        self._receipts = receipts
        self._clock = clock

    async def stage(self, context: Context, request: StageRequest) -> StageReply:
        """Keep a page."""
        who = person(context)
        if request.page >= STAGED_PAGES_MAX:
            raise BadRequest(f"a commit has at most {STAGED_PAGES_MAX} pages")
        genuine = await self._receipts.genuine(request.receipts) if request.receipts else []
        made = await asyncio.to_thread(staged.draft, who, request, genuine)
        page = (
            await self._driver.read(made.look) if made.bases else Page(request.operations, genuine, [], None)
        )
        body = await asyncio.to_thread(staged.encode, page)
        await self._driver.light(lambda tx: staged.keep(tx, made, body))
        return StageReply(page=request.page)

    async def pages(
        self, who: Person, request_id: str, count: int, session: str | None, deadline: float
    ) -> list[Page]:
        """The first `count` pages of a request. Raises BadRequest where one is missing, DeadlineExceeded."""
        key = staged.key_of(who, request_id)
        found: list[Page] = []
        for number in range(count):
            if self._clock.monotonic() > deadline:
                raise DeadlineExceeded
            body = await self._driver.read(lambda tx, n=number: staged.page(tx, key, n, session))  # type: ignore[misc]
            found.append(await asyncio.to_thread(staged.decode, body))
        return found

    async def forget(self, who: Person, request_id: str) -> None:
        """The commit is decided. Where this fails, its pages are forgotten an hour later."""
        key = staged.key_of(who, request_id)
        with suppress(CairnError):
            await self._driver.light(lambda tx: staged.forget(tx, key))
