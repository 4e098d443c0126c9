"""Checking receipts: whether the fileserver that is named gave it, and gave it in this cluster.

What belongs here: the keys, learnt from the database and kept in memory. What does not: whether a
receipt is bound to who commits and suffices (`metadata/ops/commit.py`, inside the clock where that
has to be). One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cairnfs.errors import ReceiptInvalid
from cairnfs.ids import ClusterId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import fileservers
from cairnfs.wire.commits import Receipt
from cairnfs.wire.receipts import ReceiptBody, check

#: More receipts than these are checked in a thread.
_SMALL = 64


class Receipts:
    """Knows every fileserver's key."""

    def __init__(self, driver: Driver, cluster_id: ClusterId) -> None:
        self._driver = driver
        self._cluster_id = cluster_id
        self._keys: dict[int, bytes] = {}

    async def genuine(self, receipts: Sequence[Receipt]) -> list[ReceiptBody]:
        """The bodies of these receipts. Raises ReceiptInvalid unless all are genuine."""
        if any(receipt.fileserver not in self._keys for receipt in receipts):
            # A key never changes, so only a fileserver that joined since can be missing.
            known = await self._driver.read(fileservers.every)
            self._keys = {one.id: one.receipt_key for one in known}
        if len(receipts) <= _SMALL:
            return self._bodies(receipts)
        return await asyncio.to_thread(self._bodies, receipts)

    def _bodies(self, receipts: Sequence[Receipt]) -> list[ReceiptBody]:
        return [self._body(receipt) for receipt in receipts]

    def _body(self, receipt: Receipt) -> ReceiptBody:
        key = self._keys.get(receipt.fileserver)
        if key is None:
            raise ReceiptInvalid(f"no fileserver {receipt.fileserver} gives receipts here")
        body = check(receipt, key)
        if body.cluster_id != self._cluster_id:
            raise ReceiptInvalid("the receipt is another cluster's")
        return body
