"""Server-sent events on the wire: the text/event-stream of the HTML standard.

Events carry one JSON message each. Comments say how far a stream has told everything: `: told 1500` means
that all that had happened 1,500 ms after the server took the request has gone before this line. A reader
counts from when it sent the request, so it never believes more than is true, however late the line comes
and whatever both clocks show.

What belongs here: bytes to events and back, within limits. What does not: serving
(`net/serving/streams.py`), reading from a connection (`net/calls.py`), following (`client/feed.py`). A
parser belongs to one stream; the rest works in any thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cairnfs.errors import TooLarge

MEDIA_TYPE = "text/event-stream"
#: Where a stream is taken up again: the id of the last event that was dealt with.
LAST_ID_HEADER = "last-event-id"
LINE_MAX_BYTES = 1024 * 1024
#: The data of one event.
EVENT_MAX_BYTES = 4 * 1024 * 1024
#: Fields other than data are short.
FIELD_MAX_BYTES = 1024
#: How long what a stream has told is relied on without hearing more.
LEASE_S = 5.0
#: How often a stream says that it lives; several fit into a lease.
HEARTBEAT_S = 1.0
#: The last event of a stream that fails: its data is a problem document.
PROBLEM = "problem"

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_TOLD = re.compile(rb"told ([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `data` is JSON; `event` names its kind; `id` is where to go on after it, "" if nowhere.

    An event that was read bears the last id that the stream gave, its own or an earlier one's.
    """

    id: str
    event: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that is no part of any event."""

    text: bytes

    @property
    def told_ms(self) -> int | None:
        """Milliseconds after the request's arrival up to which all has been told, where it says so."""
        found = _TOLD.fullmatch(self.text)
        return int(found[1]) if found else None


def encode(event: Event) -> bytes:
    """An event as bytes. Raises TooLarge: whoever makes events pages them."""
    lines = _LINE_END.split(event.data)
    if len(event.data) > EVENT_MAX_BYTES or max(map(len, lines)) > LINE_MAX_BYTES - len(b"data: "):
        raise TooLarge(f"an event has at most {EVENT_MAX_BYTES} bytes, and {LINE_MAX_BYTES} in a line")
    head = b""
    if event.id:
        head += b"id: %b\n" % _field(event.id)
    if event.event:
        head += b"event: %b\n" % _field(event.event)
    return b"".join((head, *(b"data: %b\n" % line for line in lines), b"\n"))


def encode_told(told_ms: int | None) -> bytes:
    """A comment that tells how far all has been told; with None one that only says "I live"."""
    return b":\n\n" if told_ms is None else b": told %d\n\n" % told_ms


def _field(text: str) -> bytes:
    field = text.encode()
    assert len(field) <= FIELD_MAX_BYTES, "an id or a kind of event is short"
    assert not re.search(rb"[\r\n\0]", field), "an id or a kind of event is one line"
    return field


class Parser:
    """Reads a stream piece by piece. `last_id`: the last id it gave; `retry_ms`: the pause it asks for."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_ms: int | None = None
        #: What may be the beginning of a byte order mark; None once the stream has begun.
        self._beginning: bytes | None = b""
        self._after_cr = False
        self._line = bytearray()
        self._kind = ""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, piece: bytes) -> list[Event | Comment]:
        """What became whole with these bytes, in order. Raises TooLarge; the parser is done for then."""
        if self._beginning is not None:
            piece = self._beginning + piece
            if len(piece) < len(_BOM) and _BOM.startswith(piece):
                self._beginning = piece
                return []
            self._beginning = None
            piece = piece.removeprefix(_BOM)
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        items: list[Event | Comment] = []
        *lines, rest = _LINE_END.split(piece)
        for line in lines:
            whole = line
            if self._line:
                self._line += line
                whole = bytes(self._line)
                self._line.clear()
            item = self._take(whole)
            if item is not None:
                items.append(item)
        self._after_cr = piece.endswith(b"\r")
        self._line += rest
        self._check_line(len(self._line))
        return items

    def _check_line(self, size: int) -> None:
        if size > LINE_MAX_BYTES:
            raise TooLarge(f"a line of an event stream is over {LINE_MAX_BYTES} bytes")

    def _take(self, line: bytes) -> Event | Comment | None:
        self._check_line(len(line))
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not name:
            return Comment(value)
        if name == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            if self._data_bytes > EVENT_MAX_BYTES + 1:
                raise TooLarge(f"an event is over {EVENT_MAX_BYTES} bytes")
        elif name in (b"event", b"id") and len(value) > FIELD_MAX_BYTES:
            raise TooLarge(f"the {name.decode()} of an event is over {FIELD_MAX_BYTES} bytes")
        elif name == b"event":
            self._kind = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self.last_id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit() and len(value) <= 9:
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Event | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data, self._data_bytes = "", [], 0
        return Event(self.last_id, kind, b"\n".join(data)) if data else None
