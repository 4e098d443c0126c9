"""The root of the tree and its branches: whose fault it is, and whether to try again."""

from __future__ import annotations

import errno as _errno
from typing import ClassVar


class CairnError(Exception):
    """Base of every error. `detail` says what happened, `hint` what to do; neither holds a secret."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    errno: ClassVar[int] = _errno.EIO
    exit_status: ClassVar[int] = 6
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, hint: str | None = None, path: str | None = None) -> None:
        """`path` is the text form of the path concerned, if there is one."""
        super().__init__(detail or self.title())
        self.detail = detail or self.title()
        self.hint = self.default_hint if hint is None else hint
        self.path = path
        self.retry_after_ms: int | None = None

    @classmethod
    def title(cls) -> str:
        """The code in words: `not_found` reads "not found"."""
        return cls.code.replace("_", " ")

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path is not None else ""
        return f"{where}{self.detail}"


class Usage(CairnError):
    """The request is wrong whoever sends it and whenever: HTTP 400, exit status 2."""

    code, status, errno, exit_status = "bad_request", 400, _errno.EINVAL, 2


class Missing(CairnError):
    """What the request names is not there: exit status 3."""

    code, status, errno, exit_status = "not_found", 404, _errno.ENOENT, 3


class Denied(CairnError):
    """Who asks may not: exit status 4."""

    code, status, errno, exit_status = "forbidden", 403, _errno.EACCES, 4


class Conflict(CairnError):
    """The request cannot be done in the present state: exit status 5."""

    code, status, errno, exit_status = "conflict", 409, _errno.EBUSY, 5


class Unavailable(CairnError):
    """Not now; the same request may succeed later: exit status 6."""

    code, status, errno, exit_status, retryable = "unavailable", 503, _errno.EAGAIN, 6, True


class Limit(CairnError):
    """A published limit, or the space, is reached: exit status 7."""

    code, status, errno, exit_status = "limit", 413, _errno.EFBIG, 7
