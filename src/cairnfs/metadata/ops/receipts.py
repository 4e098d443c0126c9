"""receipts: what the receipts of a request say, once it is sure that they are for it.

What belongs here: to whom they were given, and of which incarnation they are; what they say as holdings.
What does not: whether they are genuine (`control/transactions/receipts`), what they prove
(`core/durability`), whether that counts now (`durable`). Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core.durability import Holding
from cairnfs.core.manifest import Chunk
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, ReceiptInvalid
from cairnfs.ids import BootId, FileserverId, Hash, Incarnation
from cairnfs.wire.receipts import ReceiptBody


def holdings(person: Person, session: str | None, receipts: Sequence[ReceiptBody]) -> list[Holding]:
    """What receipts say that were given to this session of `person`. Raises BadRequest, ReceiptInvalid."""
    if receipts and session is None:
        raise BadRequest("receipts count only with the session they were given to")
    for body in receipts:
        if body.user != person.user_id or body.session != session:
            raise ReceiptInvalid("a receipt was given to another user or session")
    return [one for body in receipts for one in _holdings(body)]


def incarnations(receipts: Sequence[ReceiptBody]) -> frozenset[Incarnation]:
    """The incarnations that receipts are of."""
    return frozenset(Incarnation(body.incarnation) for body in receipts)


def _holdings(body: ReceiptBody) -> list[Holding]:
    return [
        Holding(
            body.begin,
            tuple((FileserverId(one.fileserver), BootId(one.boot)) for one in holding.holders),
            [Chunk(Hash(one.hash), one.size) for one in holding.chunks],
        )
        for holding in body.holdings
    ]
