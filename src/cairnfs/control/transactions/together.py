"""Commits that came in one request, for a client in which several waited: each is one of its own.

What belongs here: taking them apart and putting the answers together. What does not: a commit
(`routes.py`). They wait for the database together, so they mostly share one tx. One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from cairnfs.control.transactions.routes import TransactionRoutes
from cairnfs.errors import CairnError, TooManyOperations
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints, problems
from cairnfs.wire.commits import (
    COMMITS_MAX,
    CommitManyReply,
    CommitManyRequest,
    CommitRequest,
    CommitResult,
)


class Together:
    """The endpoint of many commits."""

    def __init__(self, routes: TransactionRoutes) -> None:
        """`routes` makes each."""
        self._routes = routes

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {endpoints.COMMIT_MANY.name: self.commit_many}

    async def commit_many(self, context: Context, request: CommitManyRequest) -> CommitManyReply:
        """Make each commit, whatever becomes of the others. Raises TooManyOperations."""
        if len(request.commits) > COMMITS_MAX:
            raise TooManyOperations(f"one request brings at most {COMMITS_MAX} commits")
        results = await asyncio.gather(*(self._one(context, each) for each in request.commits))
        return CommitManyReply(results=list(results))

    async def _one(self, context: Context, request: CommitRequest) -> CommitResult:
        try:
            return CommitResult(reply=await self._routes.commit(context, request))
        except CairnError as error:
            return CommitResult(error=problems.from_error(error, context.request_id))
