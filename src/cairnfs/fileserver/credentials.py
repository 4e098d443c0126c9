"""What a fileserver remembers between starts besides chunks: who it is and whom it knows.

`credentials.json` (mode 0600): its id, its key for receipts, its refresh token. `cluster.json`: the
newest cluster map and the public keys, so that reads go on when it starts while the control plane
is away. Written to a temporary name, fsynced and renamed. Any thread, one writer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cairnfs.errors import Internal
from cairnfs.wire.cluster import ClusterMap

T = TypeVar("T")


class Credentials(msgspec.Struct, frozen=True):
    """What the control plane gave at the join."""

    cluster_id: str
    fileserver: int
    receipt_key: bytes
    refresh_token: str

    def __repr__(self) -> str:
        return f"Credentials(fileserver={self.fileserver})"


class Known(msgspec.Struct, frozen=True):
    """What the control plane last said of the cluster."""

    keys: list[dict[str, Any]]
    map: ClusterMap


def load(path: Path, kind: type[T]) -> T | None:
    """What the file holds, or None if there is none. Raises Internal if it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise Internal(f"cannot read {path.name}: {error}", hint="restore it from a backup") from error


def save(path: Path, value: object) -> None:
    """Replace the file's content, durably, readable by its owner alone."""
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(value))
        file.flush()
        os.fsync(handle)
    fresh.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
