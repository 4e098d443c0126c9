"""Looking at names: many paths at once, directories page by page, whole trees.

Whatever takes several requests is read at the commit of the first one. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from cairnfs.client.connection import Connection
from cairnfs.client.pin import Pin
from cairnfs.errors import CairnError, Internal, NotADirectory
from cairnfs.ids import Path
from cairnfs.wire import endpoints, names, problems
from cairnfs.wire.directory import (
    STAT_PATHS_MAX,
    Entry,
    ListReply,
    ListRequest,
    PathText,
    StatRequest,
    WalkReply,
    WalkRequest,
)


class Stats(NamedTuple):
    """What paths lead to at `commit` of an incarnation, in their order."""

    commit: int
    results: list[Entry | CairnError]
    incarnation: int


async def stat_paths(connection: Connection, paths: Sequence[Path], at: str | None, *, follow: bool) -> Stats:
    """Look up any number of paths; with `follow` what symlinks lead to. Raises only what concerns all."""
    results: list[Entry | CairnError] = []
    commit, incarnation, now = 0, 0, at is None
    for start in range(0, max(len(paths), 1), STAT_PATHS_MAX):
        page = paths[start : start + STAT_PATHS_MAX]
        request = StatRequest(paths=[PathText.of(path) for path in page], at=at, follow=follow)
        reply = await connection.control.ask(endpoints.STAT, request)
        commit, incarnation, at = reply.commit, reply.incarnation, str(reply.commit)
        for path, result in zip(page, reply.results, strict=True):
            if result.entry is not None:
                results.append(result.entry)
                if now:
                    connection.policies.see(path, result.entry)
            elif result.error is not None:
                results.append(problems.to_error(result.error))
            else:
                raise Internal("a stat that says neither what is there nor why not")
    return Stats(commit, results, incarnation)


class Root(NamedTuple):
    """A remote directory as of a commit of an incarnation."""

    entry: Entry
    commit: int
    incarnation: int


async def find_root(connection: Connection, remote: Path, at: str | None) -> Root:
    """The directory to be got. Raises NotFound, NotADirectory, Forbidden."""
    stats = await stat_paths(connection, [remote], at, follow=True)
    entry = stats.results[0]
    if isinstance(entry, CairnError):
        raise entry
    if entry.kind != "directory":
        raise NotADirectory("it is a file, not a directory", path=names.printable(remote))
    return Root(entry, stats.commit, stats.incarnation)


async def pages(connection: Connection, path: Path, at: str | None) -> AsyncGenerator[ListReply, None]:
    """A directory's pages, all at one commit."""
    text = PathText.of(path)
    cursor: str | None = None
    with Pin(connection.sessions) as pin:
        while True:
            request = ListRequest(path=text.path, path_b64=text.path_b64, cursor=cursor, at=at)
            reply = await connection.control.ask(endpoints.LIST, request)
            # The cursor keeps the commit; "ten minutes ago" would be another one by now.
            cursor, at = reply.cursor, None
            if cursor is not None:
                await pin.at(reply.commit)
            yield reply
            if cursor is None:
                return


async def list_directory(connection: Connection, path: Path, at: str | None) -> AsyncGenerator[Entry, None]:
    """A directory's entries in the order of their names."""
    async for page in pages(connection, path, at):
        for entry in page.entries:
            yield entry


async def walk_pages(
    connection: Connection, path: Path, at: str | None, *, contents: bool = False, tree: str | None = None
) -> AsyncGenerator[WalkReply, None]:
    """Everything below a directory, page by page, at one commit; `contents`: files with their chunks.

    `tree`: inside that detached tree.

    The next page is on its way while one is looked at. Raises NotFound, NotADirectory, Forbidden.
    """
    text = PathText.of(path)

    def ask(cursor: str | None) -> asyncio.Task[WalkReply]:
        request = WalkRequest(
            path=text.path,
            path_b64=text.path_b64,
            tree=tree,
            cursor=cursor,
            at=at if cursor is None else None,
            contents=contents,
        )
        return asyncio.create_task(connection.control.ask(endpoints.WALK, request))

    following: asyncio.Task[WalkReply] | None = ask(None)
    with Pin(connection.sessions) as pin:
        try:
            while following is not None:
                page = await following
                if page.cursor is not None:
                    await pin.at(page.commit)
                following = None if page.cursor is None else ask(page.cursor)
                yield page
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


async def walk(
    connection: Connection, path: Path, at: str | None
) -> AsyncGenerator[tuple[Path, Entry], None]:
    """Everything below a directory with its path, parents before what is in them, all at one commit."""
    above = path.removesuffix(b"/") + b"/"
    async with aclosing(walk_pages(connection, path, at)) as found:
        async for page in found:
            for item in page.items:
                yield Path(above + item.raw_path()), item.entry
