"""The shapes of values in messages: numbers within bounds, texts of a known form.

Numbers, lengths of lists and hashes are checked here, when a message is read (BadRequest). A text's
form only stands in the OpenAPI document, said by `_said`: whoever reads the text checks it, with an
error of its own (BadName for a path, BadCursor...). A schema cannot say everything: names have at most
255 *bytes*, February no 30th. What belongs here: shapes that several messages share. Any thread.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from cairnfs.core.manifest import HOLE_MAX_BYTES
from cairnfs.core.moment import EARLIEST_US, LATEST_US, SNAPSHOT_NAME_MAX
from cairnfs.core.names import NAME_MAX_BYTES, PATH_MAX_BYTES
from cairnfs.core.permissions import MODE_MAX
from cairnfs.errors import BadRequest
from cairnfs.ids import RequestId

HASH_BYTES = 32
_id = re.compile("[0-9a-f]{32}")


def _said(**schema: Any) -> msgspec.Meta:
    """What the document says of a value and somebody else checks."""
    return msgspec.Meta(extra_json_schema=schema)


def listed(most: int, least: int = 0) -> msgspec.Meta:
    """A list's length: `least` is checked here, `most` only said, for it has an error of its own."""
    return msgspec.Meta(min_length=least, extra_json_schema={"maxItems": most})


def text(max_bytes: int) -> msgspec.Meta:
    """Any text without NUL; its bytes are counted by whoever takes it."""
    return _said(pattern="^[^\\u0000]*$", maxLength=max_bytes)


def label(max_chars: int) -> msgspec.Meta:
    """A short text that can be printed; the document promises ASCII alone."""
    return _said(pattern="^[ -~]*$", maxLength=max_chars)


_NAME = rf"/(?!\.{{1,2}}(/|$))[^/\u0000]{{1,{NAME_MAX_BYTES}}}"
_DAY = "(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_HOUR = "([01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_DAY}[Tt ]{_HOUR}(:[0-5][0-9](\.[0-9]{{1,6}})?)?([Zz]|[+-]{_HOUR})"
_BASE64 = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
_SNAPSHOT = rf"[A-Za-z][A-Za-z0-9._-]{{0,{SNAPSHOT_NAME_MAX - 1}}}"
_ETAG = r"[0-9]{1,19}\.[0-9]{1,19}\.[0-9]{1,19}"

#: 128 random bits: of requests, sessions, clusters. `is_id` and `request_id` check it.
ID_PATTERN = "^[0-9a-f]{32}$"
Id = Annotated[str, _said(pattern=ID_PATTERN)]
#: A fileserver's start; a new one says "" when it joins, before it has one.
Boot = Annotated[str, _said(pattern="^[A-Za-z0-9]{8,64}$")]
BootOrNone = Annotated[str, _said(pattern="^([A-Za-z0-9]{8,64})?$")]
Address = Annotated[str, _said(pattern="^https?://[A-Za-z0-9.-]{1,200}:[1-9][0-9]{0,3}$")]
#: A path as text, or for people only where its base64 stands beside it.
PathString = Annotated[str, _said(pattern=f"^({_NAME})*/?$", minLength=1, maxLength=PATH_MAX_BYTES)]
#: The base64 of a path, which starts with /.
PathBase64 = Annotated[
    str, _said(pattern=f"^(?=L[w-z0-9+/]){_BASE64}", maxLength=4 * -(-PATH_MAX_BYTES // 3))
]
#: The base64 of any bytes that are a name and no path.
Bytes64 = Annotated[str, _said(pattern=f"^{_BASE64}")]
#: A point in history: see `core.moment`.
AtString = Annotated[str, _said(pattern=f"^([0-9]{{1,18}}|[0-9]{{1,9}}[smhdw]|{_TIME}|{_SNAPSHOT})$")]
#: The name of a snapshot: no number, age or time begins with a letter.
SnapshotName = Annotated[str, _said(pattern=f"^{_SNAPSHOT}$")]
#: A version: see `core.etag`. An expectation may also be "none": nothing may be there.
ETagString = Annotated[str, _said(pattern=f"^{_ETAG}$")]
Expectation = Annotated[str, _said(pattern=f"^({_ETAG}|none)$")]
#: Where the next page of an answer begins, as the one before said it: a path and two names fit well.
CURSOR_MAX_CHARS = 8192
Cursor = Annotated[str, _said(pattern="^[A-Za-z0-9_=-]*$", maxLength=CURSOR_MAX_CHARS)]
#: Bytes travel as base64.
Bytes = Annotated[bytes, _said(pattern=f"^{_BASE64}")]
HashBytes = Annotated[
    bytes,
    msgspec.Meta(
        min_length=HASH_BYTES,
        max_length=HASH_BYTES,
        extra_json_schema={"pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"},
    ),
]
#: A bound between hashes.
BoundBytes = Annotated[
    bytes, msgspec.Meta(max_length=HASH_BYTES, extra_json_schema={"pattern": f"^{_BASE64}"})
]
#: A chunk has 4 MiB at most; whoever reads the message checks that, for a hole may have more.
ChunkSize = Annotated[int, msgspec.Meta(ge=1, le=HOLE_MAX_BYTES)]
Mode = Annotated[int, msgspec.Meta(ge=0, le=MODE_MAX)]
#: A file's time, in µs since 1970: what every reader of dates can show.
FileTime = Annotated[int, msgspec.Meta(ge=EARLIEST_US, le=LATEST_US)]
#: Nanoseconds beyond such a time.
SubNs = Annotated[int, msgspec.Meta(ge=0, le=999)]
#: The name of a person or user group.
OwnerName = Annotated[str, label(64)]


def is_id(text: str) -> bool:
    """Whether a text is an Id: 32 hexadecimal digits, in lower case."""
    return _id.fullmatch(text) is not None


def request_id(text: str) -> RequestId:
    """The id that a client chose for its request. Raises BadRequest."""
    if not is_id(text):
        raise BadRequest("request_id has 32 hexadecimal digits, in lower case")
    return RequestId(text)
