"""Files, directories and symlinks as commands show them: in lines for people, in JSON for programs."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

from cairnfs.cli.output import moment_rfc3339, path_fields, shown

if TYPE_CHECKING:
    from cairnfs.wire.directory import Entry

_FORMATS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
#: What stands behind a name at a terminal, so that its kind can be seen.
MARKS = {"file": "", "directory": "/", "symlink": "@"}


def mode_text(entry: Entry) -> str:
    """`-rw-r--r--` and the like."""
    return stat.filemode(_FORMATS[entry.kind] | entry.mode)


def arrow(entry: Entry) -> str:
    """` -> TARGET` of a symlink, nothing of all else."""
    return f" -> {shown(entry.raw_target())}" if entry.kind == "symlink" else ""


def document(path: bytes, entry: Entry) -> dict[str, Any]:
    """What JSON output says of one entry. `commit` is the one at which this version was born.

    `target` is there for symlinks, `xattrs` (a set's name: equal names, equal sets) where there are any,
    `policy` of a directory that sets one; `mtime` has nine digits where it has nanoseconds.
    """
    return {
        **path_fields(path),
        **path_fields(entry.raw_name(), "name"),
        "kind": entry.kind,
        "size": entry.size,
        **(path_fields(entry.raw_target(), "target") if entry.kind == "symlink" else {}),
        "mode": f"{entry.mode:04o}",
        "links": entry.links,
        "owner": entry.owner,
        "group": entry.group,
        "mtime": moment_rfc3339(entry.mtime_us, entry.mtime_sub_ns),
        **({"xattrs": entry.xattrs} if entry.xattrs else {}),
        **({"policy": entry.policy} if entry.policy else {}),
        "commit": entry.commit,
        "etag": entry.etag,
        "inode": entry.inode,
    }
