"""Syncing: a local directory becomes exactly what a remote one is, as of one commit.

First what is too much here is looked for, and refused if it is most of what there is; then all that differs
is got; at the end what is too much goes, and what had to give way. So an interruption leaves each file old or
new, and nothing is removed unless all else is there. What belongs here: that order. What does not: getting
(`tree.py`), looking (`sync_look.py`). Used from one event loop.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from cairnfs.client.connection import Connection
from cairnfs.client.get.file import same_version
from cairnfs.client.get.recording import Remembered, record_of
from cairnfs.client.get.sync_look import Counts, Extra, Look
from cairnfs.client.get.tree import GetTree
from cairnfs.client.get.wanted import Trust
from cairnfs.client.listing import Root, find_root, walk_pages
from cairnfs.client.local.comparison import OldFile
from cairnfs.client.local.files import LocalPath, local_errors
from cairnfs.client.local.naming import Capabilities
from cairnfs.client.local.places import Aside
from cairnfs.client.reading import open_version
from cairnfs.client.results import OnProgress, Synced, Tree
from cairnfs.client.workers import on_disk
from cairnfs.errors import CairnError, NotADirectory, RemovesMost
from cairnfs.ids import Path
from cairnfs.wire.directory import WalkItem
from cairnfs.wire.names import printable

_OWNER_ALL = 0o700
#: Removed at one go on the other thread.
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Ways:
    """How to sync. `sure`: even where over half of what is here goes; `distrust`: read every local file."""

    dry: bool = False
    sure: bool = False
    distrust: bool = False
    preserve: bool = False


class SyncTree:
    """One sync."""

    def __init__(
        self,
        connection: Connection,
        remote: Path,
        local: LocalPath,
        root: Root,
        getting: GetTree,
        aside: Aside,
        ways: Ways,
    ) -> None:
        """`getting` is that of the same directories, exact and with this `aside`."""
        self._connection = connection
        self._remote = remote
        self._local = os.fsencode(local)
        self._root = root
        self._getting = getting
        self._aside = aside
        self._ways = ways

    async def run(self) -> Synced:
        """Make it so. Raises RemovesMost, and what getting a tree raises."""
        hold = await self._connection.sessions.hold(self._root.commit)
        try:
            there = await self._getting.look()
            if there is not None:
                return self._told(None, there)
            look = await self._look()
            self._require_not_most(look.counts)
            if self._ways.dry:
                return self._told(look, Tree())
            tree = await self._getting.get_all(self._root.entry)
            extra = [*await self._too_much(look.extra), *self._aside.moved]
            for start in range(0, len(extra), _AT_ONCE):
                await on_disk(_remove_all, extra[start : start + _AT_ONCE], self._ways.preserve)
            return self._told(look, tree)
        finally:
            hold.release()

    def _require_not_most(self, counts: Counts) -> None:
        if counts.removed * 2 > counts.here and not (self._ways.sure or self._ways.dry):
            raise RemovesMost(
                f"local: {counts.removed:,} of the {counts.here:,} names here would go",
                path=printable(self._local),
            )

    async def _look(self) -> Look:
        """Both sides, side by side; not there where nothing is here, so that nothing can be too much."""
        look = await on_disk(self._begin)
        dry = self._ways.dry
        if look.empty and not dry:
            return look
        at = str(self._root.commit)
        async with aclosing(walk_pages(self._connection, self._remote, at, contents=dry)) as pages:
            async for page in pages:
                await on_disk(look.take, page.items)
        await on_disk(look.end)
        for item in look.doubtful:
            if not await self._same(item):
                look.differs(item)
        return look

    def _begin(self) -> Look:
        if os.path.lexists(self._local) and not os.path.isdir(self._local):
            raise NotADirectory("local: it is no directory", path=printable(self._local))
        pair = self._getting.pair
        trusted = pair is not None and (pair.kept or not self._ways.preserve)
        remembered = Remembered(pair) if pair is not None and trusted else None
        return Look(self._local, remembered, compare=self._ways.dry, distrust=self._ways.distrust)

    async def _same(self, item: WalkItem) -> bool:
        """Whether a file of very many chunks is here as it is there; both are of one size."""
        inside = item.raw_path()
        path = Path(self._remote.rstrip(b"/") + b"/" + inside)
        version = await open_version(self._connection, path, str(self._root.commit))
        try:
            old = await on_disk(OldFile, self._place(inside))
        except CairnError:
            return False
        try:
            return await same_version(old, version)
        finally:
            await on_disk(old.close)

    async def _too_much(self, extra: Sequence[Extra]) -> list[bytes]:
        """What is to be removed: nothing that is in the tree too, under a name that is the same here."""
        if not extra or not (await on_disk(Capabilities.probe, self._local)).folds:
            return [one.place for one in extra]
        placed: set[tuple[int, int]] = set()
        at = str(self._root.commit)
        async with aclosing(walk_pages(self._connection, self._remote, at)) as pages:
            async for page in pages:
                placed |= await on_disk(self._inodes, page.items)
        return [one.place for one in extra if one.inode not in placed]

    def _inodes(self, items: Sequence[WalkItem]) -> set[tuple[int, int]]:
        found = set()
        for item in items:
            with suppress(OSError):
                status = os.lstat(self._place(item.raw_path()))
                found.add((status.st_dev, status.st_ino))
        return found

    def _place(self, inside: bytes) -> bytes:
        return os.path.join(self._local, inside.replace(b"/", os.fsencode(os.sep)))

    def _told(self, look: Look | None, tree: Tree) -> Synced:
        counts = Counts() if look is None else look.counts
        names = tree.files + tree.symlinks + tree.links
        added, changed = counts.added, counts.changed
        if not self._ways.dry:
            if look is not None and look.empty:
                added = names + tree.directories - 1
                changed = 0
            elif look is not None:
                changed = names - self._getting.same - (counts.added - counts.directories) + counts.remade
        return Synced(
            commit=self._root.commit,
            here=counts.here,
            added=added,
            changed=changed,
            removed=counts.removed,
            files=tree.files,
            bytes=counts.size if self._ways.dry else tree.bytes,
            received_bytes=tree.received_bytes,
            cached_bytes=tree.cached_bytes,
            dry=self._ways.dry,
            actions=() if look is None else tuple(look.actions),
            skipped=tree.skipped,
            skipped_count=tree.skipped_count,
        )


def _remove_all(places: Sequence[bytes], preserve: bool) -> None:
    for place in places:
        with local_errors(place):
            _remove(place, preserve)


def _remove(place: bytes, preserve: bool) -> None:
    """Remove what is there with all in it; symlinks are not followed. With `preserve`, times above stay."""
    above = os.path.dirname(place)
    status = os.stat(above)
    closed = status.st_mode & _OWNER_ALL != _OWNER_ALL
    if closed:
        with suppress(PermissionError):
            os.chmod(above, stat.S_IMODE(status.st_mode) | _OWNER_ALL)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(place).st_mode):
                _remove_tree(place)
            else:
                os.unlink(place)
    finally:
        if closed:
            with suppress(PermissionError):
                os.chmod(above, stat.S_IMODE(status.st_mode))
        if preserve:
            os.utime(above, ns=(status.st_atime_ns, status.st_mtime_ns))


def _remove_tree(place: bytes) -> None:
    try:
        shutil.rmtree(place)
    except PermissionError:
        _open_up(place)
        shutil.rmtree(place)


def _open_up(place: bytes) -> None:
    """What is in directories of one's own can be removed once they let one in."""
    with suppress(OSError):
        if os.lstat(place).st_mode & _OWNER_ALL != _OWNER_ALL:
            os.chmod(place, _OWNER_ALL)
        with os.scandir(place) as found:
            inside = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
        for path in inside:
            _open_up(path)


async def sync_tree(
    connection: Connection,
    remote: Path,
    local: LocalPath,
    *,
    at: str | None,
    ways: Ways,
    tell: OnProgress | None,
) -> Synced:
    """Make the local directory exactly what `remote` is.

    Raises NotFound, NotADirectory, RemovesMost, BadName, Forbidden.
    """
    root = await find_root(connection, remote, at)
    record, aside = await record_of(connection), Aside()
    try:
        getting = GetTree(
            connection,
            remote,
            local,
            commit=root.commit,
            incarnation=root.incarnation,
            preserve=ways.preserve,
            tell=tell,
            record=record,
            trust=Trust(record=not ways.distrust),
            aside=aside,
            exact=True,
        )
        return await SyncTree(connection, remote, local, root, getting, aside, ways).run()
    finally:
        if record is not None:
            await on_disk(record.close)
