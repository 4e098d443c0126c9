"""Open files for synchronous callers: real objects of `io`, over the reader and writer of the loop.

A reader is an `io.BufferedReader`, seekable. A writer publishes at `close()`, but never by accident:
where the body of `with` raises, where a write failed, or where the object is merely dropped, nothing
is published. What does not belong here: what reading and writing mean. One thread at a time.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING

from cairnfs.client.portal import Portal
from cairnfs.client.reading import Reader
from cairnfs.client.results import Written
from cairnfs.client.writing import Writer
from cairnfs.errors import BadRequest

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

BUFFER_BYTES = 1024 * 1024


class _RawReader(io.RawIOBase):
    def __init__(self, portal: Portal, reader: Reader) -> None:
        super().__init__()
        self._portal = portal
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        with memoryview(buffer).cast("B") as view:
            part = self._portal.call(self._reader.read_some(len(view)))
            view[: len(part)] = part
            return len(part)

    def readall(self) -> bytes:
        return self._portal.call(self._reader.read())

    def tell(self) -> int:
        return self._reader.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._reader.tell(), io.SEEK_END: self._reader.version.size}
        if whence not in origin:
            raise BadRequest(f"seek from {whence} is not known")
        return self._portal.call(self._reader.seek(origin[whence] + offset))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._portal.post(self._reader.abandon)


class _RawWriter(io.RawIOBase):
    def __init__(self, portal: Portal, writer: Writer) -> None:
        super().__init__()
        self._portal = portal
        self._writer = writer
        self._given_up = False

    @property
    def written(self) -> Written | None:
        return self._writer.written

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._writer.tell()

    def write(self, data: ReadableBuffer) -> int:
        if self._given_up:
            # What the buffer still held when the file was given up.
            return memoryview(data).nbytes
        try:
            return self._portal.call(self._writer.write(bytes(data)))
        except BaseException:
            # Interrupted or failed: what is written so far is not the file.
            self.give_up()
            raise

    def give_up(self) -> None:
        self._given_up = True
        self._portal.post(self._writer.abandon)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if not self._given_up:
            self._portal.call(self._writer.close())


class FileWriter(io.BufferedWriter):
    """A file being written. `written` tells, after `close()`, what was published."""

    def __init__(self, portal: Portal, writer: Writer) -> None:
        self._raw_writer = _RawWriter(portal, writer)
        super().__init__(self._raw_writer, BUFFER_BYTES)

    @property
    def written(self) -> Written | None:
        """The new version; None before it is published."""
        return self._raw_writer.written

    def abort(self) -> None:
        """Publish nothing, and close."""
        self._raw_writer.give_up()
        self.detach().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        else:
            self.close()

    def __del__(self) -> None:
        raw = getattr(self, "_raw_writer", None)
        if raw is not None and not raw.closed:
            self.abort()


def reader(portal: Portal, opened: Reader) -> io.BufferedReader:
    """A file to read."""
    return io.BufferedReader(_RawReader(portal, opened), BUFFER_BYTES)
