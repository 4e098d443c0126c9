"""What the cluster has already, so that it need not be sent: chunks, and the files that vouch for them.

A chunk counts without being sent where a file that the caller may read has it: the base. What belongs
here: remembering chunks with their bases, up to a limit (what is beyond it is sent once more, no harm is
done), and what one commit relies on. What does not: asking for bases (`present_chunks.py`). Used from one
event loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.errors import NotDurable
from cairnfs.ids import Hash
from cairnfs.wire.commits import BASES_MAX, Base

#: Chunks that are remembered at once, of a base or a stash: those of 256 GiB, in some 30 MiB of memory.
KNOWN_MAX = 262_144


class KnownChunks:
    """Chunks of files that the cluster has."""

    def __init__(self, most: int = KNOWN_MAX) -> None:
        """`most` chunks are remembered, the first ones that are told."""
        self._bases: dict[bytes, Base] = {}
        self._most = most

    def learn(self, base: Base, chunks: Iterable[tuple[bytes, int]]) -> None:
        """The base has these chunks, as (hash, size)."""
        for digest, _ in chunks:
            if len(self._bases) >= self._most:
                return
            if digest != HOLE:
                self._bases.setdefault(digest, base)

    def base_of(self, digest: bytes) -> Base | None:
        """A file that has the chunk."""
        return self._bases.get(digest)

    @property
    def full(self) -> bool:
        """Whether no more is remembered."""
        return len(self._bases) >= self._most

    def __len__(self) -> int:
        return len(self._bases)


class Reliance:
    """What one commit does not send because the cluster has it, and the bases that it names for that."""

    def __init__(
        self, known: Sequence[KnownChunks], never: Collection[bytes] = (), proven: Collection[bytes] = ()
    ) -> None:
        """Chunks in `never` are sent whatever is known of them; those `proven` need no base."""
        self.chunks: dict[Hash, Chunk] = {}
        self._known = known
        self._never = never
        self._proven = proven
        self._bases: dict[tuple[str, str | None, int | None, str | None], Base] = {}

    def covers(self, chunk: Chunk) -> bool:
        """Whether the chunk need not be sent; then the commit relies on it."""
        if chunk.hash in self.chunks or chunk.hash in self._proven:
            return True
        if chunk.hash in self._never:
            return False
        for known in self._known:
            base = known.base_of(chunk.hash)
            if base is not None and self._names(base):
                self.chunks[chunk.hash] = chunk
                return True
        return False

    @property
    def bases(self) -> list[Base]:
        """The files that vouch for what is not sent."""
        return list(self._bases.values())

    def refused(self, error: NotDurable) -> list[Chunk] | None:
        """What has to be sent after all; None where the refusal is about something that was sent."""
        if not self.chunks:
            return None
        named = [Hash(digest) for digest in error.chunks]
        if not all(digest in self.chunks for digest in named):
            return None
        return [self.chunks.pop(digest) for digest in named or list(self.chunks)]

    def _names(self, base: Base) -> bool:
        key = (base.path, base.path_b64, base.at, base.tree)
        if key in self._bases:
            return True
        if len(self._bases) >= BASES_MAX:
            return False
        self._bases[key] = base
        return True
