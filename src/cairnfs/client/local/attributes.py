"""What stands beside the content of local files: modes, owners, times, extended attributes.

What belongs here: reading them, and giving them to a local file as far as the system and one's rights
allow; what cannot be is told, never fatal. What does not: content (`draft.py`), names (`files.py`).
Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from cairnfs.client.local.files import Found, Kind, local_errors
from cairnfs.core import xattrs as rules
from cairnfs.core.moment import EARLIEST_US, LATEST_US
from cairnfs.core.permissions import SET_GROUP, SET_USER
from cairnfs.wire.names import printable

try:
    import grp
    import pwd
except ImportError:  # this system has no such lists
    _PEOPLE = False
else:
    _PEOPLE = True

_XATTRS = hasattr(os, "listxattr")
#: What says that a file system, or who asks, is not to have this attribute.
_REFUSED = {
    errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSPC, errno.E2BIG,
    errno.ERANGE, errno.ENODATA, errno.EDQUOT,
}  # fmt: skip
_NAME_MAX = 64


@dataclass(frozen=True, slots=True)
class Beside:
    """What a local file has beside its content. `lost`: what Cairn cannot hold of it, in words.

    `xattrs` is None where the system has none to tell.
    """

    mtime_ns: int | None
    owner: str | None
    group: str | None
    xattrs: Mapping[bytes, bytes] | None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a local file is given beside its content."""

    mode: int
    mtime_ns: int
    owner: str
    group: str
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)


def look_beside(found: Found, *, follow: bool = False) -> Beside:
    """What this has that Cairn keeps; with `follow` what a symlink leads to.

    Raises NotFound where it went away.
    """
    lost: list[str] = []
    mtime_ns: int | None = found.mtime_ns
    if not EARLIEST_US <= found.mtime_ns // 1000 <= LATEST_US:
        mtime_ns = None
        lost.append("its time is not within the years 1 to 9999; the rest is kept")
    xattrs = _read_xattrs(found.path, lost, follow=follow)
    return Beside(mtime_ns, _user(found.uid), _group(found.gid), xattrs, tuple(lost))


def give(path: bytes, kept: Kept, kind: Kind) -> list[str]:
    """Give all of this to what is at a path, itself if it is a symlink. What could not be, in words.

    Owners only where the process may give to anyone, and who have the same name here. A file that does
    not come to its owners runs as nobody but who runs it.
    """
    lost: list[str] = []
    with local_errors(path):
        owned = _give_owners(path, kept, lost)
        if kept.xattrs and kind != "symlink":
            # Whoever sets them has to be allowed to write.
            os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) | stat.S_IWUSR)
        for name, value in kept.xattrs.items():
            _give_xattr(path, name, value, lost)
        if kind != "symlink":
            mode = kept.mode if owned or kind == "directory" else kept.mode & ~(SET_USER | SET_GROUP)
            os.chmod(path, mode)
        if kind != "symlink" or os.utime in os.supports_follow_symlinks:
            _give_time(path, kept.mtime_ns, lost)
    return lost


@functools.cache
def process_umask() -> int:
    """The bits that new files of this process do not get, as they were when first asked for."""
    try:
        with open("/proc/self/status", "rb") as status:
            said = next(line for line in status if line.startswith(b"Umask:"))
        return int(said.split()[1], 8)
    except (OSError, StopIteration, ValueError, IndexError):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask


def _read_xattrs(path: bytes, lost: list[str], *, follow: bool) -> dict[bytes, bytes] | None:
    with local_errors(path):
        names = _names(path, follow=follow)
        if names is None:
            return None
        found: dict[bytes, bytes] = {}
        room = rules.SET_MAX_BYTES
        for name in names:
            value = _value(path, name, follow=follow)
            if value is None:
                continue
            takes = len(name) + len(value)
            if len(value) > rules.VALUE_MAX_BYTES or takes > room or len(found) == rules.SET_MAX:
                lost.append(f"its attribute {printable(name)} is more than Cairn keeps; the rest is kept")
                continue
            room -= takes
            found[name] = value
        return found


def _names(path: bytes, *, follow: bool) -> list[bytes] | None:
    """The names of the attributes that Cairn keeps; None where there are none at all here."""
    if not _XATTRS:
        return None
    try:
        names = [os.fsencode(name) for name in os.listxattr(path, follow_symlinks=follow)]
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return None
    return [name for name in names if rules.is_kept(name)]


def _value(path: bytes, name: bytes, *, follow: bool) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return None


def _give_owners(path: bytes, kept: Kept, lost: list[str]) -> bool:
    """Give it to its owners where that is permitted. Whether it is theirs now."""
    if not _PEOPLE:
        return False
    uid, gid = _user_id(kept.owner), _group_id(kept.group)
    status = os.lstat(path)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        wanted = (status.st_uid if uid is None else uid, status.st_gid if gid is None else gid)
        if wanted != (status.st_uid, status.st_gid):
            try:
                os.chown(path, *wanted, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _REFUSED:
                    raise
                lost.append("it cannot be given to its owners here; the rest is kept")
            status = os.lstat(path)
    return (status.st_uid, status.st_gid) == (uid, gid)


def _give_xattr(path: bytes, name: bytes, value: bytes, lost: list[str]) -> None:
    try:
        if not _XATTRS:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        if name.startswith(rules.USER):
            lost.append(f"its attribute {printable(name)} cannot be kept here ({error.strerror})")


def _give_time(path: bytes, mtime_ns: int, lost: list[str]) -> None:
    try:
        if os.utime in os.supports_follow_symlinks:
            os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
        else:
            os.utime(path, ns=(mtime_ns, mtime_ns))
    except OverflowError:
        lost.append("its time cannot be kept here; the rest is kept")


@functools.lru_cache(1024)
def _user(uid: int) -> str | None:
    if not _PEOPLE:
        return None
    try:
        return _nameable(pwd.getpwuid(uid).pw_name)
    except (KeyError, OverflowError):
        return None


@functools.lru_cache(1024)
def _group(gid: int) -> str | None:
    if not _PEOPLE:
        return None
    try:
        return _nameable(grp.getgrgid(gid).gr_name)
    except (KeyError, OverflowError):
        return None


@functools.lru_cache(1024)
def _user_id(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


@functools.lru_cache(1024)
def _group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _nameable(name: str) -> str | None:
    """The name, if Cairn's people and user groups can be called so."""
    return name if 1 <= len(name) <= _NAME_MAX and name.isascii() and name.isprintable() else None
