"""The filesystem: the one face that every door uses.

Each verb checks what it was given, makes one request or hands over to the module that knows the
way, and gives values of `results` or messages of the wire. The synchronous client (`sync.py`) is
made from this class. Any number of calls may run at once on one event loop; close it at the end.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Literal, TypeVar, overload

from cairnfs.client import (
    attributes,
    changing,
    copying_trees,
    links,
    listing,
    reading_many,
    search,
    snapshots,
    xattrs,
)
from cairnfs.client import commit as commits
from cairnfs.client import history as past
from cairnfs.client.connection import Connection
from cairnfs.client.get.file import get_file
from cairnfs.client.get.sync import Ways as SyncWays
from cairnfs.client.get.sync import sync_tree
from cairnfs.client.get.tree import get_tree
from cairnfs.client.local.files import LocalPath
from cairnfs.client.locks import verbs as locking
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.client.people import People
from cairnfs.client.publish import verb as publishing
from cairnfs.client.put.file import put_file
from cairnfs.client.put.tree import put_tree
from cairnfs.client.reading import Reader, Version, open_version
from cairnfs.client.results import Durability, OnProgress, Synced, Tree, Written
from cairnfs.client.sources import Content
from cairnfs.client.writing import Target, Writer, write_file
from cairnfs.errors import BadRange, BadRequest, CairnError
from cairnfs.wire import auth, cluster, endpoints
from cairnfs.wire.commits import SettleReply
from cairnfs.wire.directory import Entry
from cairnfs.wire.endpoints import Endpoint
from cairnfs.wire.history import Changes, Difference, HistoryItem, LogCommit

Q = TypeVar("Q")
A = TypeVar("A")


class Filesystem:
    """A cluster's filesystem as one caller sees it.

    Paths are absolute: text, bytes or PurePosixPath. `at` is a point in history as `--at` takes it: a
    commit (41), a time (2026-11-22T10:00Z), an age (10m) or a snapshot's name. Every method raises classes of
    `cairnfs.errors`: BadName and PathTooLong for paths, Unavailable's when the cluster does not answer in
    time, and what the verb's own docstring names.
    """

    def __init__(self, connection: Connection, *, owns_transport: bool = True) -> None:
        """`owns_transport`: whether closing this closes the connection's transport too."""
        self.connection = connection
        self._owns_transport = owns_transport
        self._writers: weakref.WeakSet[Writer] = weakref.WeakSet()

    async def read_file(self, path: PathLike, at: At = None) -> bytes:
        """A file's bytes. Raises NotFound, IsADirectory, Forbidden, ChunkNotYet, ChunkLost."""
        return await (await self.version(path, at)).read()

    async def read_stream(
        self, path: PathLike, at: At = None, *, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """A file's bytes from `start` up to `stop`, piece by piece, all of one version."""
        if start < 0:
            raise BadRange("a file begins at byte 0")
        async with aclosing((await self.version(path, at)).pieces(start, stop)) as pieces:
            async for piece in pieces:
                yield piece

    async def read_many(self, paths: Sequence[PathLike], at: At = None) -> Sequence[bytes | CairnError]:
        """Many files' bytes at one commit, in order: each whole, or the error that `read_file` would raise.

        One question for 1,000 files, few requests for many short ones, and none for what this machine's cache
        has. The caller bounds how many bytes that is.
        """
        checked, moment = [as_path(path) for path in paths], as_at(at)
        return await reading_many.read_many(self.connection, checked, moment)

    async def version(self, path: PathLike, at: At = None, *, known: str | None = None) -> Version:
        """A file's version, to be read in parts; with `known` (an ETag) possibly `unchanged`."""
        return await open_version(self.connection, as_path(path), as_at(at), known=known)

    async def write_file(
        self,
        path: PathLike,
        data: Content,
        *,
        expected: str | None = None,
        parents: bool = False,
        durability: Durability | None = None,
        mode: int | None = None,
        mtime_ns: int | None = None,
    ) -> Written:
        """Give a file this content as its new version, whole or not at all.

        `data`: bytes, a binary file, or an iterator of bytes. `expected`: the ETag that must be there
        now, or "none" for a new file. `durability` strengthens what the directory asks for; `mtime_ns` is
        the time of change in ns since 1970. Raises VersionChanged, Exists, IsADirectory, NotFound (a missing
        directory on the way, without `parents`), Forbidden, TooFewCopies, NoSpace.
        """
        target = Target(as_path(path), expected, parents, durability, mode, mtime_ns)
        return await write_file(self.connection, target, data)

    @overload
    async def open(self, path: PathLike, mode: Literal["rb"] = "rb", *, at: At = None) -> Reader: ...
    @overload
    async def open(
        self,
        path: PathLike,
        mode: Literal["wb"],
        *,
        expected: str | None = None,
        parents: bool = False,
        durability: Durability | None = None,
    ) -> Writer: ...
    async def open(
        self,
        path: PathLike,
        mode: Literal["rb", "wb"] = "rb",
        *,
        at: At = None,
        expected: str | None = None,
        parents: bool = False,
        durability: Durability | None = None,
    ) -> Reader | Writer:
        """A file to read ("rb", one version) or to write ("wb", published at close); see `write_file`."""
        if mode == "rb":
            return Reader(await self.version(path, at))
        if str(mode) != "wb":
            raise BadRequest(f"cannot open with mode {mode!r}", hint='modes are "rb" and "wb"')
        writer = Writer(self.connection, Target(as_path(path), expected, parents, durability))
        self._writers.add(writer)
        return writer

    async def stat(self, path: PathLike, at: At = None, *, follow: bool = True) -> Entry:
        """What a path leads to; without `follow` a symlink itself.

        Raises NotFound, NotADirectory, SymlinkLoop, Forbidden.
        """
        (result,) = await self.stat_many([path], at, follow=follow)
        if isinstance(result, CairnError):
            raise result
        return result

    async def lstat(self, path: PathLike, at: At = None) -> Entry:
        """What is at a path, be it a symlink. Raises as `stat`."""
        return await self.stat(path, at, follow=False)

    async def stat_many(
        self, paths: Sequence[PathLike], at: At = None, *, follow: bool = True
    ) -> Sequence[Entry | CairnError]:
        """What paths lead to at one commit, in their order: an entry, or why there is none."""
        checked, moment = [as_path(path) for path in paths], as_at(at)
        if not checked:
            return []
        return (await listing.stat_paths(self.connection, checked, moment, follow=follow)).results

    async def list(self, path: PathLike, at: At = None) -> AsyncGenerator[Entry, None]:
        """A directory's entries in the order of their names' bytes, all at one commit."""
        async for entry in listing.list_directory(self.connection, as_path(path), as_at(at)):
            yield entry

    async def walk(self, path: PathLike, at: At = None) -> AsyncGenerator[tuple[bytes, Entry], None]:
        """Everything below a directory with its path, parents first, all at one commit."""
        async for found in listing.walk(self.connection, as_path(path), as_at(at)):
            yield found

    mkdir = changing.mkdir
    remove = changing.remove
    rename = changing.rename
    copy = changing.copy
    copy_tree = copying_trees.copy_tree
    restore = copying_trees.restore
    publish = publishing.publish
    create_snapshot = snapshots.create_snapshot
    list_snapshots = snapshots.list_snapshots
    remove_snapshot = snapshots.remove_snapshot
    retention = snapshots.retention
    set_retention = snapshots.set_retention
    symlink = links.symlink
    link = links.link
    readlink = links.readlink
    chmod = attributes.chmod
    chown = attributes.chown
    touch = attributes.touch
    set_policy = attributes.set_policy
    get_xattrs = xattrs.get_xattrs
    set_xattr = xattrs.set_xattr
    remove_xattr = xattrs.remove_xattr
    lock = locking.lock
    lock_many = locking.lock_many
    locks = locking.locks
    broken_locks = locking.broken_locks
    break_lock = locking.break_lock
    waiting = locking.waiting
    showing = locking.showing
    shown_locks = locking.shown_locks
    find = search.find
    du = search.du
    df = search.df

    def log(
        self, path: PathLike = "/", at: At = None, *, limit: int | None = None
    ) -> AsyncGenerator[LogCommit, None]:
        """Commits that changed something at or below the path, newest first; all, or `limit` of them."""
        return past.log(self.connection, path, at, limit=limit)

    def history(
        self, path: PathLike, at: At = None, *, limit: int | None = None, follow: bool = True
    ) -> AsyncGenerator[HistoryItem, None]:
        """What the path has led to, newest first; all, or `limit` items. Raises NotFound, Forbidden."""
        return past.history(self.connection, path, at, limit=limit, follow=follow)

    def diff(self, a: At, b: At, path: PathLike = "/") -> AsyncGenerator[Difference, None]:
        """How the tree at or below the path differs between two moments; None is the present."""
        return past.diff(self.connection, a, b, path)

    def changes(
        self, path: PathLike = "/", since: int | None = None, *, positions: bool = False
    ) -> AsyncGenerator[Changes, None]:
        """What commits change at or below the path, from now on or after the commit `since`, for ever.

        With `positions`, also how far all has been told. Close it when done; see `client.history.changes`.
        Raises BeforeHorizon, IncarnationChanged (look anew, and begin there), NoSuchCommit, Forbidden.
        """
        return past.changes(self.connection, path, since, positions=positions)

    async def put_file(
        self,
        local: LocalPath,
        path: PathLike,
        *,
        expected: str | None = None,
        parents: bool = False,
        durability: Durability | None = None,
        preserve: bool = False,
        progress: OnProgress | None = None,
    ) -> Tree:
        """Make a local file the file at `path`; its mode is kept, with `preserve` its time of change too."""
        target = Target(as_path(path), expected, parents, durability)
        return await put_file(self.connection, local, target, preserve=preserve, tell=progress)

    async def get_file(
        self,
        path: PathLike,
        local: LocalPath,
        *,
        at: At = None,
        preserve: bool = False,
        progress: OnProgress | None = None,
    ) -> Tree:
        """Make the file at `path` a local file, which takes its place when it is whole."""
        return await get_file(
            self.connection, as_path(path), local, at=as_at(at), preserve=preserve, tell=progress
        )

    async def put_tree(
        self,
        local: LocalPath,
        remote: PathLike,
        *,
        durability: Durability | None = None,
        preserve: bool = False,
        progress: OnProgress | None = None,
    ) -> Tree:
        """Put everything below the local directory below `remote`, which is made if it is missing.

        All of it appears in one commit. Files that are there get new versions, but for those that have this
        content already; nothing is removed. Raises TooManyOperations where over 100,000 things of a tree that
        is there would change.
        """
        return await put_tree(
            self.connection, local, as_path(remote), durability=durability, preserve=preserve, tell=progress
        )

    async def get_tree(
        self,
        remote: PathLike,
        local: LocalPath,
        *,
        at: At = None,
        preserve: bool = False,
        progress: OnProgress | None = None,
    ) -> Tree:
        """Get everything below `remote`, as of one commit, below a local directory, made if missing.

        What is there and equal stays as it is; nothing is removed.
        """
        return await get_tree(
            self.connection, as_path(remote), local, at=as_at(at), preserve=preserve, tell=progress
        )

    async def sync_tree(
        self,
        remote: PathLike,
        local: LocalPath,
        *,
        at: At = None,
        preserve: bool = False,
        dry_run: bool = False,
        yes: bool = False,
        checksum: bool = False,
        progress: OnProgress | None = None,
    ) -> Synced:
        """Make a local directory exactly what `remote` is, as of one commit; fetches only what differs.

        What is too much is removed at the end: unless `yes`, RemovesMost where that is over half of the names
        there. `dry_run` tells what would be done (`actions`), `checksum` reads every local file instead of
        trusting the local record.
        """
        ways = SyncWays(dry=dry_run, sure=yes, distrust=checksum, preserve=preserve)
        return await sync_tree(
            self.connection, as_path(remote), local, at=as_at(at), ways=ways, tell=progress
        )

    @property
    def people(self) -> People:
        """Users, user groups and invitations."""
        return People(self.connection)

    async def whoami(self) -> auth.WhoamiReply:
        """Who the cluster says one is."""
        return await self.ask(endpoints.WHOAMI)

    async def status(self) -> cluster.StatusReply:
        """The cluster for people."""
        return await self.ask(endpoints.STATUS)

    async def settle(self, request_id: str) -> SettleReply:
        """The outcome of a commit whose answer was lost: OutcomeUnknown's text names its request id."""
        return await commits.settle(self.connection.control, request_id)

    async def ask(
        self,
        endpoint: Endpoint[Q, A],
        request: Q | None = None,
        *,
        params: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> A:
        """Ask the control plane anything that may be asked twice."""
        return await self.connection.control.ask(endpoint, request, params=params, timeout_s=timeout_s)

    async def close(self) -> None:
        """Give up what is unfinished, end the session, close connections."""
        for writer in list(self._writers):
            if writer.written is None:
                await writer.abort()
        await self.connection.close()
        if self._owns_transport:
            await self.connection.transport.close()

    async def __aenter__(self) -> Filesystem:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
