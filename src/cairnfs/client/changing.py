"""Changes of names: making, removing, moving and copying what a path leads to, a commit each.

What belongs here: verbs of `Filesystem` that are one operation, each checking what it was given. What does
not: links (`links.py`), attributes (`attributes.py`), content (`writing.py`). Used from one event loop.
"""

from __future__ import annotations

from cairnfs.client.commit import commit
from cairnfs.client.connection import Connected
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.client.results import Committed
from cairnfs.wire import names
from cairnfs.wire.commits import Copy, MakeDirectory, Operation, Remove, Rename


async def change(files: Connected, operation: Operation) -> Committed:
    """Make one operation a commit."""
    reply = await commit(files.connection.control, [operation])
    return Committed(reply.commit, reply.at_us, reply.results[0].etag)


async def mkdir(
    files: Connected, path: PathLike, *, parents: bool = False, mode: int | None = None
) -> Committed:
    """Make a directory; with `parents` those on the way too, and then one may be there. Raises Exists."""
    text, base64 = names.to_text(as_path(path))
    return await change(files, MakeDirectory(path=text, path_b64=base64, parents=parents, mode=mode))


async def remove(
    files: Connected, path: PathLike, *, recursive: bool = False, expected: str | None = None
) -> Committed:
    """Remove a name of a file, a symlink, an empty directory, or with `recursive` a directory and all below.

    Raises NotFound, NotEmpty, RootIsFixed, VersionChanged.
    """
    text, base64 = names.to_text(as_path(path))
    return await change(files, Remove(path=text, path_b64=base64, recursive=recursive, expected=expected))


async def rename(
    files: Connected, path: PathLike, target: PathLike, *, replace: bool = True, expected: str | None = None
) -> Committed:
    """Give what is there another path, as POSIX does. Raises Exists, NotEmpty, RenameIntoItself."""
    text, base64 = names.to_text(as_path(path))
    to, to_base64 = names.to_text(as_path(target))
    return await change(
        files,
        Rename(
            path=text, path_b64=base64, target=to, target_b64=to_base64, replace=replace, expected=expected
        ),
    )


async def copy(
    files: Connected,
    path: PathLike,
    target: PathLike,
    *,
    at: At = None,
    follow: bool = True,
    preserve: bool = False,
    replace: bool = True,
    parents: bool = False,
    expected: str | None = None,
) -> Committed:
    """Make `target` a file with the content of the one at `path`, now or as it was `at`; nothing is sent.

    `preserve`: mode, times, extended attributes, and owners where permitted, are kept too. Without `follow`
    a symlink is copied itself. Raises IsADirectory, Exists (without `replace`), NoSuchCommit, VersionChanged.
    """
    text, base64 = names.to_text(as_path(path))
    to, to_base64 = names.to_text(as_path(target))
    operation = Copy(
        path=text,
        path_b64=base64,
        target=to,
        target_b64=to_base64,
        at=as_at(at),
        follow=follow,
        preserve=preserve,
        replace=replace,
        parents=parents,
        expected=expected,
    )
    return await change(files, operation)
