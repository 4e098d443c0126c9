"""What a put has sent so far, kept by the cluster in a detached tree until the put is done.

Every so often what became durable is put into that tree, as files of nothing but these chunks; a note on
this machine says which tree it is. So a put that was interrupted, by SIGKILL too, is repeated without sending
again what had arrived: the tree's files are bases then. The cluster gives such a tree up an hour after the
last work on it. What belongs here: that. What does not: the notes (`notes.py`), requests
(`detached.py`). A stash that fails is given up, and nobody is told: it is a help. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing, suppress

from cairnfs.client.caller import caller_of
from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks
from cairnfs.client.listing import walk_pages
from cairnfs.client.put.detached import DetachedTree
from cairnfs.client.put.notes import Noted, PutNote
from cairnfs.client.record.record import walk_key
from cairnfs.client.upload import Durable, Upload
from cairnfs.client.workers import on_disk
from cairnfs.core.manifest import Chunk
from cairnfs.errors import CairnError
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import Base, Receipt, Write
from cairnfs.wire.directory import CONTENT_CHUNKS_MAX, ChunkRef, WalkItem

#: So much is sent before it is kept.
KEPT_BYTES = 32 * 1024 * 1024
KEPT_CHUNKS = 1024
_CLOSING_S = 1.0
_TOP = Path(b"/")


class Stash:
    """The stash of one put. Close it in any case."""

    def __init__(self, connection: Connection, remote: Path, note: PutNote | None) -> None:
        """See `begin`."""
        self.known = KnownChunks()
        self._connection = connection
        self._remote = remote
        self._note = note
        self._before = [] if note is None else note.trees
        self._followed = [_Followed(connection, one.handle) for one in self._before if not one.pieces]
        self._tree: DetachedTree | None = None
        self._pending: list[Chunk] = []
        self._pending_bytes = 0
        self._receipts: list[Receipt] = []
        self._session = ""
        self._keeping: asyncio.Task[None] | None = None
        self._off = note is None

    @classmethod
    async def begin(cls, connection: Connection, remote: Path) -> Stash:
        """The stash of a put to this path, with what an interrupted one has sent, as far as it is known."""
        note = None
        if connection.notes is not None:
            caller = await caller_of(connection.control.tokens)
            if caller is not None:
                note = await on_disk(PutNote.open, connection.notes, caller, remote)
        stash = cls(connection, remote, note)
        for one in stash._before:
            if one.pieces and await _learn(connection, one.handle, stash.known):
                stash._tree = DetachedTree(connection.control, one.handle)
        return stash

    @property
    def on(self) -> bool:
        """Whether what is kept would be found again."""
        return not self._off

    async def follow(self, inside: bytes, known: KnownChunks) -> None:
        """Learn what interrupted puts of the same tree had made up to this path, in the order of a walk."""
        for one in self._followed:
            await one.until(inside, known)

    async def note_tree(self, handle: str) -> None:
        """What is put is built in this detached tree."""
        if self._note is not None:
            await on_disk(self._note.add, Noted(handle, pieces=False))

    def watch(self, upload: Upload) -> None:
        """Something of this put is sent from now on."""
        if not self._off:
            upload.durable = Durable()

    async def gather(self, upload: Upload, *, all_of_it: bool = False) -> None:
        """Have what became durable kept where it is enough by now; go on meanwhile.

        With `all_of_it`, return when it is kept, however little it is: the upload is over.
        """
        durable = upload.durable
        if self._off or durable is None:
            return
        waits = len(self._pending) + len(durable.chunks)
        if not all_of_it and waits < KEPT_CHUNKS and self._pending_bytes + durable.size < KEPT_BYTES:
            return
        if self._keeping is not None and (all_of_it or self._keeping.done()):
            await self._settle()
        if self._keeping is None:
            self.take(upload)
            self._keeping = asyncio.create_task(self._keep())
        if all_of_it:
            await self._settle()

    def take(self, upload: Upload) -> None:
        """Take over what became durable, to be kept with what comes later: the upload is over."""
        durable, upload.durable = upload.durable, Durable()
        if self._off or durable is None:
            return
        if upload.hold.session != self._session:
            # Receipts of another session do not count with these.
            self._session, self._pending, self._receipts = upload.hold.session, [], []
            self._pending_bytes = 0
        self._pending += durable.chunks
        self._receipts += durable.receipts
        self._pending_bytes += durable.size

    async def done(self) -> None:
        """The put took effect: give everything up."""
        await self._settle()
        before, self._off = self._before, True
        if self._note is not None:
            await on_disk(self._note.forget)
        trees = {one.handle for one in before} | ({self._tree.handle} if self._tree is not None else set())
        for handle in trees:
            with suppress(CairnError):
                await DetachedTree(self._connection.control, handle).drop()

    async def close(self) -> None:
        """Stop. What was kept stays for whoever repeats the put."""
        if self._keeping is not None:
            # Interrupted or refused: what is being kept now is soon.
            await asyncio.wait({self._keeping}, timeout=_CLOSING_S)
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        for one in self._followed:
            await one.close()
        if self._note is not None:
            await on_disk(self._note.close)
            self._note = None

    async def _settle(self) -> None:
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self) -> None:
        pending, receipts, session = self._pending, self._receipts, self._session
        self._pending, self._receipts, self._pending_bytes = [], [], 0
        if not pending or self._note is None:
            return
        files = _files(pending)
        try:
            if self._tree is None:
                self._tree = await DetachedTree.begin(self._connection.control, self._remote, mode=0o700)
                await on_disk(self._note.add, Noted(self._tree.handle, pieces=True))
            await self._tree.extend(files, session=session, receipts=receipts)
        except CairnError:
            self._off = True
            return
        for file in files:
            self.known.learn(Base(path=file.path, tree=self._tree.handle), file.chunks)


class _Followed:
    """A detached tree that is read in step with a put."""

    def __init__(self, connection: Connection, handle: str) -> None:
        self._handle = handle
        self._pages = walk_pages(connection, _TOP, None, contents=True, tree=handle)
        self._items: list[WalkItem] = []
        self._over = False

    async def until(self, inside: bytes, known: KnownChunks) -> None:
        """Learn what it has up to this path."""
        key = walk_key(inside)
        while not self._over:
            while self._items and walk_key(self._items[-1].raw_path()) <= key:
                _note(self._items.pop(), self._handle, known)
            if self._items:
                return
            try:
                page = await anext(self._pages, None)
            except CairnError:
                page = None
            self._over = page is None
            self._items = [] if page is None else page.items[::-1]

    async def close(self) -> None:
        """Read no further."""
        await self._pages.aclose()


async def _learn(connection: Connection, handle: str, known: KnownChunks) -> bool:
    """Learn all that a tree has; whether it is there."""
    try:
        async with aclosing(walk_pages(connection, _TOP, None, contents=True, tree=handle)) as pages:
            async for page in pages:
                for item in page.items:
                    _note(item, handle, known)
                if known.full:
                    break
    except CairnError:
        return False
    return True


def _note(item: WalkItem, handle: str, known: KnownChunks) -> None:
    if item.chunks:
        text, base64 = names.to_text(b"/" + item.raw_path())
        known.learn(Base(path=text, path_b64=base64, tree=handle), item.chunks)


def _files(chunks: list[Chunk]) -> list[Write]:
    """Files that hold these chunks, each so few that a walk tells them; of names that nothing has."""
    made = []
    for start in range(0, len(chunks), CONTENT_CHUNKS_MAX):
        part = [ChunkRef(*chunk) for chunk in chunks[start : start + CONTENT_CHUNKS_MAX]]
        size = sum(chunk.size for chunk in part)
        made.append(Write(path=f"/{secrets.token_hex(12)}", chunks=part, size=size, mode=0o600))
    return made
