"""staged: pages of a commit that is too large for one request, kept until the request that commits them.

    draft(person, request, receipts) -> Draft      checked, before any tx
    draft.look(tx) -> Page                         a read: what its bases vouch for
    keep(tx, person, draft, page)                  a light write
    page(tx, key, number, session) -> bytes        a read; `decode` makes it a Page again, in any thread

What belongs here: what is kept of a page, and when it counts: for whom it came from, under that request's id,
in its session. Once the request is decided no page is taken, so that under each number there was one page at
most: what the commit's own body says is enough to know its request again. What does not: `commit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from blake3 import blake3

from cairnfs.core.permissions import Person
from cairnfs.errors import (
    Aborted,
    BadRequest,
    RequestReused,
    SessionEnded,
    TooLarge,
    TooManyOperations,
)
from cairnfs.ids import RequestId, SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import receipts, steps, vouching
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.vouching import Basis, Vouched
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, replies, shadow
from cairnfs.metadata.rows.replies import ABORTED
from cairnfs.metadata.rows.shadow import Key, Row
from cairnfs.wire.commits import (
    OPERATIONS_MAX,
    STAGED_BYTES_MAX,
    STAGED_USER_BYTES_MAX,
    Base,
    Operation,
    StageRequest,
)
from cairnfs.wire.receipts import ReceiptBody
from cairnfs.wire.shapes import is_id, request_id

_encoder = msgspec.msgpack.Encoder()


class Page(msgspec.Struct, frozen=True, array_like=True):
    """What is kept. The receipts were genuine, `vouched` is what was found in the bases."""

    operations: list[Operation]
    receipts: list[ReceiptBody]
    bases: list[Base]
    vouched: Vouched | None


_decoder = msgspec.msgpack.Decoder(Page)


class Draft(NamedTuple):
    """A request, read and checked."""

    person: Person
    request: StageRequest
    key: Key
    receipts: Sequence[ReceiptBody]
    durability: Durability
    bases: Sequence[Basis]
    body_hash: bytes

    def look(self, tx: Tx) -> Page:
        """Look at the bases. Raises Unauthenticated, SessionEnded, BadCursor, IncarnationChanged."""
        request, vouched = self.request, None
        if self.bases and request.session is not None:
            session = SessionId(request.session)
            vouched = vouching.look(tx, self.person, session, self.bases, self.durability.wanted())
        return Page(request.operations, list(self.receipts), request.bases, vouched)


def draft(person: Person, request: StageRequest, genuine: Sequence[ReceiptBody]) -> Draft:
    """Read a request. `genuine` are the bodies of its receipts.

    Raises the errors of `errors.Usage`, TooManyOperations, TooLarge, ReceiptInvalid, SessionEnded.
    """
    key = Key(person.user_id, request_id(request.request_id))
    if len(request.operations) > OPERATIONS_MAX:
        raise TooManyOperations(f"a page has at most {OPERATIONS_MAX} operations")
    if request.session is not None and not is_id(request.session):
        raise SessionEnded("there never was a session of that name")
    if request.bases and request.session is None:
        raise BadRequest("bases count only with a session that needs the commits they are read at")
    given = vouching.read(request.bases)
    held = receipts.holdings(person, request.session, genuine)
    made = Durability([steps.step(operation) for operation in request.operations], held)
    body_hash = blake3(_encoder.encode(request.operations)).digest()
    return Draft(person, request, key, genuine, made, given, body_hash)


def encode(page: Page) -> bytes:
    """As the table keeps it."""
    return _encoder.encode(page)


def decode(body: bytes) -> Page:
    """What `encode` wrote."""
    return _decoder.decode(body)


def keep(tx: Tx, made: Draft, body: bytes) -> None:
    """Keep a page. A light write; what limits it counts is as of when it began.

    Raises RequestReused for other operations under the same number, or when the request is decided; Aborted,
    TooLarge, Unauthenticated.
    """
    request, key = made.request, made.key
    People(tx, clock.read(tx)).now(made.person)
    decided = replies.find(tx, [key])
    if decided and decided[0].outcome == ABORTED:
        raise Aborted("this request was declared aborted")
    if decided:
        raise RequestReused("the commit of this request is decided", hint="use a new request id")
    there = shadow.find_hash(tx, key, request.page)
    if there is not None and there != made.body_hash:
        raise RequestReused("this page was sent with other operations", hint="use a new request id")
    sizes = shadow.sizes(tx, key)
    if sum(sizes.values()) - sizes.get(request.page, 0) + len(body) > STAGED_BYTES_MAX:
        raise TooLarge(f"the pages of a commit have at most {STAGED_BYTES_MAX} bytes together")
    if shadow.total_bytes(tx, key.user_id) + len(body) > STAGED_USER_BYTES_MAX:
        raise TooLarge(
            f"you have {STAGED_USER_BYTES_MAX} bytes staged",
            hint="commit it, or wait an hour until it is forgotten",
        )
    row = Row(request.page, request.session or "", made.body_hash, body)
    if not shadow.put(tx, key, row, tx.now_us()):
        raise RequestReused("this page was sent with other operations", hint="use a new request id")


def page(tx: Tx, key: Key, number: int, session: str | None) -> bytes:
    """A page as it was kept. Raises BadRequest where none counts."""
    found = shadow.find(tx, key, number)
    if found is None or found.session not in ("", session):
        raise BadRequest(f"page {number} was not staged under this request in this session")
    return found.body


def forget(tx: Tx, key: Key) -> None:
    """The commit is decided: its pages are not needed any more. A light write."""
    shadow.delete(tx, key)


def key_of(person: Person, text: str) -> Key:
    """Whose request it is. Raises BadRequest."""
    return Key(person.user_id, RequestId(request_id(text)))
