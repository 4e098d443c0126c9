"""Looking at a local directory beside the remote one that it is to become: what is too much, what differs.

What belongs here: the merge of both walks; what would be done, where that is asked for. What does not:
doing it (`tree.py` gets, `sync.py` removes). Synchronous, since it looks at local files: callers run
it on another thread, a page at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cairnfs.client.get.recording import Remembered
from cairnfs.client.local.comparison import same_content, same_symlink
from cairnfs.client.local.files import GONE
from cairnfs.client.local.walk import Here, walk_local
from cairnfs.client.record.record import Known, walk_key
from cairnfs.client.results import ACTIONS_MAX, Action, What
from cairnfs.wire.directory import WalkItem

#: What an interrupted transfer may have left behind.
_OURS = re.compile(rb"\.cairn-[0-9a-f]{16}")


@dataclass(slots=True)
class Counts:
    """Names: `here` before, of which `removed` go; `added`; `changed` as far as that was looked for.

    `directories`: of those added; `remade`: those in the place of something else. `size`: bytes of the files
    that come, as far as was looked for.
    """

    here: int = 0
    added: int = 0
    directories: int = 0
    remade: int = 0
    changed: int = 0
    removed: int = 0
    size: int = 0


class Extra(NamedTuple):
    """What goes: its place, and its device and inode where they matter."""

    place: bytes
    inode: tuple[int, int] | None


class Look:
    """One look. `extra` are the places of what goes; of a directory that goes only its own."""

    def __init__(self, local: bytes, remembered: Remembered | None, *, compare: bool, distrust: bool) -> None:
        """With `compare` it finds out which files differ; `distrust`: by reading them, always."""
        self.counts = Counts()
        self.extra: list[Extra] = []
        self.actions: list[Action] = []
        #: Of what there are too many chunks to be told by the walk: whether it differs is not known.
        self.doubtful: list[WalkItem] = []
        self._local = local
        self._remembered = None if distrust else remembered
        self._compare = compare
        self._walk = walk_local(local, self._odd)
        self._here: Here | None = None
        self._key: bytes | None = None
        self._gone: bytes | None = None
        self._ours = False
        self._several: dict[int, bytes] = {}
        #: Whether nothing at all is here.
        self.empty = not self._step() and not self.extra

    def take(self, items: Sequence[WalkItem]) -> None:
        """A page of the remote walk."""
        paths = [item.raw_path() for item in items]
        known: Sequence[Known | None] = [None] * len(paths)
        if self._remembered is not None:
            known = self._remembered.find(paths)
        for item, path, row in zip(items, paths, known, strict=True):
            key = walk_key(path)
            self._pass(key)
            here = None
            if self._key == key:
                here = self._here
                self._meet(here)
                self._step()
            self._see(item, path, here, row)

    def end(self) -> None:
        """After the last page."""
        self._pass(None)

    def differs(self, item: WalkItem) -> None:
        """What became of a doubt."""
        self._change(item, item.raw_path(), "changed")

    # What is here.

    def _step(self) -> bool:
        """Go on here; whether there is more."""
        self._here = next(self._walk, None)
        self._key = None if self._here is None else walk_key(self._here.path)
        return self._here is not None

    def _pass(self, bound: bytes | None) -> None:
        """What is here before a key, or up to the end, and is not there."""
        while self._here is not None and self._key is not None and (bound is None or self._key < bound):
            self._goes(self._here)
            self._step()

    def _meet(self, here: Here | None) -> None:
        """Something is on both sides, or only its name is."""
        if here is not None and not self._is_gone(here.path):
            self.counts.here += 1

    def _goes(self, here: Here) -> None:
        inside = self._is_gone(here.path)
        if not inside:
            self.extra.append(Extra(here.place, (here.status.st_dev, here.status.st_ino)))
            self._gone = here.path + b"/" if here.kind == "directory" else None
            self._ours = _OURS.fullmatch(os.path.basename(here.path)) is not None
        if self._ours:
            return
        self.counts.here += 1
        self.counts.removed += 1
        if self._compare and not inside:
            self._act(Action("removed", here.path, here.kind))

    def _is_gone(self, path: bytes) -> bool:
        return self._gone is not None and path.startswith(self._gone)

    def _odd(self, place: bytes, why: str) -> None:
        """A socket, a pipe, a device: nothing of the kind is there."""
        if why != GONE:
            self.extra.append(Extra(place, None))
            self.counts.here += 1
            self.counts.removed += 1

    # What is there.

    def _see(self, item: WalkItem, path: bytes, here: Here | None, row: Known | None) -> None:
        entry = item.entry
        if here is None:
            self.counts.added += 1
            self.counts.directories += entry.kind == "directory"
            self._act_on(item, path, "added")
        elif here.kind != entry.kind:
            if here.kind == "directory":
                # All in it goes with it; its own place is taken by what is there.
                self._gone, self._ours = here.path + b"/", False
            self.counts.remade += entry.kind == "directory"
            self._change(item, path, "changed")
        elif self._compare and entry.kind != "directory" and not self._same(item, here, row):
            self._change(item, path, "changed")

    def _change(self, item: WalkItem, path: bytes, what: What) -> None:
        self.counts.changed += 1
        self._act_on(item, path, what)

    def _same(self, item: WalkItem, here: Here, row: Known | None) -> bool:
        entry = item.entry
        if entry.kind == "symlink":
            return same_symlink(here.place, entry.raw_target())
        if row is not None and row.sure and row.etag == entry.etag and row.is_still(here.status):
            return True
        if here.status.st_size != entry.size:
            return False
        if item.chunks is None:
            self.doubtful.append(item)
            return True
        return same_content(here.place, entry.size, item.chunks) is not None

    def _act_on(self, item: WalkItem, path: bytes, what: What) -> None:
        entry = item.entry
        size = 0
        if entry.kind == "file" and self._several.setdefault(entry.inode, path) == path:
            size = entry.size
        self.counts.size += size
        if entry.links == 1:
            self._several.pop(entry.inode, None)
        if self._compare:
            self._act(Action(what, path, entry.kind, size))

    def _act(self, action: Action) -> None:
        if len(self.actions) < ACTIONS_MAX:
            self.actions.append(action)
