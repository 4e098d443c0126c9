"""What the cluster has of a tree that is put: present versions, the rest of the tree, earlier pages.

What belongs here: asking for it, in batches, and remembering it up to a limit. What does not: relying on it
(`known.py`), comparing (`changes.py`). Used from one event loop, by two pages at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks
from cairnfs.client.listing import walk_pages
from cairnfs.client.present_chunks import learn_present
from cairnfs.client.put.changes import Now
from cairnfs.client.put.places import AtOnce, InDetachedTree
from cairnfs.client.put.plan import Step, Window
from cairnfs.client.put.stash import Stash
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.errors import Conflict, Denied, Missing
from cairnfs.ids import Path
from cairnfs.wire import endpoints, names
from cairnfs.wire.commits import Base
from cairnfs.wire.directory import OPEN_FILES_MAX, ChunkRef, Opened, OpenManyRequest, Wanted

#: Chunks of other files than the one that is written are remembered from so many bytes on: to look for a
#: smaller one costs the cluster about what sending it does.
_WORTH_BYTES = 16 * 1024
#: So many of them, about 10 MiB of memory.
_REMEMBERED_MAX = 32_768
#: With so much that is new there, the rest of the tree is looked through: it may have been renamed.
_NEW_BYTES = 1024 * 1024
#: Pages of the tree that are looked through at most, of up to 1,000 things each.
_WALKED_PAGES = 100


class Bases:
    """Remembers for one put."""

    def __init__(self, connection: Connection, remote: Path, stash: Stash, *, trusting: bool) -> None:
        """Without `trusting`, nothing is known to be there. `stash`: what an interrupted put has sent."""
        self._connection = connection
        self._stash = stash
        self._remote = remote
        self._trusting = trusting
        self._elsewhere = KnownChunks(_REMEMBERED_MAX)
        self._earlier = KnownChunks(_REMEMBERED_MAX)
        #: What earlier pages of the same commit have: their receipts and bases are those of all.
        self.proven: set[bytes] = set()
        self._looking = asyncio.Lock()
        self._looked = False

    async def follow(self, window: Window) -> KnownChunks:
        """What an interrupted put had made of a page. To be asked in the pages' order."""
        known = KnownChunks()
        if self._trusting:
            await self._stash.follow(window.steps[-1].found.inside, known)
        return known

    async def of(self, window: Window, followed: KnownChunks) -> tuple[list[KnownChunks], dict[Path, Now]]:
        """What is known to be there for a page, and what the files that it writes have now."""
        if not self._trusting:
            return [], {}
        present = KnownChunks()
        there = [step for step in window.steps if step.act == "write" and _may_share(step)]
        now = await self._open(there, present)
        new_bytes = sum(
            step.found.size
            for step in window.steps
            if step.act == "write" and step.path not in now and step.found.size >= _WORTH_BYTES
        )
        if new_bytes >= _NEW_BYTES and self._remote_is_there(window):
            await self._look_elsewhere()
        return [present, followed, self._stash.known, self._earlier, self._elsewhere], now

    def made(
        self, window: Window, contents: Sequence[Sequence[ChunkRef] | None], place: AtOnce | InDetachedTree
    ) -> None:
        """A page is in its place: what it has need not be sent again."""
        if self._earlier.full or len(self.proven) >= _REMEMBERED_MAX:
            return
        for step, chunks in zip(window.steps, contents, strict=True):
            if not chunks or chunks[0].size < _WORTH_BYTES:
                continue
            if place.tree is None:
                self.proven.update([chunk.hash for chunk in chunks])
            else:
                text, base64 = names.to_text(step.path[len(self._remote) :])
                self._earlier.learn(Base(path=text, path_b64=base64, tree=place.tree), chunks)

    def _remote_is_there(self, window: Window) -> bool:
        return self._looked or any(step.present is not None for step in window.steps)

    async def _open(self, steps: Sequence[Step], known: KnownChunks) -> dict[Path, Now]:
        """What these files have now, as far as it may be read."""
        now: dict[Path, Now] = {}
        at: int | None = None
        while steps:
            asked = steps[:OPEN_FILES_MAX]
            request = OpenManyRequest(
                files=[_wanted(step) for step in asked], at=None if at is None else str(at)
            )
            reply = await self._connection.control.ask(endpoints.OPEN_MANY, request)
            at = reply.commit
            for step, result in zip(asked, reply.results, strict=False):
                if result.opened is not None and step.present is not None:
                    await self._note(step, result.opened, at, known, now)
            steps = steps[max(len(reply.results), 1) :]
        return now

    async def _note(
        self, step: Step, opened: Opened, at: int, known: KnownChunks, now: dict[Path, Now]
    ) -> None:
        if step.present is None or opened.entry.inode != step.present.inode:
            return
        text, base64 = names.to_text(step.path)
        known.learn(Base(path=text, path_b64=base64, at=at), opened.chunks)
        chunks: Sequence[tuple[bytes, int]] = opened.chunks
        if opened.next_start is not None:
            chunks = await learn_present(
                self._connection, step.path, known, at=at, start=opened.next_start, before=opened.chunks
            )
        now[step.path] = Now(opened.entry, chunks)

    async def _look_elsewhere(self) -> None:
        """Learn, once, what other files of the tree have."""
        async with self._looking:
            if self._looked:
                return
            self._looked = True
            left = _WALKED_PAGES
            try:
                async with aclosing(walk_pages(self._connection, self._remote, None, contents=True)) as pages:
                    async for page in pages:
                        for item in page.items:
                            if item.chunks and item.chunks[0].size >= _WORTH_BYTES:
                                path = self._remote.removesuffix(b"/") + b"/" + item.raw_path()
                                text, base64 = names.to_text(path)
                                base = Base(path=text, path_b64=base64, at=page.commit)
                                self._elsewhere.learn(base, item.chunks)
                        left -= 1
                        if self._elsewhere.full or left == 0:
                            return
            except (Missing, Conflict, Denied):
                return


def _may_share(step: Step) -> bool:
    """Whether the file that is there may have the same content, or chunks of it."""
    present, size = step.present, step.found.size
    if present is None or present.kind != "file":
        return False
    return present.size == size or min(present.size, size) > SINGLE_MAX_BYTES


def _wanted(step: Step) -> Wanted:
    text, base64 = names.to_text(step.path)
    return Wanted(path=text, path_b64=base64)
