"""What things of a tree get beside their content on their way to this machine, and when.

What belongs here: asking for extended attributes, each set once; finishing directories, which get their
times and modes when all in them is there, the deepest first. What does not: giving it to local files
(`local/attributes.py`). Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnfs.client.connection import Connection
from cairnfs.client.local.attributes import Kept
from cairnfs.client.local.places import finish_directory
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.client.xattrs import Xattrs, read_xattrs
from cairnfs.errors import CairnError
from cairnfs.ids import Path
from cairnfs.wire.directory import Entry

#: Sets of extended attributes remembered at once.
_SETS_MAX = 256


class KeptAtCommit:
    """What entries of one commit have beside their content."""

    def __init__(self, connection: Connection, commit: int, *, follow: bool) -> None:
        self._connection = connection
        self._at = str(commit)
        self._follow = follow
        self._sets: dict[str, Xattrs] = {}

    async def of(self, batch: Sequence[tuple[Path, Entry]]) -> list[tuple[Kept, list[str]]]:
        """For each of them, and what of it may not be read, in words."""
        refused = await self._load(batch)
        told: list[tuple[Kept, list[str]]] = []
        for _, entry in batch:
            name = entry.xattrs or ""
            kept = Kept(entry.mode, entry.mtime_ns, entry.owner, entry.group, self._sets.get(name, {}))
            told.append((kept, [refused[name]] if name in refused else []))
        return told

    async def _load(self, batch: Sequence[tuple[Path, Entry]]) -> dict[str, str]:
        """Ask for the sets that are not known; by name, why one could not be read."""
        if len(self._sets) > _SETS_MAX:
            self._sets.clear()
        missing: dict[str, Path] = {}
        for path, entry in batch:
            if entry.xattrs is not None and entry.xattrs not in self._sets:
                missing.setdefault(entry.xattrs, path)
        if not missing:
            return {}
        refused: dict[str, str] = {}
        found = await read_xattrs(self._connection, list(missing.values()), self._at, follow=self._follow)
        for name, xattrs in zip(missing, found, strict=True):
            if isinstance(xattrs, CairnError):
                refused[name] = f"its extended attributes cannot be read: {xattrs.detail}"
            else:
                self._sets[name] = xattrs
        return refused


@dataclass(slots=True, eq=False)
class Unfinished:
    """A local directory of which something is still to come: `left` counts that, and the listing itself."""

    path: Path
    local: bytes
    mode: int
    kept: Kept | None
    new: bool
    parent: Unfinished | None
    skips: Skips
    left: int = 1

    def holds(self, path: Path) -> bool:
        """Whether a path of the tree is below this directory."""
        return path.startswith(self.path.removesuffix(b"/") + b"/")

    def more(self) -> None:
        """One thing more is to come."""
        self.left += 1

    def less(self) -> bool:
        """One thing is there. Whether it was the last one: then the directory is to be finished."""
        self.left -= 1
        return self.left == 0


async def finish(complete: list[Unfinished]) -> None:
    """Give directories what they get when all in them is there; that may complete those above."""
    while complete:
        if any(one.kept is not None or one.new for one in complete):
            await on_disk(_finish_all, complete)
        complete = [one.parent for one in complete if one.parent is not None and one.parent.less()]


def _finish_all(complete: Sequence[Unfinished]) -> None:
    for one in complete:
        one.skips.add(one.local, finish_directory(one.local, one.mode, one.kept, one.new))
