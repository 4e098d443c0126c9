"""What the cluster has of a tree that is published: the tree as it was, what an interrupted publish had sent.

What belongs here: that, page by page, and keeping what is sent for whoever repeats it. What does not: asking
for it (`look.py`, `put/stash.py`), relying on it (`known.py`). Used from one event loop, by two pages at
once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cairnfs.client.known import KnownChunks
from cairnfs.client.publish.compare import Change
from cairnfs.client.publish.looked import Looked
from cairnfs.client.publish.places import InCommit, InTree, Made
from cairnfs.client.put.stash import Stash
from cairnfs.client.upload import Upload
from cairnfs.wire import names
from cairnfs.wire.commits import Base
from cairnfs.wire.directory import CONTENT_CHUNKS_MAX, ChunkRef

#: Less than this is soon sent again, and not kept.
_KEPT_BYTES = 4 * 1024 * 1024
#: Chunks of earlier pages are remembered from so many bytes on, and so many of them.
_WORTH_BYTES, _REMEMBERED_MAX = 16 * 1024, 32_768


class TreeKnown:
    """What one attempt knows. See `tree_known`."""

    def __init__(self, there: KnownChunks, stash: Stash | None, *, trusting: bool) -> None:
        self.trusting = trusting
        #: What earlier pages of the same commit have: their receipts and bases are those of all.
        self.proven: set[bytes] = set()
        self._stash = stash
        self._earlier = KnownChunks(_REMEMBERED_MAX)
        self.there = [there, self._earlier] if trusting else []
        if trusting and stash is not None:
            self.there.append(stash.known)

    async def follow(self, changes: Sequence[Change]) -> KnownChunks:
        """What an interrupted publish had made of a page. To be asked in the pages' order."""
        known = KnownChunks()
        if self._stash is not None and self.trusting:
            await self._stash.follow(changes[-1].path, known)
        return known

    async def note(self, place: InCommit | InTree) -> None:
        """Where the pages go."""
        if self._stash is not None and place.tree is not None:
            await self._stash.note_tree(place.tree)

    def watch(self, upload: Upload) -> None:
        """Something is sent from now on."""
        if self._stash is not None:
            self._stash.watch(upload)

    async def gather(self, upload: Upload) -> None:
        """Keep what was sent, where it is much by now."""
        if self._stash is not None:
            await self._stash.gather(upload)

    async def keep(
        self, upload: Upload, contents: Sequence[Sequence[ChunkRef]], place: InCommit | InTree
    ) -> None:
        """See that what a page has sent is found again by whoever repeats this."""
        if self._stash is None:
            return
        if place.tree is None:
            self._stash.take(upload)
            await self._stash.gather(upload)
        elif any(len(chunks) > CONTENT_CHUNKS_MAX for chunks in contents):
            # A walk of the tree does not tell the chunks of such a file.
            await self._stash.gather(upload, all_of_it=True)

    def made(self, made: Made, place: InCommit | InTree) -> None:
        """A page is in its place: what it has need not be sent again."""
        if self._earlier.full or len(self.proven) >= _REMEMBERED_MAX:
            return
        for change, chunks in made:
            if not chunks or chunks[0].size < _WORTH_BYTES:
                continue
            if place.tree is None:
                self.proven.update(chunk.hash for chunk in chunks)
            else:
                text, base64 = names.to_text(b"/" + change.path)
                self._earlier.learn(Base(path=text, path_b64=base64, tree=place.tree), chunks)

    async def done(self) -> None:
        """The publish took effect: nothing of it has to be kept."""
        if self._stash is not None:
            await self._stash.done()


@asynccontextmanager
async def tree_known(looked: Looked, at: int, *, trusting: bool) -> AsyncIterator[TreeKnown]:
    """What is known for one attempt, while the body runs; `at`: the commit whose files are to vouch.

    Without `trusting`, nothing is known to be there.
    """
    much = looked.all_of_it is not None or looked.to_send[1] >= _KEPT_BYTES
    stash = await Stash.begin(looked.connection, looked.path) if much else None
    try:
        there = await looked.chunks_there(at) if trusting else KnownChunks()
        yield TreeKnown(there, stash, trusting=trusting)
    finally:
        if stash is not None:
            await stash.close()
