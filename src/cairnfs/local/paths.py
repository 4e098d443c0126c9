"""Where Cairn's files lie on this machine.

What belongs here: the XDG directories as this user's environment gives them, and the layout of one
cluster's data directory. What does not: making or reading any of it. Values only, any thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONTROL = "control"
SYSTEM_DATA = Path("/var/lib/cairn")


@dataclass(frozen=True, slots=True)
class Places:
    """One user's directories. `runtime` falls back to the state directory where the system gives none."""

    data: Path
    config: Path
    state: Path
    cache: Path
    runtime: Path


def places(environ: Mapping[str, str] | None = None, uid: int | None = None) -> Places:
    """The directories of the user with this environment and id; of the present one by default.

    `CAIRN_DATA` names the data directory outright. Else root's is /var/lib/cairn, and everybody
    else's lies in the XDG data directory. XDG variables that hold a relative path do not count.
    """
    environ = os.environ if environ is None else environ
    uid = _uid() if uid is None else uid
    home = Path(environ.get("HOME") or Path.home())
    state = _xdg(environ, "XDG_STATE_HOME", home / ".local/state")
    if named := environ.get("CAIRN_DATA"):
        data = Path(named).absolute()
    elif uid == 0:
        data = SYSTEM_DATA
    else:
        data = _xdg(environ, "XDG_DATA_HOME", home / ".local/share")
    return Places(
        data=data,
        config=_xdg(environ, "XDG_CONFIG_HOME", home / ".config"),
        state=state,
        cache=_xdg(environ, "XDG_CACHE_HOME", home / ".cache"),
        runtime=_xdg(environ, "XDG_RUNTIME_DIR", state.parent),
    )


def _xdg(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    given = Path(environ.get(variable) or ".")
    return (given if given.is_absolute() else default) / "cairn"


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else -1


@dataclass(frozen=True, slots=True)
class ClusterPlaces:
    """The layout below one cluster's data directory. A process is `control` or `fileserver-N`."""

    data: Path

    @property
    def cluster_file(self) -> Path:
        """Ports and numbers, chosen once."""
        return self.data / "cluster.toml"

    @property
    def starting_lock(self) -> Path:
        """Held by the one `up` or `down` that is at work."""
        return self.data / "run" / "starting.lock"

    @property
    def first_admin(self) -> Path:
        """The secret by which the first administrator is made; gone once that is done."""
        return self.data / CONTROL / "first-admin"

    @property
    def administrator(self) -> Path:
        """Name and password of the administrator whom the first `up` made."""
        return self.data / "admin.toml"

    def directory(self, process: str) -> Path:
        """What the process keeps."""
        return self.data / process

    def pid_file(self, process: str) -> Path:
        """Names and is locked by the one process that serves."""
        return self.data / "run" / f"{process}.pid"

    def log(self, process: str) -> Path:
        """What the process says."""
        return self.data / "log" / f"{process}.log"

    def join_token(self, process: str) -> Path:
        """The secret by which a fileserver joins; gone once it has."""
        return self.data / process / "join-token"

    def joined(self, process: str) -> bool:
        """Whether this fileserver has what the cluster gave it when it joined."""
        return (self.data / process / "credentials.json").exists()


def fileserver(number: int) -> str:
    """The name of the fileserver process with this number, from 1."""
    return f"fileserver-{number}"
