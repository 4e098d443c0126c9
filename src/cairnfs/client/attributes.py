"""What stands beside a file's content: modes, owners, times, a directory's policy.

What belongs here: verbs of `Filesystem` that set them. What does not: extended attributes (`xattrs.py`),
those of local files (`local/attributes.py`). Used from one event loop.
"""

from __future__ import annotations

from typing import Literal

from cairnfs.client.changing import change
from cairnfs.client.connection import Connected
from cairnfs.client.naming import PathLike, as_path
from cairnfs.client.results import Committed, Durability
from cairnfs.errors import BadRequest, Exists, NotFound
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import Attributes, SetAttributes, Write

#: So often is a file looked for that is not there when it is touched and there when it is made.
_TOUCHES_MAX = 3


async def chmod(files: Connected, path: PathLike, mode: int) -> Committed:
    """Set the mode (0 to 0o7777) of what the path leads to. Raises Forbidden."""
    return await _set(files, as_path(path), Attributes(mode=mode))


async def chown(
    files: Connected,
    path: PathLike,
    *,
    owner: str | None = None,
    group: str | None = None,
    follow: bool = True,
) -> Committed:
    """Give what the path leads to another owner or user group, by name.

    Raises NoSuchUser, NoSuchGroup, Forbidden: administrators alone change owners, an owner may give to a
    user group of theirs.
    """
    if owner is None and group is None:
        raise BadRequest("give an owner or a user group")
    return await _set(files, as_path(path), Attributes(owner=owner, group=group), follow=follow)


async def touch(
    files: Connected,
    path: PathLike,
    mtime_ns: int | None = None,
    *,
    create: bool = True,
    follow: bool = True,
) -> Committed:
    """Set the time of change, in ns since 1970; None: the commit's own. With `create` make a missing file.

    Raises NotFound without `create`, or for a symlink that leads nowhere.
    """
    raw = as_path(path)
    us, sub_ns = parts(mtime_ns)
    times = Attributes(mtime_us=us, mtime_sub_ns=sub_ns, mtime_now=mtime_ns is None)
    for _ in range(_TOUCHES_MAX - 1):
        try:
            return await _set(files, raw, times, follow=follow)
        except NotFound:
            if not create:
                raise
        try:
            return await change(files, _empty(raw, mtime_ns))
        except Exists:
            continue
    return await _set(files, raw, times, follow=follow)


async def set_policy(files: Connected, path: PathLike, policy: Durability | None) -> Committed:
    """Set what durability a directory asks for what is written below it; None: what is asked above it."""
    raw = as_path(path)
    committed = await _set(files, raw, Attributes(), policy=policy or "")
    files.connection.policies.note(raw, policy)
    return committed


def parts(mtime_ns: int | None) -> tuple[int | None, int]:
    """A time in ns since 1970 as messages carry it: µs, and the ns beyond them."""
    return (None, 0) if mtime_ns is None else divmod(mtime_ns, 1000)


async def _set(
    files: Connected,
    path: Path,
    attributes: Attributes,
    *,
    follow: bool = True,
    policy: Literal["", "async", "majority", "all"] | None = None,
) -> Committed:
    text, base64 = names.to_text(path)
    return await change(
        files,
        SetAttributes(path=text, path_b64=base64, attributes=attributes, follow=follow, policy=policy),
    )


def _empty(path: Path, mtime_ns: int | None) -> Write:
    text, base64 = names.to_text(path)
    us, sub_ns = parts(mtime_ns)
    return Write(
        path=text,
        path_b64=base64,
        chunks=[],
        size=0,
        expected="none",
        mtime_us=us,
        mtime_sub_ns=sub_ns,
    )
