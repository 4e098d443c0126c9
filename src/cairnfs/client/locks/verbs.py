"""The verbs of locks that `Filesystem` has.

What belongs here: checking what was given, and asking. What does not: how a lock is kept (`body.py`). Used
from one event loop, but for `waiting`, `showing` and `shown_locks`, which ask nobody: in any thread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager

from cairnfs.client.connection import Connected
from cairnfs.client.locks import held, turns
from cairnfs.client.locks.asked import Asked, OnWait
from cairnfs.client.locks.body import Body
from cairnfs.client.naming import PathLike, as_path
from cairnfs.errors import BadRequest
from cairnfs.wire import names
from cairnfs.wire.endpoints.locks import BREAK_LOCK, LIST_LOCKS
from cairnfs.wire.locks import (
    BreakRequest,
    BrokenItem,
    ListLocksReply,
    ListLocksRequest,
    LockItem,
    LockProof,
    Mode,
    proofs_to_text,
)

waiting = turns.waiting


def lock(
    files: Connected,
    path: PathLike,
    *,
    shared: bool = False,
    subtree: bool = False,
    follow: bool = True,
    wait: float | None = None,
    on_wait: OnWait | None = None,
) -> Body:
    """A lock on a path for the body of a `with`; what is committed in the body is committed under it.

    Nobody else can change what the path leads to meanwhile, under whatever name, nor the name itself;
    nothing need be there yet. `shared`: others may share it, and nobody changes it. `subtree`: with all
    below it. Without `follow` a symlink is locked itself. `wait`: so many seconds for one's turn, 0 not at
    all, None for ever; then Locked. `on_wait` is told, on the loop's thread, one's place and who is in the
    way.

    When the lock is lost, the body ends with LockLost, and nothing more can be committed in it. Tasks that
    are begun in the body commit under the lock too, and have to end in it. A lock that the same task or
    thread takes in the body of another one is the same owner's; others wait even for each other's. Raises
    Deadlock where waiting would never end, NotFound (a directory on the way), Forbidden, QueueFull,
    TooManyLocks.
    """
    return lock_many(files, [path], shared=shared, subtree=subtree, follow=follow, wait=wait, on_wait=on_wait)


def lock_many(
    files: Connected,
    paths: Sequence[PathLike],
    *,
    shared: bool = False,
    subtree: bool = False,
    follow: bool = True,
    wait: float | None = None,
    on_wait: OnWait | None = None,
) -> Body:
    """One lock on up to 1,000 paths, granted together at one instant; see `lock`.

    So no order has to be kept: whoever asks for all that they need at once waits for nobody while holding
    something.
    """
    if isinstance(paths, (str, bytes)):
        raise BadRequest("lock_many takes paths, not one path")
    checked = list(dict.fromkeys(as_path(path) for path in paths))
    mode: Mode = "shared" if shared else "exclusive"
    asked = Asked(checked, mode, subtree=subtree, follow=follow, wait_s=wait, tell=on_wait)
    return Body(files.connection.locks, asked)


async def locks(files: Connected, path: PathLike = "/") -> AsyncGenerator[LockItem, None]:
    """Locks that are held or waited for, on the path and all below it, as far as one may see them."""
    async for page in _pages(files, path, broken=False):
        for item in page.locks:
            yield item


async def broken_locks(files: Connected) -> AsyncGenerator[BrokenItem, None]:
    """One's own locks that were broken, the latest first; an administrator sees all."""
    async for page in _pages(files, "/", broken=True):
        for item in page.broken:
            yield item


async def _pages(files: Connected, path: PathLike, *, broken: bool) -> AsyncGenerator[ListLocksReply, None]:
    text, base64 = names.to_text(as_path(path))
    cursor = None
    while True:
        request = ListLocksRequest(path=text, path_b64=base64, broken=broken, cursor=cursor)
        page = await files.connection.control.ask(LIST_LOCKS, request)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


async def break_lock(files: Connected, lock: int, reason: str = "") -> None:
    """Take a lock from its holder, or a request out of its queue; its user and administrators may.

    It is recorded with the reason. The holder cannot commit anything under it any more. Raises NoSuchLock,
    Forbidden.
    """
    request = BreakRequest(reason=reason)
    await files.connection.control.ask(BREAK_LOCK, request, params={"lock": str(lock)})


def showing(files: Connected, proofs: Sequence[LockProof]) -> AbstractContextManager[None]:
    """In the body, commits show the proofs of locks that somebody else holds, and lets this client use."""
    return held.showing(files.connection.control.locks.circle, proofs)


def shown_locks(files: Connected) -> str:
    """What `CAIRN_LOCK` of a child process has to be, to commit as this task or thread does. A secret."""
    return proofs_to_text(files.connection.control.locks.proofs())
