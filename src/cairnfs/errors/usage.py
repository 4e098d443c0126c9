"""The request is wrong and stays wrong."""

from __future__ import annotations

import errno as _errno

from cairnfs.errors.kinds import Usage


class BadRequest(Usage):
    """A message that does not have the announced shape."""


class UnknownField(Usage):
    """A message holds a field that nobody defined."""

    code = "unknown_field"


class BadName(Usage):
    """A name is empty, over 255 bytes, `.` or `..`, or holds NUL or `/`."""

    code = "bad_name"


class PathTooLong(Usage):
    """A path of more than 4,096 bytes."""

    code, status, errno = "path_too_long", 414, _errno.ENAMETOOLONG


class BadCursor(Usage):
    """A cursor that this question was not answered with, or of another incarnation."""

    code = "bad_cursor"


class BadPattern(Usage):
    """A pattern of names that is too long, or no pattern."""

    code = "bad_pattern"


class BadXattr(Usage):
    """No name of an extended attribute that Cairn keeps, or not on what can have one."""

    code, status, errno = "bad_xattr", 422, _errno.EOPNOTSUPP


class BadSymlink(Usage):
    """A symlink's target is empty, over 4,095 bytes or holds NUL; or what is read is no symlink."""

    code = "bad_symlink"


class BadRange(Usage):
    """A byte range outside the file."""

    code, status = "bad_range", 416


class RequestReused(Usage):
    """A request id that was already used with another body."""

    code, status = "request_reused", 422


class LengthMismatch(Usage):
    """A body that is larger or smaller than announced."""

    code = "length_mismatch"


class HashMismatch(Usage):
    """Bytes that do not have the announced BLAKE3 hash."""

    code, status = "hash_mismatch", 422


class MethodNotAllowed(Usage):
    """The path is served, but not with this HTTP method."""

    code, status = "method_not_allowed", 405


class UnsupportedMedia(Usage):
    """A body in a format that the endpoint does not read."""

    code, status = "unsupported_media", 415
