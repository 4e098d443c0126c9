"""The cluster's first administrator, who is made by the first `up` and named after who ran it.

Its password is random and lies in `<data>/admin.toml`, readable by that user only: whoever can read
it can read the database beside it too. So there is always a way back in, also when the saved
profile is gone, replaced or expired. What does not belong here: profiles (`client`). Any thread.
"""

from __future__ import annotations

import getpass
import re
import secrets
import tomllib
from pathlib import Path

import msgspec

from cairnfs.client.local import small_files
from cairnfs.errors import BadRequest
from cairnfs.local.paths import ClusterPlaces

_HEADER = b"# The administrator whom the first `cairn up` made. Keep it secret.\n"
_FALLBACK = "admin"
_NAME_CHARS_MAX = 32


class Administrator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and its password."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Administrator(name={self.name!r})"


def load(places: ClusterPlaces) -> Administrator | None:
    """Who was made; None if nobody was, or the file was taken away. Raises BadRequest, OSError."""
    path = places.administrator
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Administrator)
    except FileNotFoundError:
        return None
    except (ValueError, msgspec.ValidationError) as error:
        raise BadRequest("cannot be read", path=str(path), hint="correct or restore it") from error


def invent(places: ClusterPlaces) -> Administrator:
    """A name and a password, on disk before anybody is asked to accept them."""
    return save(places, Administrator(_system_name(), secrets.token_urlsafe(24)))


def save(places: ClusterPlaces, administrator: Administrator) -> Administrator:
    """Keep the name and password, readable by the present user only."""
    import tomli_w

    text = tomli_w.dumps(msgspec.to_builtins(administrator)).encode()
    small_files.replace(places.administrator, _HEADER + text, mode=0o600)
    return administrator


def first_secret(places: ClusterPlaces) -> str | None:
    """What the control plane wrote for making the first administrator; None once there is one."""
    try:
        return places.first_admin.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def _system_name() -> str:
    """The operating system's user as a name that Cairn takes."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = _FALLBACK
    plain = re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("-_")[:_NAME_CHARS_MAX]
    return plain or _FALLBACK


def keep_secret(path: Path, secret: str) -> None:
    """Write a secret where only the present user reads it."""
    small_files.replace(path, f"{secret}\n".encode(), mode=0o600)
