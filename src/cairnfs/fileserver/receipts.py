"""What a put was worth: who holds which chunks, and the receipt that says so.

What belongs here: gathering holders per chunk, deciding whether enough answered, signing. What does
not: sending (`forward.py`) and the receipt's form (`wire/receipts.py`). Used from one event loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cairnfs.core.placement import required
from cairnfs.ids import ClusterId, FileserverId, Hash, Incarnation, SessionId, UserId
from cairnfs.wire.commits import Receipt
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.receipts import Holder, Holding, ReceiptBody, sign


@dataclass(frozen=True, slots=True)
class Upload:
    """Whose put this is: what its receipt is bound to."""

    user: UserId
    session: SessionId
    begin: int
    durability: str


class Votes:
    """The answers of the members that were asked to hold the chunks of one put."""

    def __init__(self, copies: int, durability: str) -> None:
        """`copies` is the policy's number, never the number of members that happen to be left."""
        self._copies = copies
        self._required = required(copies, durability)
        self._chunks: dict[frozenset[FileserverId], list[ChunkRef]] = defaultdict(list)
        self._holders: dict[FileserverId, Holder] = {}

    def expect(self, members: Iterable[FileserverId], chunk: Hash, size: int) -> None:
        """A chunk is being stored by these members."""
        self._chunks[frozenset(members)].append(ChunkRef(chunk, size))

    def hold(self, holder: Holder) -> None:
        """This member has fsynced all chunks that it was sent."""
        self._holders[FileserverId(holder.fileserver)] = holder

    def size_bytes(self) -> int:
        """The bytes of all chunks, each once."""
        return sum(chunk.size for chunks in self._chunks.values() for chunk in chunks)

    def enough(self, durability: str | None = None) -> bool:
        """Whether each chunk has as many holders as the durability needs, or another one would."""
        need = self._required if durability is None else required(self._copies, durability)
        return all(len(members & self._holders.keys()) >= need for members in self._chunks)

    def nobody(self) -> bool:
        """Whether no member holds anything."""
        return not self._holders

    def short(self) -> list[bytes]:
        """Chunks with fewer holders than the durability needs."""
        return [
            chunk.hash
            for members, chunks in self._chunks.items()
            if len(members & self._holders.keys()) < self._required
            for chunk in chunks
        ]

    def holdings(self) -> list[Holding]:
        """Who holds what, as the receipt says it. Chunks that nobody holds are left out."""
        return [
            Holding([self._holders[member] for member in sorted(members & self._holders.keys())], chunks)
            for members, chunks in self._chunks.items()
            if members & self._holders.keys()
        ]


def receipt(
    upload: Upload,
    holdings: Sequence[Holding],
    *,
    cluster: ClusterId,
    incarnation: Incarnation,
    fileserver: FileserverId,
    key: bytes,
) -> Receipt:
    """The signed receipt of a put."""
    body = ReceiptBody(
        cluster, incarnation, fileserver, upload.user, upload.session, upload.begin, list(holdings)
    )
    return sign(body, key)
