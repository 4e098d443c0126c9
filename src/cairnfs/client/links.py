"""Symlinks and hard links.

What belongs here: verbs of `Filesystem` that make and read them. What does not: following symlinks, which
the cluster does. Used from one event loop.
"""

from __future__ import annotations

import os

from cairnfs.client.changing import change
from cairnfs.client.connection import Connected
from cairnfs.client.listing import stat_paths
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.client.results import Committed
from cairnfs.errors import BadSymlink, CairnError
from cairnfs.wire import names
from cairnfs.wire.commits import SYMLINK_MAX_BYTES, Link, MakeSymlink

#: Where a symlink leads: any text or bytes, relative or not, whatever is there.
SymlinkTarget = str | bytes | os.PathLike[str]


async def symlink(
    files: Connected,
    target: SymlinkTarget,
    path: PathLike,
    *,
    replace: bool = False,
    parents: bool = False,
) -> Committed:
    """Make `path` a symlink that leads to `target`. Raises BadSymlink, Exists.

    With `replace` a file or symlink that is there gives way (a directory does not: IsADirectory).
    """
    raw = target if isinstance(target, bytes) else os.fspath(target).encode(errors="surrogateescape")
    if not 1 <= len(raw) <= SYMLINK_MAX_BYTES or b"\0" in raw:
        raise BadSymlink(f"a symlink's target has 1 to {SYMLINK_MAX_BYTES} bytes and no NUL")
    text, base64 = names.to_text(as_path(path))
    to, to_base64 = names.to_text(raw)
    operation = MakeSymlink(
        path=text, path_b64=base64, target=to, target_b64=to_base64, replace=replace, parents=parents
    )
    return await change(files, operation)


async def link(
    files: Connected, path: PathLike, target: PathLike, *, follow: bool = True, replace: bool = False
) -> Committed:
    """Give the file at `path` another name, `target`. Raises LinkToDirectory, Exists, TooManyLinks.

    Without `follow` a symlink at `path` gets the name itself. With `replace` a file or symlink at `target`
    gives way.
    """
    text, base64 = names.to_text(as_path(path))
    to, to_base64 = names.to_text(as_path(target))
    operation = Link(
        path=text, path_b64=base64, target=to, target_b64=to_base64, follow=follow, replace=replace
    )
    return await change(files, operation)


async def readlink(files: Connected, path: PathLike, at: At = None) -> bytes:
    """Where the symlink at `path` leads. Raises BadSymlink for what is none, NotFound."""
    raw = as_path(path)
    [found] = (await stat_paths(files.connection, [raw], as_at(at), follow=False)).results
    if isinstance(found, CairnError):
        raise found
    if found.kind != "symlink":
        raise BadSymlink(f"it is a {found.kind}, no symlink", path=names.printable(raw))
    return found.raw_target()
