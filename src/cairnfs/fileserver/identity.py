"""Whose directory this is: the identity file, the lock, and the count of openings.

What belongs here: claiming, refusing what is another's, counting openings. What does not: joining
the cluster (`join`). Called from one thread, while the store opens or before.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from cairnfs.fileserver.disk import Disk, DiskFile, RealDisk, read_whole, replace_whole
from cairnfs.fileserver.records import SEGMENT_BYTES, owner_tag, parse_segment
from cairnfs.fileserver.trouble import ForeignDirectory, NotClaimed, StoreLocked
from cairnfs.ids import ClusterId, FileserverId

IDENTITY = "identity.toml"
LOCK = "lock"
OPENINGS = "openings"
SEGMENTS = "segments"
DIRECTORY_FORMAT = 1
_SMALL_BYTES = 64 * 1024
_TEXT = """\
# Whose data this directory holds. Written once, when the fileserver joined its cluster.
format = {format}
cluster_id = "{cluster}"
fileserver_id = {fileserver}
"""


class Identity(msgspec.Struct, frozen=True):
    """What the identity file says."""

    format: int
    cluster_id: ClusterId
    fileserver_id: FileserverId

    def tag(self) -> bytes:
        """What its segments carry."""
        return owner_tag(self.cluster_id, self.fileserver_id)


def read_identity(directory: Path, disk: Disk | None = None) -> Identity | None:
    """Whose directory this is; None if nobody claimed it. Raises ForeignDirectory, OSError."""
    disk = disk or RealDisk()
    try:
        text = read_whole(disk, directory / IDENTITY, limit_bytes=_SMALL_BYTES)
    except FileNotFoundError:
        return None
    try:
        identity = msgspec.convert(tomllib.loads(text.decode()), Identity)
    except (ValueError, msgspec.MsgspecError) as error:
        raise ForeignDirectory(f"{directory / IDENTITY} cannot be read: {error}") from error
    if identity.format != DIRECTORY_FORMAT:
        raise ForeignDirectory(
            f"{directory} has format {identity.format}, this Cairn knows {DIRECTORY_FORMAT}"
        )
    return identity


def claim(
    directory: Path, cluster_id: ClusterId, fileserver_id: FileserverId, disk: Disk | None = None
) -> Identity:
    """Make the directory this fileserver's, durably; again is harmless.

    Raises ForeignDirectory if it, or any segment in it, belongs to another; ValueError for an id
    that is not plain letters, digits, `-` and `_`.
    """
    disk = disk or RealDisk()
    if not cluster_id.replace("-", "").replace("_", "").isalnum() or not cluster_id.isascii():
        raise ValueError(f"not a cluster id: {cluster_id!r}")
    wanted = Identity(DIRECTORY_FORMAT, cluster_id, fileserver_id)
    found = read_identity(directory, disk)
    if found is not None:
        if found != wanted:
            raise ForeignDirectory(
                f"{directory} belongs to fileserver {found.fileserver_id} of cluster {found.cluster_id}"
            )
        return found
    disk.make_directory(directory)
    _refuse_segments_of_others(directory, wanted, disk)
    text = _TEXT.format(format=DIRECTORY_FORMAT, cluster=cluster_id, fileserver=fileserver_id)
    replace_whole(disk, directory / IDENTITY, text.encode())
    disk.sync_directory(directory.parent)
    return wanted


def _refuse_segments_of_others(directory: Path, wanted: Identity, disk: Disk) -> None:
    if SEGMENTS not in disk.names(directory):
        return
    for name in disk.names(directory / SEGMENTS):
        header = parse_segment(disk.open(directory / SEGMENTS / name).pread(SEGMENT_BYTES, 0))
        if header is not None and header.owner != wanted.tag():
            raise ForeignDirectory(f"{directory / SEGMENTS / name} belongs to another fileserver")


def require_identity(directory: Path, disk: Disk, cluster_id: ClusterId | None) -> Identity:
    """The identity, of this cluster if one is given. Raises NotClaimed, ForeignDirectory."""
    identity = read_identity(directory, disk)
    if identity is None:
        raise NotClaimed(f"{directory} has no {IDENTITY}: this fileserver has not joined a cluster")
    if cluster_id is not None and identity.cluster_id != cluster_id:
        raise ForeignDirectory(f"{directory} belongs to cluster {identity.cluster_id}, not {cluster_id}")
    return identity


def lock(directory: Path, disk: Disk) -> DiskFile:
    """Hold the directory for this process. Raises StoreLocked."""
    try:
        return disk.lock(directory / LOCK)
    except BlockingIOError as error:
        raise StoreLocked(f"another process has {directory} open") from error


class Openings:
    """Counts the openings that wrote something: the high half of every record number.

    So a number is never given twice, whatever became of the records of earlier openings.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        """Reads the count; an unreadable one counts as 0 (the records themselves say more)."""
        self._path = directory / OPENINGS
        self._disk = disk
        try:
            self._count = int(read_whole(disk, self._path, limit_bytes=_SMALL_BYTES))
        except (FileNotFoundError, ValueError):
            self._count = 0

    def begin(self, highest_record: int) -> int:
        """The first record number of this opening, above every earlier one; durable before it is used."""
        count = max(self._count, highest_record >> 32) + 1
        replace_whole(self._disk, self._path, f"{count}\n".encode())
        self._count = count
        return count << 32
