"""Where a path leads: the same place by a path without symlinks, as policies are looked up by.

What belongs here: that walk, a look for each name. What does not: following symlinks for reading and
writing, which the cluster does. One thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnfs.cli.output import shown
from cairnfs.core import names
from cairnfs.errors import CairnError, SymlinkLoop
from cairnfs.ids import Name, Path

if TYPE_CHECKING:
    from cairnfs.client.sync import Client

_SYMLINKS_MAX = 40


def resolved(client: Client, path: bytes) -> Path:
    """The path by which one comes there without a symlink. Raises NotFound, SymlinkLoop, Forbidden."""
    here = Path(b"/")
    ahead = list(names.split(names.path(path)))[::-1]
    left = _SYMLINKS_MAX
    try:
        while ahead:
            name = ahead.pop()
            if name == b"..":
                here = names.parent(here)
            if name in (b"", b".", b".."):
                continue
            there = names.path(here.rstrip(b"/") + b"/" + name)
            entry = client.lstat(there)
            if entry.kind != "symlink":
                here = there
                continue
            if not left:
                raise SymlinkLoop(f"over {_SYMLINKS_MAX} symlinks in a row")
            left -= 1
            target = entry.raw_target()
            here = Path(b"/") if target.startswith(b"/") else here
            ahead += [Name(part) for part in reversed(target.split(b"/"))]
    except CairnError as error:
        error.path = shown(path)
        raise
    return here
