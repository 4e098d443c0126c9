"""The store as the event loop sees it: bounded, and speaking in Cairn's errors.

What belongs here: turning the store's exceptions into `cairnfs.errors`. What does not: what is stored how
(`store.py`), how the bytes of puts under way are bounded (`room.py`). One event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import (
    BadRequest,
    Busy,
    CairnError,
    HashMismatch,
    Internal,
    NoSpace,
    TooLarge,
    Unavailable,
)
from cairnfs.fileserver import trouble
from cairnfs.fileserver.disk import Buffer
from cairnfs.fileserver.puts import Put
from cairnfs.fileserver.room import Guest, Room
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.writer import Answer, Done, Submission, Writer, payload_bytes
from cairnfs.ids import BootId, CommitNumber, Hash
from cairnfs.wire.chunks import PUT_BODY_MAX_BYTES

R = TypeVar("R")

#: What the loop may write by itself where the disk is quick: of one put, and how many puts a turn.
HERE_MAX_BYTES = 64 * 1024
HERE_MAX_PUTS = 16
#: Smaller chunks share most of their pages with neighbours.
COLD_MIN_BYTES = 128 * 1024
#: A store that was full takes part again when so much, or a tenth of a smaller disk, became free since.
ROOM_AGAIN_BYTES = 256 * 1024 * 1024


class Intake:
    """Access to the store from the event loop."""

    def __init__(self, readers: Executor, clock: Clock | None = None) -> None:
        """`readers` is the pool of threads in which the store is read. `attach` brings the store."""
        self._attached: tuple[Store, Writer] | None = None
        self._readers = readers
        self._full = False
        self._least_free = 0
        #: Small puts of this turn of the loop.
        self._turn: list[Submission] = []
        self._room = Room(clock or SystemClock())

    def attach(self, store: Store, writer: Writer) -> None:
        """From now on this is the store."""
        self._attached = (store, writer)

    @property
    def boot(self) -> BootId:
        """This start's boot id."""
        return self._opened()[0].boot_id

    def _opened(self) -> tuple[Store, Writer]:
        if self._attached is None:
            raise Unavailable("the fileserver has not opened its store yet")
        return self._attached

    def full(self, free_bytes: int, total_bytes: int) -> bool:
        """Whether the store takes no new chunks: since it refused one, until room was made."""
        if self._full:
            self._least_free = min(self._least_free, free_bytes)
            room = min(ROOM_AGAIN_BYTES, total_bytes // 10)
            self._full = free_bytes < self._least_free + room
        if not self._full:
            self._least_free = free_bytes
        return self._full

    def room(self, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Guest]:
        """Hold room for a put's body, first come, first served. Raises Busy, TooLarge."""
        return self._room.hold(_announced(headers))

    async def store(
        self,
        chunks: Sequence[tuple[Hash, Buffer]],
        begin: int,
        *,
        rewrite: bool = False,
        cold: Callable[[Hash], bool] = lambda _: False,
    ) -> None:
        """Return when all these chunks are fsynced here. Their hashes must have been checked.

        `cold` says of a large one whether others are asked for it first: it is not kept in memory.
        """
        if not chunks:
            return
        try:
            puts = [
                Put(
                    digest,
                    data,
                    CommitNumber(begin),
                    checked=True,
                    rewrite=rewrite,
                    cold=len(data) >= COLD_MIN_BYTES and cold(digest),
                )
                for digest, data in chunks
            ]
            await self._written(puts)
        except trouble.StoreError as error:
            self._full = self._full or isinstance(error, trouble.StoreFull)
            raise refused(error) from error

    async def _written(self, puts: Sequence[Put]) -> None:
        """Return when they are durable. Raises StoreError."""
        writer = self._opened()[1]
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()

        def settle(answer: Answer) -> None:
            if waiting.done():
                return
            if isinstance(answer, trouble.StoreError):
                waiting.set_exception(answer)
            else:
                waiting.set_result(None)

        size = payload_bytes(puts)
        if size <= HERE_MAX_BYTES and writer.may_write_here and len(self._turn) < HERE_MAX_PUTS:
            self._turn.append(Submission(puts, size, settle))
            if len(self._turn) == 1:
                # After what this turn of the loop sends to others, which is then on its way meanwhile.
                loop.call_soon(loop.call_soon, self._write_turn, writer, loop)
        else:
            self._hand_over(writer, puts, settle, loop)
        await waiting

    def _write_turn(self, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        """The small puts of a turn of the loop share an fsync."""
        batch, self._turn = self._turn, []
        if not writer.write_here(batch):
            for submission in batch:
                self._hand_over(writer, submission.puts, submission.done, loop)

    @staticmethod
    def _hand_over(
        writer: Writer, puts: Sequence[Put], settle: Done, loop: asyncio.AbstractEventLoop
    ) -> None:
        def done(answer: Answer) -> None:
            # Who waited may be gone, and the loop too: what was written is written all the same.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, answer)

        try:
            writer.submit_with(puts, done)
        except trouble.StoreError as error:
            settle(error)

    def cached(self, chunk: Hash) -> bytes | None:
        """A small chunk that is in memory; None where a thread has to look."""
        try:
            return self._opened()[0].get_cached(chunk)
        except trouble.StoreError:
            return None

    async def read(self, function: Callable[[Store], R]) -> R:
        """Call `function` with the store in a reader thread."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, functools.partial(function, self._opened()[0]))
        except trouble.StoreError as error:
            raise refused(error) from error


def refused(error: trouble.StoreError) -> CairnError:
    """The error that the caller gets for one of the store."""
    match error:
        case trouble.StoreFull():
            return NoSpace("the fileserver's disk is full")
        case trouble.WriterBusy():
            return Busy("the fileserver's writer has too much to do")
        case trouble.ChunkRefused():
            return HashMismatch(str(error))
        case trouble.WriteFailed() | trouble.ReadFailed() | trouble.StoreClosed():
            return Unavailable(f"the fileserver's store: {error}")
    return Internal(f"the fileserver's store: {error}")


def _announced(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length")
    if text is None:
        return PUT_BODY_MAX_BYTES
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadRequest("the announced length is no number")
    if int(text) > PUT_BODY_MAX_BYTES:
        raise TooLarge(f"a put has at most {PUT_BODY_MAX_BYTES} bytes")
    return int(text)
