"""Forgetting what is too old to count: answers older than a day, nonces, expired tokens, old broken locks.

One event loop.
"""

from __future__ import annotations

from cairnfs.control.duties.leadership import Term
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import leader, tokens
from cairnfs.metadata.ops.locks import broken


class Forgetting:
    """The duty."""

    name = "forgetting"
    every_s = 60.0

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def rest(self) -> None:
        """Nothing is remembered."""

    async def turn(self, term: Term) -> bool:
        """One page of each; more waits if anything was found."""

        def forget(tx: Tx) -> int:
            leader.require(tx, term)
            return tokens.forget(tx) + broken.forget(tx)

        return await self._driver.light(forget) > 0
