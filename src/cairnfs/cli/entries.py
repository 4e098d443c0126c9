"""Files and directories as commands show them: for people in lines, for programs in JSON."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

from cairnfs.cli.output import moment_rfc3339, path_fields

if TYPE_CHECKING:
    from cairnfs.wire.directory import Entry


def mode_text(entry: Entry) -> str:
    """`-rw-r--r--` and the like."""
    kind = stat.S_IFDIR if entry.kind == "directory" else stat.S_IFREG
    return stat.filemode(kind | entry.mode)


def document(path: bytes, entry: Entry) -> dict[str, Any]:
    """What JSON output says of one entry. `commit` is the one at which this version was born."""
    return {
        **path_fields(path),
        **path_fields(entry.raw_name(), "name"),
        "kind": entry.kind,
        "size": entry.size,
        "mode": f"{entry.mode:04o}",
        "owner": entry.owner,
        "mtime": moment_rfc3339(entry.mtime_us),
        "commit": entry.commit,
        "etag": entry.etag,
        "inode": entry.inode,
    }
