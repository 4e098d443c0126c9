"""What went wrong, as one line for people and one number for programs.

    0 ok   1 difference found   2 usage   3 not found   4 not allowed   5 conflict or lock
    6 unavailable, try again    7 limit or space        130 interrupted

`cairn lock PATH -- COMMAND` gives COMMAND's own status, 128 and the signal's number where one ended it, and

    124 the lock was lost, and COMMAND ended    126 COMMAND is no program    127 there is no COMMAND

The line reads `cairn: PATH: what (what to do)`. What belongs here: errors of Cairn, of this machine
and of the command's arguments, turned into both. What does not: printing them (`main.py`). Pure.
"""

from __future__ import annotations

import errno
import os

from cairnfs.errors import CairnError
from cairnfs.wire.names import printable

OK, DIFFERENCE, USAGE, NOT_FOUND, NOT_ALLOWED, CONFLICT, UNAVAILABLE, LIMIT = range(8)
INTERRUPTED = 130
#: Of `cairn lock PATH -- COMMAND`, as of `timeout` and `env`.
LOST, NOT_RUNNABLE, NO_COMMAND = 124, 126, 127

_OF_ERRNO = {
    USAGE: (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ, errno.EBADF),
    NOT_FOUND: (errno.ENOENT, errno.ENXIO, errno.ENODEV),
    NOT_ALLOWED: (errno.EACCES, errno.EPERM, errno.EROFS),
    CONFLICT: (
        errno.EEXIST,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOTEMPTY,
        errno.EBUSY,
        errno.ETXTBSY,
        errno.ELOOP,
        errno.EXDEV,
    ),
    LIMIT: (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
_STATUS_OF_ERRNO = {number: status for status, numbers in _OF_ERRNO.items() for number in numbers}
_HINT_OF_ERRNO = {
    errno.EACCES: "look at its permissions",
    errno.EBADF: "standard input or output is closed",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "free space on this machine",
    errno.EDQUOT: "free space on this machine",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
    errno.EIO: "is the disk failing?",
}


def status_of(error: BaseException) -> int:
    """The exit status that tells a program about this error."""
    if isinstance(error, CairnError):
        return error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, OSError):
        return _STATUS_OF_ERRNO.get(error.errno or 0, UNAVAILABLE)
    return UNAVAILABLE


def line_of(error: BaseException) -> str:
    """The one line that tells a person, without "cairn: " before it."""
    if isinstance(error, CairnError):
        return _line(error.path, error.detail, error.hint)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:
        return _line(_file_of(error), _lower_first(error.strerror), _HINT_OF_ERRNO.get(error.errno or 0, ""))
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _line(None, what, "a defect in Cairn; CAIRN_DEBUG=1 shows where")


def _line(path: str | None, what: str, hint: str) -> str:
    where = f"{_escaped(path)}: " if path else ""
    todo = f" ({one_line(hint)})" if hint else ""
    return f"{where}{one_line(what)}{todo}"


def one_line(text: str) -> str:
    """The text without line breaks and whatever else could disturb a terminal."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _escaped(path: str) -> str:
    """A path in its text form, whose unprintable characters show what they are."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in path)


def _file_of(error: OSError) -> str | None:
    name = error.filename
    if name is None or isinstance(name, int):
        return None
    return printable(os.fsencode(name))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
