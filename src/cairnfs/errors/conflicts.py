"""It may be right, but not in this state."""

from __future__ import annotations

import errno as _errno
from collections.abc import Iterable

from cairnfs.errors.kinds import Conflict


class Exists(Conflict):
    """Something already has that name."""

    code, errno = "exists", _errno.EEXIST


class NotADirectory(Conflict):
    """A file where a directory is needed."""

    code, errno = "not_a_directory", _errno.ENOTDIR


class IsADirectory(Conflict):
    """A directory where a file is needed."""

    code, errno = "is_a_directory", _errno.EISDIR


class SymlinkLoop(Conflict):
    """More symlinks in a row than anyone means: they lead in a circle."""

    code, errno = "symlink_loop", _errno.ELOOP


class LastAdministrator(Conflict):
    """Somebody has to be an active administrator: the last one stays."""

    code, default_hint = "last_administrator", "make somebody else one first: cairn user role NAME admin"


class LinkToDirectory(Conflict):
    """A directory has one name; a symlink can lead to it too."""

    code, errno, default_hint = "link_to_directory", _errno.EPERM, "make a symlink: cairn ln -s"


class NotEmpty(Conflict):
    """A directory that still holds names."""

    code, errno, default_hint = "not_empty", _errno.ENOTEMPTY, "remove it with -r to remove all below it"


class RenameIntoItself(Conflict):
    """A directory cannot move below itself."""

    code, errno = "rename_into_itself", _errno.EINVAL


class RootIsFixed(Conflict):
    """The root directory cannot be removed, renamed or replaced."""

    code, errno = "root_is_fixed", _errno.EBUSY


class VersionChanged(Conflict):
    """The expected version has gone by (HTTP If-Match failed)."""

    code, status, errno = "version_changed", 412, _errno.ESTALE


class IncarnationChanged(Conflict):
    """History was cut since this number was given: drop caches and start again."""

    code, status, errno = "incarnation_changed", 412, _errno.ESTALE


class SessionEnded(Conflict):
    """The session is unknown or over: its uploads no longer count."""

    code, status = "session_ended", 409


class NotDurable(Conflict):
    """A chunk of the commit has no valid receipt with enough holders.

    `chunks`: the hashes of what is to be sent, as far as that is known.
    """

    code, status, default_hint = "not_durable", 409, "send the chunk again"

    def __init__(
        self,
        detail: str = "",
        *,
        hint: str | None = None,
        path: str | None = None,
        chunks: Iterable[bytes] = (),
    ) -> None:
        """`chunks` are named once each."""
        super().__init__(detail, hint=hint, path=path)
        self.chunks = tuple(dict.fromkeys(chunks))


class RemovesMost(Conflict):
    """A publish would remove over half of what is there: an empty or a wrong directory, perhaps."""

    code, default_hint = "removes_most", "look at it with --dry-run; if it is meant, say --yes"


class Aborted(Conflict):
    """The request was declared aborted and will never take effect."""

    code = "aborted"
