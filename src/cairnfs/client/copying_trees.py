"""Copying and restoring whole trees: one commit, nothing sent, however large.

What belongs here: verbs of `Filesystem`. What does not: a single file's copy (`changing.py`). A large tree
takes longer than one request: the same one is sent again, and joins the copy that goes on in the cluster.
Used from one event loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from cairnfs.client.commit import ATTEMPT_S, COMMIT_S, commit, new_request_id, send
from cairnfs.client.connection import Connected
from cairnfs.client.listing import stat_paths
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.errors import CairnError, NotFound, RootIsFixed
from cairnfs.ids import Path
from cairnfs.wire import endpoints, names
from cairnfs.wire.commits import Copy
from cairnfs.wire.copies import CopyRequest

#: How long the copy of a tree is waited for.
COPY_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: the commit that made it, and the commit that was read."""

    commit: int
    at_us: int
    read_at: int
    etag: str | None
    files: int
    directories: int
    symlinks: int
    bytes: int


async def copy_tree(
    files: Connected,
    path: PathLike,
    target: PathLike,
    *,
    at: At = None,
    preserve: bool = False,
    replace: bool = False,
    message: str = "",
) -> Copied:
    """Copy a directory with all below it, now or as it was `at`, in one commit; nothing is sent.

    All is read as of one commit, so a tree can be copied into itself. `preserve` keeps modes, times, extended
    attributes and policies, owners where permitted. With `replace`, what is at `target` is removed with all
    below it in the same commit. Raises NotADirectory, Exists, Forbidden (naming what may not be read),
    NotFound, NoSuchCommit, NoSuchSnapshot, BeforeHorizon.
    """
    text, base64 = names.to_text(as_path(path))
    to, to_base64 = names.to_text(as_path(target))
    request = CopyRequest(
        request_id=new_request_id(),
        deadline_ms=int(ATTEMPT_S * 1000),
        path=text,
        path_b64=base64,
        at=as_at(at),
        target=to,
        target_b64=to_base64,
        preserve=preserve,
        replace=replace,
        message=message,
    )
    reply = await send(files.connection.control, endpoints.COPY, request, timeout_s=COPY_S)
    return Copied(
        commit=reply.commit,
        at_us=reply.at_us,
        read_at=reply.read_at,
        etag=reply.results[0].etag,
        files=reply.files,
        directories=reply.directories,
        symlinks=reply.symlinks,
        bytes=reply.bytes,
    )


async def restore(files: Connected, path: PathLike, at: At) -> Copied:
    """Make what is at `path` again what it was: a file, a symlink, or a directory with all below it.

    What came to be there since is gone with the same commit; earlier commits still have it. Modes, times and
    extended attributes come back too, and owners where permitted. Raises NotFound where nothing was there,
    or where the directory that held it is gone; IsADirectory for a file where a directory is now.
    """
    where = as_path(path)
    if len(where) == 1:
        raise RootIsFixed("the root cannot be replaced", path="/", hint="restore what is in it, one by one")
    stats = await stat_paths(files.connection, [where], as_at(at), follow=False)
    was = stats.results[0]
    if isinstance(was, CairnError):
        was.path = names.printable(where)
        raise was
    message = f"restore {names.printable(where)} as of commit {stats.commit}"[:1000]
    try:
        if was.kind == "directory":
            return await copy_tree(
                files, where, where, at=stats.commit, preserve=True, replace=True, message=message
            )
        return await _restore_file(files, where, stats.commit, message, size=was.size, kind=was.kind)
    except NotFound as error:
        error.hint = "the directory that held it is not there: restore that one, or make it"
        raise


async def _restore_file(
    files: Connected, path: Path, read_at: int, message: str, *, size: int, kind: str
) -> Copied:
    text, base64 = names.to_text(path)
    operation = Copy(
        path=text,
        path_b64=base64,
        target=text,
        target_b64=base64,
        at=str(read_at),
        follow=False,
        preserve=True,
    )
    reply = await commit(files.connection.control, [operation], message=message, timeout_s=COMMIT_S)
    is_file = kind == "file"
    return Copied(
        commit=reply.commit,
        at_us=reply.at_us,
        read_at=read_at,
        etag=reply.results[0].etag,
        files=int(is_file),
        directories=0,
        symlinks=int(not is_file),
        bytes=size if is_file else 0,
    )
