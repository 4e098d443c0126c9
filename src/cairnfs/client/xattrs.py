"""Extended attributes: bytes by names, which begin with user., trusted. or security.

What belongs here: verbs of `Filesystem` that read and set them. What does not: what may be one
(`core/xattrs`), those of local files (`local/attributes.py`). Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.client.changing import change
from cairnfs.client.connection import Connected, Connection
from cairnfs.client.naming import At, PathLike, as_at, as_path
from cairnfs.client.results import Committed
from cairnfs.core import xattrs as rules
from cairnfs.errors import CairnError, Internal
from cairnfs.ids import Path
from cairnfs.wire import endpoints, names, problems
from cairnfs.wire.commits import SetXattr
from cairnfs.wire.directory import XATTRS_PATHS_MAX, PathText, XattrsRequest, XattrsResult

Xattrs = dict[bytes, bytes]


async def get_xattrs(files: Connected, path: PathLike, at: At = None, *, follow: bool = True) -> Xattrs:
    """The extended attributes that one may see, by name. Raises NotFound, Forbidden."""
    [found] = await read_xattrs(files.connection, [as_path(path)], as_at(at), follow=follow)
    if isinstance(found, CairnError):
        raise found
    return found


async def set_xattr(
    files: Connected,
    path: PathLike,
    name: str | bytes,
    value: bytes,
    *,
    create: bool = False,
    replace: bool = False,
    follow: bool = True,
) -> Committed:
    """Set one attribute. `create`: it must not be there (Exists); `replace`: it must (NoSuchXattr).

    Raises BadXattr, XattrTooLarge, Forbidden.
    """
    rules.check(_raw(name), value)
    return await _change(files, path, name, value, create=create, replace=replace, follow=follow)


async def remove_xattr(
    files: Connected, path: PathLike, name: str | bytes, *, follow: bool = True
) -> Committed:
    """Remove one attribute. Raises NoSuchXattr, BadXattr, Forbidden."""
    rules.check_name(_raw(name))
    return await _change(files, path, name, None, follow=follow)


async def read_xattrs(
    connection: Connection, paths: Sequence[Path], at: str | None, *, follow: bool
) -> list[Xattrs | CairnError]:
    """Those of many paths at one commit, in their order. Raises only what concerns all of them."""
    results: list[Xattrs | CairnError] = []
    while len(results) < len(paths):
        asked = [PathText.of(path) for path in paths[len(results) : len(results) + XATTRS_PATHS_MAX]]
        request = XattrsRequest(paths=asked, at=at, follow=follow)
        reply = await connection.control.ask(endpoints.XATTRS, request)
        if not 1 <= len(reply.results) <= len(asked):
            raise Internal("an answer for other paths than were asked for")
        at = str(reply.commit)
        results += map(_result, reply.results)
    return results


def _result(told: XattrsResult) -> Xattrs | CairnError:
    if told.error is not None:
        return problems.to_error(told.error)
    return {one.raw_name(): one.value for one in told.xattrs or []}


async def _change(
    files: Connected,
    path: PathLike,
    name: str | bytes,
    value: bytes | None,
    *,
    create: bool = False,
    replace: bool = False,
    follow: bool,
) -> Committed:
    text, base64 = names.to_text(as_path(path))
    called, called_base64 = names.to_text(_raw(name))
    operation = SetXattr(
        path=text,
        path_b64=base64,
        name=called,
        name_b64=called_base64,
        value=value,
        create=create,
        replace=replace,
        follow=follow,
    )
    return await change(files, operation)


def _raw(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode(errors="surrogateescape")
