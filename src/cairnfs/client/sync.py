"""The synchronous client: Filesystem's verbs for people who do not write async code.

Its methods are made from Filesystem's own, one line each; there is no second implementation. It may
be used from several threads at once. After a fork the child's first call connects anew; files opened
before the fork are the parent's, and so are locks, which the child shows all the same. What belongs here:
crossing over. What does not: any verb's meaning.
"""

from __future__ import annotations

import atexit
import io
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Literal, TypeVar, overload

from cairnfs.client.blocking import blocking, iterating
from cairnfs.client.control import CLOSED
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks.held import Circle
from cairnfs.client.naming import At, PathLike
from cairnfs.client.portal import Portal, portal
from cairnfs.client.results import Durability
from cairnfs.client.sync_files import FileWriter, reader
from cairnfs.client.sync_locks import bodies, plainly
from cairnfs.client.sync_people import SyncPeople
from cairnfs.errors import BadRequest, CairnError

R = TypeVar("R")

#: Entries of a listing that cross from the loop's thread together.
_ENTRIES = 256


class Client:
    """A cluster's filesystem, synchronously. See `Filesystem` for what each verb takes, gives and raises.

    A context manager; closing it gives up open files and ends the session.
    """

    def __init__(self, connect: Callable[[], Awaitable[Filesystem]]) -> None:
        """`connect` is awaited on the portal's loop: at the first call, and again after a fork."""
        self._connect = connect
        self._lock = threading.Lock()
        self._portal: Portal | None = None
        self._filesystem: Filesystem | None = None
        self._closed = False
        #: The same after a fork: what is held here is shown there.
        self._circle = Circle()
        _open_clients.add(self)

    read_file = blocking(Filesystem.read_file)
    read_many = blocking(Filesystem.read_many)
    read_stream = iterating(Filesystem.read_stream, 1)
    write_file = blocking(Filesystem.write_file)
    stat = blocking(Filesystem.stat)
    lstat = blocking(Filesystem.lstat)
    stat_many = blocking(Filesystem.stat_many)
    list = iterating(Filesystem.list, _ENTRIES)
    walk = iterating(Filesystem.walk, _ENTRIES)
    mkdir = blocking(Filesystem.mkdir)
    remove = blocking(Filesystem.remove)
    rename = blocking(Filesystem.rename)
    copy = blocking(Filesystem.copy)
    copy_tree = blocking(Filesystem.copy_tree)
    restore = blocking(Filesystem.restore)
    create_snapshot = blocking(Filesystem.create_snapshot)
    list_snapshots = blocking(Filesystem.list_snapshots)
    remove_snapshot = blocking(Filesystem.remove_snapshot)
    retention = blocking(Filesystem.retention)
    set_retention = blocking(Filesystem.set_retention)
    symlink = blocking(Filesystem.symlink)
    link = blocking(Filesystem.link)
    readlink = blocking(Filesystem.readlink)
    chmod = blocking(Filesystem.chmod)
    chown = blocking(Filesystem.chown)
    touch = blocking(Filesystem.touch)
    set_policy = blocking(Filesystem.set_policy)
    get_xattrs = blocking(Filesystem.get_xattrs)
    set_xattr = blocking(Filesystem.set_xattr)
    remove_xattr = blocking(Filesystem.remove_xattr)
    lock = bodies(Filesystem.lock)
    lock_many = bodies(Filesystem.lock_many)
    locks = iterating(Filesystem.locks, _ENTRIES)
    broken_locks = iterating(Filesystem.broken_locks, _ENTRIES)
    break_lock = blocking(Filesystem.break_lock)
    waiting = plainly(Filesystem.waiting)
    showing = plainly(Filesystem.showing)
    shown_locks = plainly(Filesystem.shown_locks)
    find = iterating(Filesystem.find, _ENTRIES)
    du = iterating(Filesystem.du, _ENTRIES)
    df = blocking(Filesystem.df)
    log = iterating(Filesystem.log, _ENTRIES)
    history = iterating(Filesystem.history, _ENTRIES)
    diff = iterating(Filesystem.diff, _ENTRIES)
    changes = iterating(Filesystem.changes, 1)
    put_file = blocking(Filesystem.put_file)
    get_file = blocking(Filesystem.get_file)
    put_tree = blocking(Filesystem.put_tree)
    publish = blocking(Filesystem.publish)
    get_tree = blocking(Filesystem.get_tree)
    sync_tree = blocking(Filesystem.sync_tree)
    whoami = blocking(Filesystem.whoami)
    status = blocking(Filesystem.status)
    settle = blocking(Filesystem.settle)
    ask = blocking(Filesystem.ask)

    @property
    def people(self) -> SyncPeople:
        """Users, user groups and invitations."""
        return SyncPeople(self.inside)

    @overload
    def open(self, path: PathLike, mode: Literal["rb"] = "rb", *, at: At = None) -> io.BufferedReader: ...
    @overload
    def open(
        self,
        path: PathLike,
        mode: Literal["wb"],
        *,
        expected: str | None = None,
        parents: bool = False,
        durability: Durability | None = None,
    ) -> FileWriter: ...
    def open(
        self,
        path: PathLike,
        mode: Literal["rb", "wb"] = "rb",
        *,
        at: At = None,
        expected: str | None = None,
        parents: bool = False,
        durability: Durability | None = None,
    ) -> io.BufferedReader | FileWriter:
        """A file to read, seekable; or to write, published at `close()` unless the body of `with` raises."""
        through, filesystem = self.inside()
        if mode == "rb":
            return reader(through, through.call(filesystem.open(path, "rb", at=at)))
        opening = filesystem.open(path, mode, expected=expected, parents=parents, durability=durability)
        return FileWriter(through, through.call(opening))

    def inside(self) -> tuple[Portal, Filesystem]:
        """This process's portal and the filesystem on its loop."""
        through = portal()
        with self._lock:
            if self._closed:
                raise BadRequest(CLOSED)
            if self._filesystem is None or self._portal is not through:
                self._filesystem = through.call(_awaited(self._connect))
                self._filesystem.connection.control.locks.circle = self._circle
                self._portal = through
            return through, self._filesystem

    def close(self) -> None:
        """Give up what is unfinished, end the session. Closing again does nothing."""
        with self._lock:
            self._closed = True
            filesystem, self._filesystem = self._filesystem, None
            through = self._portal
        if filesystem is not None and through is not None and through.ours:
            through.call(filesystem.close(), bare=True)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """In the child: the lock may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()


async def _awaited(make: Callable[[], Awaitable[R]]) -> R:
    return await make()


_open_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _close_all() -> None:
    for client in list(_open_clients):
        try:
            client.close()
        except (CairnError, RuntimeError):
            continue


def _after_fork() -> None:
    for client in list(_open_clients):
        client.after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
