"""Looking at names: many paths at once, directories page by page, whole trees.

Whatever takes several requests is read at the commit of the first one. Used from one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from cairnfs.client.connection import Connection
from cairnfs.client.naming import below
from cairnfs.client.pin import Pin
from cairnfs.errors import CairnError, Internal
from cairnfs.ids import Path
from cairnfs.wire import endpoints, problems
from cairnfs.wire.directory import (
    STAT_PATHS_MAX,
    Entry,
    ListReply,
    ListRequest,
    PathText,
    StatRequest,
)


class Stats(NamedTuple):
    """What paths lead to at `commit`, in their order."""

    commit: int
    results: list[Entry | CairnError]


async def stat_paths(connection: Connection, paths: Sequence[Path], at: str | None, *, follow: bool) -> Stats:
    """Look up any number of paths; with `follow` what symlinks lead to. Raises only what concerns all."""
    results: list[Entry | CairnError] = []
    commit, now = 0, at is None
    for start in range(0, max(len(paths), 1), STAT_PATHS_MAX):
        page = paths[start : start + STAT_PATHS_MAX]
        request = StatRequest(paths=[PathText.of(path) for path in page], at=at, follow=follow)
        reply = await connection.control.ask(endpoints.STAT, request)
        commit, at = reply.commit, str(reply.commit)
        for path, result in zip(page, reply.results, strict=True):
            if result.entry is not None:
                results.append(result.entry)
                if now:
                    connection.policies.see(path, result.entry)
            elif result.error is not None:
                results.append(problems.to_error(result.error))
            else:
                raise Internal("a stat that says neither what is there nor why not")
    return Stats(commit, results)


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


async def walk(
    connection: Connection, path: Path, at: str | None
) -> AsyncGenerator[tuple[Path, Entry], None]:
    """Everything below a directory with its path, parents before what is in them, all at one commit."""
    stack: list[tuple[Path, AsyncGenerator[ListReply, None]]] = [(path, pages(connection, path, at))]
    left: list[list[Entry]] = [[]]
    with Pin(connection.sessions) as pin:
        while stack:
            directory, following = stack[-1]
            if not left[-1]:
                page = await anext(following, None)
                if page is None:
                    stack.pop()
                    left.pop()
                    continue
                at = str(page.commit)
                if any(entry.kind == "directory" for entry in page.entries):
                    await pin.at(page.commit)
                left[-1] = page.entries[::-1]
                continue
            entry = left[-1].pop()
            inside = below(directory, entry.raw_name())
            yield inside, entry
            if entry.kind == "directory":
                stack.append((inside, pages(connection, inside, at)))
                left.append([])
