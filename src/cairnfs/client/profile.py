"""The saved profile: where the cluster is, who one is, and how to prove it.

A TOML file of mode 0600 in the configuration directory (mode 0700), written whole or not at all.
Beside it lies the access token of the moment, so that not every command has to ask for one.
What belongs here: these files. What does not: how tokens are got (`credentials.py`). Any thread;
several processes may write at once, the last one wins.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
import tomli_w

from cairnfs.client.local import small_files
from cairnfs.errors import BadRequest

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach a cluster as a user. `url` is `http://host:port`.

    `cache_bytes` and `cache_dir` are this user's wishes for the chunk cache, if any; see `cache_directory`.
    """

    url: str
    user: str
    refresh_token: str = field(repr=False)
    cluster_id: str
    cache_bytes: int | None = None
    cache_dir: str | None = None


class SavedToken(msgspec.Struct, frozen=True):
    """An access token, for whom and until when. It counts only for the profile it was made for."""

    url: str
    user: str
    token: str
    expires_at_us: int

    def __repr__(self) -> str:
        return f"SavedToken(url={self.url!r}, user={self.user!r})"


def config_dir() -> Path:
    """Cairn's configuration directory: `$XDG_CONFIG_HOME/cairn`, or the platform's like."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "cairn"
    if sys.platform == "win32" and os.environ.get("APPDATA"):
        return Path(os.environ["APPDATA"]) / "cairn"
    return Path.home() / ".config" / "cairn"


def file(name: str | None = None) -> Path:
    """The file of the profile of this name; without a name, of the one that is used by itself."""
    if name is None:
        return config_dir() / "profile.toml"
    if not _NAME.fullmatch(name):
        raise BadRequest("a profile's name has 1 to 64 letters, digits, - or _")
    return config_dir() / "profiles" / f"{name}.toml"


def load(name: str | None = None) -> Profile | None:
    """The saved profile, if there is one. Raises BadRequest where the file cannot be read."""
    path = file(name)
    content = _read(path)
    if content is None:
        return None
    try:
        return msgspec.convert(tomllib.loads(content.decode()), Profile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadRequest(
            f"the profile {path} cannot be read: {error}", hint="log in anew: cairn login"
        ) from error


def save(profile: Profile, name: str | None = None) -> None:
    """Write the profile; after a crash the old or the new one is there."""
    told = {key: value for key, value in asdict(profile).items() if value is not None}
    small_files.replace(file(name), tomli_w.dumps(told).encode())


def require_writable(name: str | None = None) -> None:
    """Raise OSError where no profile could be saved: to be asked before what cannot be taken back."""
    draft, descriptor = small_files.begin(file(name))
    os.close(descriptor)
    draft.unlink()


def remove(name: str | None = None) -> None:
    """Forget the profile and its token."""
    for path in (token_file(name), file(name)):
        path.unlink(missing_ok=True)


def token_file(name: str | None = None) -> Path:
    """Where the access token of a profile is kept."""
    return file(name).with_suffix(".token")


def lock_file(name: str | None = None) -> Path:
    """What a process locks while it exchanges the profile's refresh token."""
    return file(name).with_suffix(".lock")


def load_token(name: str | None = None) -> SavedToken | None:
    """The kept access token; one that cannot be read is as good as none."""
    try:
        content = _read(token_file(name))
        return None if content is None else msgspec.json.decode(content, type=SavedToken)
    except (OSError, BadRequest, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def save_token(token: SavedToken, name: str | None = None) -> None:
    """Keep an access token. A configuration that cannot be written costs a request each time, no more."""
    try:
        small_files.replace(token_file(name), msgspec.json.encode(token))
    except OSError:
        return


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return stream.read(_FILE_MAX_BYTES)
    except FileNotFoundError:
        return None
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from error
