"""GET and HEAD: a file, a part of it, a directory's names, or what stands beside a file's content.

A file's answer is safe to open in a browser: its type is guessed from its name and not to be guessed
again, and what could run is offered as a download. What does not belong here: who may read what.
Used from one event loop.
"""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import quote

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.reading import Version
from cairnfs.core import moment
from cairnfs.core import names as rules
from cairnfs.errors import BadRange, BadRequest, Internal, IsADirectory, NotADirectory, VersionChanged
from cairnfs.gateways.http.asking import Asked, flag
from cairnfs.gateways.http.conditions import http_date, judge, quoted, range_counts
from cairnfs.gateways.http.ranges import Span, wanted
from cairnfs.net import asgi
from cairnfs.net.asgi import RawHeaders
from cairnfs.wire import codec, endpoints, problems
from cairnfs.wire.directory import LIST_ENTRIES_MAX, ListRequest, PathText, StatRequest

_PIECE_BYTES = 256 * 1024
#: What a browser shows without running anything in it.
_HARMLESS = ("image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "audio/", "video/")


async def get(files: Filesystem, asked: Asked) -> None:
    """Answer GET or HEAD."""
    if (at := asked.query.get("at")) is not None:
        moment.parse(at)
    if flag(asked, "stat"):
        await _told(files, asked)
        return
    if asked.as_directory:
        await _listing(files, asked)
        return
    try:
        version = await files.version(asked.path, at)
    except IsADirectory as error:
        if "application/json" in asked.headers.get("accept", ""):
            await _listing(files, asked)
            return
        error.hint = "for its names ask with a / at the end"
        raise
    await _file(version, asked)


async def _file(version: Version, asked: Asked) -> None:
    headers = describe(version)
    verdict = judge(asked.headers, version.etag, version.entry.mtime_us, reading=True)
    if verdict == "failed":
        raise VersionChanged("the file has another version now")
    if verdict == "unchanged":
        await asked.send({"type": "http.response.start", "status": 304, "headers": headers})
        await asked.send({"type": "http.response.body", "body": b""})
        return
    span = _span(version, asked)
    status, (start, stop) = (206, span) if span is not None else (200, (0, version.size))
    if span is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, version.size)))
    headers += _content_headers(rules.base(version.path))
    if asked.method == "HEAD":
        headers.append((b"content-length", b"%d" % (stop - start)))
        await asked.send({"type": "http.response.start", "status": status, "headers": headers})
        await asked.send({"type": "http.response.body", "body": b""})
        return
    async with aclosing(version.pieces(start, stop)) as pieces:
        # What cannot be read is found out while the status can still say so.
        first = await anext(pieces, b"")
        await asgi.answer_pieces(
            asked.scope, asked.send, status, headers, _sliced(first, pieces), stop - start
        )


def _span(version: Version, asked: Asked) -> Span | None:
    """The part to answer with; None for the whole. Raises BadRange."""
    if asked.method != "GET" or not range_counts(asked.headers, version.etag, version.entry.mtime_us):
        return None
    try:
        return wanted(asked.headers.get("range"), version.size)
    except BadRange as error:
        raise UnsatisfiedRange(str(error), version.size) from error


class UnsatisfiedRange(BadRange):
    """BadRange that knows the file's size, which the answer has to tell."""

    def __init__(self, detail: str, size: int) -> None:
        super().__init__(detail)
        self.size = size


async def _sliced(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of a size that the connection's buffers like."""
    piece: bytes | None = first
    while piece:
        for at in range(0, len(piece), _PIECE_BYTES):
            yield piece[at : at + _PIECE_BYTES]
        piece = await anext(rest, None)


def describe(version: Version) -> RawHeaders:
    """What is said about a version, whole, in part, or unchanged."""
    return [
        (b"etag", quoted(version.etag).encode()),
        (b"last-modified", http_date(version.entry.mtime_us).encode()),
        (b"cairn-commit", b"%d" % version.commit),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, no-cache"),
    ]


def _content_headers(name: bytes) -> RawHeaders:
    """Type and handling by the file's name."""
    text = name.decode(errors="replace")
    media, encoding = mimetypes.guess_type(f"/{text}", strict=True)
    if media is None or encoding is not None:
        media = "application/octet-stream"
    handling = "inline" if media.startswith(_HARMLESS) else "attachment"
    disposition = f"{handling}; filename*=UTF-8''{quote(name, safe='')}"
    return [
        (b"content-type", media.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"sandbox; default-src 'none'"),
        (b"content-disposition", disposition.encode()),
    ]


async def _listing(files: Filesystem, asked: Asked) -> None:
    """One page of a directory, in the form of the directory service's own reply."""
    limit = asked.query.get("limit", str(LIST_ENTRIES_MAX))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 9 and 1 <= int(limit) <= LIST_ENTRIES_MAX):
        raise BadRequest(f"limit is 1 to {LIST_ENTRIES_MAX}")
    text = PathText.of(asked.path)
    request = ListRequest(
        path=text.path,
        path_b64=text.path_b64,
        cursor=asked.query.get("cursor"),
        limit=int(limit),
        at=asked.query.get("at"),
    )
    page = await files.ask(endpoints.LIST, request)
    await _document(asked, page.commit, codec.encode(page))


async def _told(files: Filesystem, asked: Asked) -> None:
    """What a listing says of one path: of a symlink itself, or with follow=1 of what it leads to."""
    request = StatRequest(
        paths=[PathText.of(asked.path)], at=asked.query.get("at"), follow=flag(asked, "follow")
    )
    reply = await files.ask(endpoints.STAT, request)
    result = reply.results[0]
    if result.entry is None:
        raise problems.to_error(result.error) if result.error else Internal("a stat that says nothing")
    if asked.as_directory and result.entry.kind != "directory":
        raise NotADirectory(f"it is a {result.entry.kind}")
    await _document(asked, reply.commit, codec.encode(result.entry))


async def _document(asked: Asked, commit: int, body: bytes) -> None:
    headers: RawHeaders = [
        (b"content-type", asgi.JSON),
        (b"cairn-commit", b"%d" % commit),
        (b"cache-control", b"private, no-cache"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if asked.method == "HEAD":
        headers.append((b"content-length", b"%d" % len(body)))
        await asked.send({"type": "http.response.start", "status": 200, "headers": headers})
        await asked.send({"type": "http.response.body", "body": b""})
        return
    await asgi.answer(asked.send, 200, headers, body)
