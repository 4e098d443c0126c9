"""How names and paths, which are bytes, appear in JSON and in URLs.

JSON: a pair of fields `path` (or `name`) and `path_b64`. Where the bytes are UTF-8, `path` is that
text and `path_b64` is absent. Where they are not, `path_b64` (standard base64) is what counts and
`path` is only for people. URLs: the raw request path, percent-encoded bytes, decoded once, here,
and never by a framework. Golden vectors stand in the tests.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode

from cairnfs.core import names
from cairnfs.errors import BadName
from cairnfs.ids import Path

_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
#: Bytes that stand for themselves in a URL's path; all others are percent-encoded.
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
_ENCODED = [bytes([byte]) if byte in _PLAIN else b"%%%02X" % byte for byte in range(256)]


def to_text(raw: bytes) -> tuple[str, str | None]:
    """The pair (text, base64 or None) that carries these bytes."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return raw.decode(errors="backslashreplace"), b64encode(raw).decode()


def from_text(text: str, base64: str | None) -> bytes:
    """The bytes that a pair carries. Raises BadName."""
    try:
        if base64 is None:
            return text.encode()
        raw = b64decode(base64, validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise BadName("neither UTF-8 text nor base64") from error
    if b64encode(raw).decode() != base64:
        raise BadName("base64 with bits or padding to spare")
    return raw


def to_path(text: str, base64: str | None) -> Path:
    """The checked path that a pair carries. Raises BadName, PathTooLong."""
    return names.path(from_text(text, base64))


def to_url(raw: bytes) -> str:
    """The percent-encoded form of a path for a URL."""
    return b"".join(map(_ENCODED.__getitem__, raw)).decode()


def from_url(raw_path: bytes) -> bytes:
    """The bytes that a raw, percent-encoded URL path names. Raises BadName on a bad escape."""
    if _PERCENT.search(raw_path):
        raise BadName("a % that no two hexadecimal digits follow")
    head, *rest = raw_path.split(b"%")
    return head + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in rest)


def printable(raw: bytes) -> str:
    """One line for a terminal: UTF-8 where it is printable, `\\xNN` and `\\u` escapes elsewhere."""
    text = raw.decode(errors="surrogateescape")
    shown = []
    for char in text:
        if "\udc80" <= char <= "\udcff":
            shown.append(f"\\x{ord(char) - 0xDC00:02x}")
        elif char == "\\":
            shown.append("\\\\")
        else:
            shown.append(char if char.isprintable() else char.encode("unicode_escape").decode())
    return "".join(shown)
