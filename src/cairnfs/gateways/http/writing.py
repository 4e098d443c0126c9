"""PUT and DELETE: a file's new version, whole or not at all; and its end.

Conditions are looked at before the body is read, so that a client that waits for "100 Continue" is
spared sending it, and checked again by the commit itself, which decides. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.results import Durability
from cairnfs.clock import Clock
from cairnfs.errors import (
    BadName,
    BadRequest,
    Exists,
    IsADirectory,
    LengthMismatch,
    NotADirectory,
    NotFound,
    UnsupportedMedia,
    VersionChanged,
)
from cairnfs.gateways.http.asking import Asked, flag
from cairnfs.gateways.http.conditions import judge, quoted
from cairnfs.net import asgi
from cairnfs.net.asgi import RawHeaders
from cairnfs.net.deadlines import within
from cairnfs.wire.directory import Entry

#: A body of which nothing comes for so long is given up.
BODY_IDLE_S = 60.0


async def put(files: Filesystem, asked: Asked, clock: Clock) -> None:
    """Answer PUT: 201 for a new file, 204 for a new version."""
    if asked.as_directory:
        raise BadName("a file's path does not end with /")
    _check_body(asked)
    durability = asked.query.get("durability")
    if durability not in (None, "async", "majority", "all"):
        raise BadRequest("durability is async, majority or all")
    # A body comes once: what its directory asks for has to be known before.
    now, _ = await asyncio.gather(
        _present(files, asked, follow=True), files.connection.policies.learn(asked.path)
    )
    if now is not None and now.kind == "directory":
        raise IsADirectory("a directory is there")
    expected = _expected(asked, now)
    body = asgi.BodyPieces(asked.receive, limit_bytes=None, announced_bytes=asked.headers.announced())
    try:
        written = await files.write_file(
            asked.path,
            _timely(body, clock),
            expected=expected,
            parents=True,
            durability=cast(Durability | None, durability),
        )
    except Exists as error:
        if expected != "none":
            raise
        raise VersionChanged("a file is there now") from error
    headers: RawHeaders = [
        (b"etag", quoted(written.etag).encode()),
        (b"cairn-commit", b"%d" % written.commit),
    ]
    if now is None:
        await asgi.answer(asked.send, 201, headers)
    else:
        await _empty(asked, headers)


async def delete(files: Filesystem, asked: Asked) -> None:
    """Answer DELETE with 204. A symlink goes itself, not what it leads to."""
    recursive = flag(asked, "recursive")
    now = await _present(files, asked, follow=False)
    if now is None and "if-match" not in asked.headers:
        raise NotFound("no such path")
    if now is not None and asked.as_directory and now.kind != "directory":
        raise NotADirectory(f"it is a {now.kind}")
    removed = await files.remove(asked.path, recursive=recursive, expected=_expected(asked, now))
    await _empty(asked, [(b"cairn-commit", b"%d" % removed.commit)])


def _check_body(asked: Asked) -> None:
    if asked.headers.get("content-range") is not None:
        raise BadRequest("a file is written whole: PUT with Content-Range is not taken")
    if asked.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("send the bytes as they are, without Content-Encoding")


async def _present(files: Filesystem, asked: Asked, *, follow: bool) -> Entry | None:
    """What is there now; None for nothing."""
    try:
        return await files.stat(asked.path, follow=follow)
    except NotFound:
        return None


def _expected(asked: Asked, now: Entry | None) -> str | None:
    """What the commit is to expect, so that the conditions hold then too. Raises VersionChanged."""
    etag, mtime_us = (now.etag, now.mtime_us) if now is not None else (None, 0)
    if judge(asked.headers, etag, mtime_us, reading=False) == "failed":
        raise VersionChanged("the file has another version now" if now else "no file is there")
    conditional = {"if-match", "if-none-match", "if-unmodified-since"} & set(asked.headers)
    return (etag or "none") if conditional else None


async def _timely(body: asgi.BodyPieces, clock: Clock) -> AsyncIterator[bytes]:
    """The body, as long as some of it comes."""
    while True:
        try:
            async with within(clock, BODY_IDLE_S):
                piece = await anext(body, None)
        except TimeoutError as error:
            raise LengthMismatch(f"nothing came for {BODY_IDLE_S:g} s within the body") from error
        if piece is None:
            return
        yield piece


async def _empty(asked: Asked, headers: RawHeaders) -> None:
    """204 has no body and no length."""
    await asked.send({"type": "http.response.start", "status": 204, "headers": headers})
    await asked.send({"type": "http.response.body", "body": b""})
