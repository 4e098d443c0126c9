"""Finding and measuring: what is below a path and meets conditions, sums of it, and how much room there is.

What belongs here: asking page after page, and adding up what pages say. All that one call tells is of one
commit; what it remembers does not grow with the tree, but for the inodes of files with several names, up to
`LINKS_MAX`. Used from one event loop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from cairnfs.client.connection import Connected
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.client.pin import Pin
from cairnfs.core.capacity import room
from cairnfs.core.placement import required
from cairnfs.errors import BadRequest
from cairnfs.wire import endpoints, names
from cairnfs.wire.cluster import FileserverStatus
from cairnfs.wire.search import (
    FIND_ENTRIES_MAX,
    FindRequest,
    FoundEntry,
    Kind,
    UsageRequest,
    UsageSum,
)

#: So many files with several names are told apart; what comes after counts once for each of its names.
LINKS_MAX = 100_000


@dataclass(slots=True)
class Remarks:
    """What is to be said besides what was found or summed; one may be given to several calls, and adds up.

    `closed`: directories that may not be read. `links_forgotten`: whether more than LINKS_MAX files had
    several names, so that sums may hold some of them more than once.
    """

    commit: int = 0
    closed: int = 0
    links_forgotten: bool = False
    _links: set[int] = field(default_factory=set)

    def is_new(self, inode: int) -> bool:
        """Whether a file with several names was not met before, as far as is known."""
        if inode in self._links:
            return False
        if len(self._links) < LINKS_MAX:
            self._links.add(inode)
        else:
            self.links_forgotten = True
        return True


@dataclass(frozen=True, slots=True)
class Usage:
    """What is at and below a directory, or a file alone. Each file counts once, however many names it has.

    `size` is that of the files' content, holes among it, and of symlinks' targets: not of its copies.
    """

    path: bytes
    size: int
    files: int
    directories: int
    symlinks: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """Room in the cluster, in bytes. `available` is for new data, of which each byte takes `copies`.

    The others are of the disks: what chunks take there, all copies counted, and that with what is free.
    """

    size: int
    used: int
    available: int
    copies: int
    fileservers: tuple[FileserverStatus, ...]


async def find(
    files: Connected,
    path: PathLike,
    *,
    name: str | bytes | None = None,
    ignore_case: bool = False,
    kinds: Sequence[Kind] = (),
    size_min: int | None = None,
    size_max: int | None = None,
    newer_ns: int | None = None,
    newer_than: At = None,
    owner: str | None = None,
    group: str | None = None,
    at: At = None,
    limit: int | None = None,
    remarks: Remarks | None = None,
) -> AsyncGenerator[FoundEntry, None]:
    """What is at or below `path` and meets all conditions, as it is found, each with its path and replicas.

    `name` is a pattern of the name's bytes (`core.patterns`); sizes are bytes, both ends included; newer is
    what was changed after `newer_ns`, ns since 1970, or after a moment as `at` takes it. `limit` ends it
    early. Directories that may not be read are left out and counted in `remarks`. Raises NotFound,
    Forbidden, BadPattern, NoSuchUser, NoSuchGroup, BeforeHorizon.
    """
    text, base64 = names.to_text(as_path(path))
    pattern, pattern_b64 = (None, None) if name is None else names.to_text(os.fsencode(name))
    newer_us, newer_sub_ns = (None, 0) if newer_ns is None else divmod(newer_ns, 1000)
    moment, since = as_at(at), as_at(newer_than)
    if limit is not None and limit < 1:
        raise BadRequest("a limit is at least 1")
    left, cursor = limit, None
    with Pin(files.connection.sessions) as pin:
        while True:
            request = FindRequest(
                path=text,
                path_b64=base64,
                name=pattern,
                name_b64=pattern_b64,
                ignore_case=ignore_case,
                kinds=list(kinds),
                size_min=size_min,
                size_max=size_max,
                newer_us=newer_us,
                newer_sub_ns=newer_sub_ns,
                newer_than=since,
                owner=owner,
                group=group,
                at=moment,
                cursor=cursor,
                limit=FIND_ENTRIES_MAX if left is None else min(left, FIND_ENTRIES_MAX),
            )
            reply = await files.connection.control.ask(endpoints.FIND, request)
            if remarks is not None:
                remarks.commit = reply.commit
                remarks.closed += reply.closed
            found, cursor = reply.found[:left], reply.cursor
            left = None if left is None else left - len(found)
            last = cursor is None or left == 0
            if not last:
                await pin.at(reply.commit)
            for one in found:
                yield one
            if last:
                return


async def du(
    files: Connected,
    path: PathLike,
    *,
    depth: int | None = None,
    at: At = None,
    remarks: Remarks | None = None,
) -> AsyncGenerator[Usage, None]:
    """Sums of every directory down to `depth` names below the path, and last of what is at the path itself.

    Each comes after those of what is below it. Directories that may not be read are left out and counted in
    `remarks`; calls that share these count a file with several names once. Raises NotFound, Forbidden,
    BeforeHorizon.
    """
    text, base64 = names.to_text(as_path(path))
    moment, cursor = as_at(at), None
    adding = _Adding(Remarks() if remarks is None else remarks)
    with Pin(files.connection.sessions) as pin:
        while True:
            request = UsageRequest(path=text, path_b64=base64, depth=depth, at=moment, cursor=cursor)
            reply = await files.connection.control.ask(endpoints.USAGE, request)
            adding.remarks.commit = reply.commit
            adding.remarks.closed += reply.closed
            cursor = reply.cursor
            if cursor is not None:
                await pin.at(reply.commit)
            for part in reply.sums:
                for usage in adding.add(part):
                    yield usage
            if cursor is None:
                break
    for usage in adding.end():
        yield usage


async def df(files: Connected) -> Capacity:
    """How much room there is, for new data with all its copies, and on each fileserver.

    Fileservers that share a disk each tell of all that is free on it.
    """
    status = await files.connection.control.ask(endpoints.STATUS)
    servers = status.fileservers
    there = [one for one in servers if one.state != "down"]
    # With fewer fileservers than copies, each holds all: as long as they are enough to write at all.
    copies = max(min(status.copies, len(there)), required(status.copies, "majority"))
    return Capacity(
        size=sum(one.used_bytes + one.free_bytes for one in servers),
        used=sum(one.used_bytes for one in servers),
        available=room((0 if one.state == "full" else one.free_bytes for one in there), copies),
        copies=status.copies,
        fileservers=tuple(servers),
    )


class _Open:
    """A directory of which more may come."""

    __slots__ = ("directories", "files", "path", "size", "symlinks")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.size = self.files = self.directories = self.symlinks = 0

    def usage(self) -> Usage:
        return Usage(self.path, self.size, self.files, self.directories, self.symlinks)


class _Adding:
    """Sums in the order of a walk, added up: a directory is whole when the walk has left it."""

    def __init__(self, remarks: Remarks) -> None:
        self.remarks = remarks
        self._open: list[_Open] = []

    def add(self, part: UsageSum) -> list[Usage]:
        """Take a part in; give what is whole by that."""
        path = part.raw_path()
        whole = []
        while self._open and not _is_within(path, self._open[-1].path):
            whole.append(self._close())
        if not self._open or self._open[-1].path != path:
            self._open.append(_Open(path))
        here = self._open[-1]
        new = [one.size for one in part.linked if self.remarks.is_new(one.inode)]
        here.size += part.size + sum(new)
        here.files += part.files + len(new)
        here.directories += part.directories
        here.symlinks += part.symlinks
        return whole

    def end(self) -> list[Usage]:
        """What is whole when nothing more comes."""
        return [self._close() for _ in range(len(self._open))]

    def _close(self) -> Usage:
        closed = self._open.pop()
        if self._open:
            above = self._open[-1]
            above.size += closed.size
            above.files += closed.files
            above.directories += closed.directories
            above.symlinks += closed.symlinks
        return closed.usage()


def _is_within(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")
