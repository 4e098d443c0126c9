"""A published limit or the space is reached."""

from __future__ import annotations

import errno as _errno

from cairnfs.errors.kinds import Limit


class TooLarge(Limit):
    """A body, file, header or batch over its published limit."""

    code = "too_large"


class TooManyOperations(Limit):
    """More operations in one commit than the published limit."""

    code = "too_many_operations"


class TooManySnapshots(Limit):
    """The user has as many snapshots as one who is no administrator can."""

    code, default_hint = "too_many_snapshots", "remove some: cairn snapshot remove"


class TooManyLinks(Limit):
    """A file has as many names as it can."""

    code, errno = "too_many_links", _errno.EMLINK


class XattrTooLarge(Limit):
    """An extended attribute, or all of a file together, over the published limit."""

    code, errno = "xattr_too_large", _errno.E2BIG


class NoSpace(Limit):
    """The fileservers that could take the chunk have no space left."""

    code, status, errno, default_hint = "no_space", 507, _errno.ENOSPC, "free space or add a fileserver"
