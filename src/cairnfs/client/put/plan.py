"""What a put of a tree does, step by step, in pages of bounded size.

What belongs here: what becomes of each thing that was found: which names lead to one file, what has to
make room in Cairn first, which directories get their mode only when all is in them (it may forbid to write
into them), and where one page ends. Where nothing is at the tree's place it is built detached, or in one
small commit: there every mode is final at once. What does not: what of that is done already
(`changes.py`), reading and sending content (`tree.py`), finding (`local/files.py`).
Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cairnfs.client.attributes import parts
from cairnfs.client.local.attributes import Beside
from cairnfs.client.local.files import Found
from cairnfs.client.naming import below
from cairnfs.core.chunking import CUT_AVERAGE_BYTES, HOLE_ALIGN_BYTES, HOLE_LEAST_BYTES
from cairnfs.core.manifest import HOLE_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire.commits import OPERATIONS_MAX, Attributes, Xattr
from cairnfs.wire.directory import Entry

#: Chunks in one page, roughly: with their receipts they must fit into one request.
_WINDOW_CHUNKS = 200_000
#: Bytes of names, targets and attributes in one page, as JSON at its worst.
_WINDOW_BYTES = 24 * 1024 * 1024
_ESCAPED = 7
#: What a directory's owner needs to make names in it, and to come to those that are there.
OWNER_ALL, _OWNER_WALKS = 0o700, 0o100

Act = Literal["enter", "leave", "write", "symlink", "link"]
#: Tells what is at paths in Cairn now, symlinks themselves; None where nothing is.
Look = Callable[[Sequence[Path]], Awaitable[Sequence[Entry | None]]]


@dataclass(slots=True)
class Opened:
    """A directory into which things are being put.

    `fresh`: nothing is below it in Cairn. `kept`: it is there as it is to be, so nothing was done to it yet;
    `changed`: something in it was.
    """

    found: Found
    fresh: bool
    beside: Beside | None
    kept: bool = False
    changed: bool = False


@dataclass(slots=True)
class First:
    """The first name of a file that has several: its path, and the inode that is there, if it stays."""

    path: Path
    inode: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `over` is the directory that it is in, `present` what is there now.

    `first` is what a link leads to, `clear` says that a name in Cairn has to go first.
    """

    act: Act
    found: Found
    path: Path
    opened: Opened | None = None
    over: Opened | None = None
    present: Entry | None = None
    beside: Beside | None = None
    first: First | None = None
    clear: bool = False

    @property
    def operations(self) -> int:
        """How many operations it takes."""
        return 1 + self.clear

    @property
    def weight(self) -> int:
        """Bytes of a page's request that it takes beside chunks, at most."""
        found = self.found
        text = self.operations * len(self.path) + len(found.target)
        if self.first is not None:
            text += len(self.first.path)
        beside = self.beside
        if beside is None or not beside.xattrs:
            return _ESCAPED * text
        return _ESCAPED * text + 2 * sum(len(name) + len(value) for name, value in beside.xattrs.items())

    @property
    def chunks(self) -> int:
        """How many chunks and holes it may have, roughly."""
        if self.act != "write":
            return 0
        found = self.found
        if not found.sparse:
            return 1 + found.size // CUT_AVERAGE_BYTES
        # At worst every block that is stored stands alone between two holes.
        turns = min(found.stored // HOLE_ALIGN_BYTES, found.size // HOLE_LEAST_BYTES)
        return 1 + 2 * turns + found.size // HOLE_MAX_BYTES


@dataclass(slots=True)
class Window:
    """What one page holds, unless some of it is there already."""

    number: int
    steps: list[Step] = field(default_factory=list)
    operations: int = 0
    chunks: int = 0
    weight: int = 0

    def add(self, step: Step) -> bool:
        """Take it in, if it fits; anything fits into an empty one."""
        operations = self.operations + step.operations
        chunks, weight = self.chunks + step.chunks, self.weight + step.weight
        full = operations > OPERATIONS_MAX or chunks > _WINDOW_CHUNKS or weight > _WINDOW_BYTES
        if full and self.steps:
            return False
        self.steps.append(step)
        self.operations, self.chunks, self.weight = operations, chunks, weight
        return True


class Plan:
    """Turns what is found, in the order of `scan`, into windows."""

    def __init__(self, remote: Path, look: Look, *, preserve: bool) -> None:
        self.fresh = False  #: nothing is at the tree's place
        self.closed = False  #: some directory of the tree is closed to its owner
        self.root: Step  #: what makes the tree's root, once it is begun
        self._remote = remote
        self._look = look
        self._preserve = preserve
        self._open: list[Opened] = []
        self._window = Window(0)
        self._firsts: dict[tuple[int, int], First] = {}
        self._claimed: set[int] = set()
        self._shut: list[Step] = []

    def begin(self, root: Found, beside: Beside | None, there: Entry | None) -> None:
        """The tree's root, and what is at its place in Cairn. It fits into the first window."""
        self.fresh = there is None
        opened = Opened(root, there is None, beside)
        self._enter(opened)
        self.root = Step("enter", root, self._remote, opened, present=there, beside=beside)
        for _ in self._place(self.root):
            raise AssertionError("the first step fits")

    async def take(self, batch: Sequence[tuple[Found, Beside | None]]) -> list[Window]:
        """Plan for these; give the windows that are full now."""
        there = await self._there([found for found, _ in batch])
        full: list[Window] = []
        for found, beside in batch:
            while not _is_in(found, self._open[-1]):
                full.extend(self._leave())
            present = None if self._open[-1].fresh else there.get(found.inside)
            full.extend(self._place(self._step(found, beside, present)))
        return full

    def end(self) -> list[Window]:
        """The last windows."""
        full: list[Window] = []
        while self._open:
            full.extend(self._leave())
        for step in self._shut:
            full.extend(self._place(step))
        return [*full, self._window]

    async def _there(self, batch: Sequence[Found]) -> dict[bytes, Entry | None]:
        """What is in Cairn where these go, unless their directories are known to be new."""
        if self.fresh:
            return {}
        asked = [found for found in batch if not self._known_new(found)]
        if not asked:
            return {}
        present = await self._look([self._path(found) for found in asked])
        return {found.inside: entry for found, entry in zip(asked, present, strict=True)}

    def _known_new(self, found: Found) -> bool:
        return next(one for one in reversed(self._open) if _is_in(found, one)).fresh

    def _step(self, found: Found, beside: Beside | None, present: Entry | None) -> Step:
        path, over = self._path(found), self._open[-1]
        if found.kind == "directory":
            symlink = present is not None and present.kind == "symlink"
            opened = Opened(found, present is None or symlink, beside)
            self._enter(opened)
            return Step("enter", found, path, opened, over, present, beside, clear=symlink)
        if found.twins is not None:
            if found.twins in self._firsts:
                return Step("link", found, path, over=over, present=present, first=self._firsts[found.twins])
            self._firsts[found.twins] = first = First(path, None)
        else:
            first = None
        if found.kind == "symlink":
            return Step("symlink", found, path, over=over, present=present, beside=beside)
        clear = self._is_another(present)
        if first is not None and present is not None and present.kind == "file" and not clear:
            first.inode = present.inode
        return Step("write", found, path, over=over, present=present, beside=beside, clear=clear)

    def _is_another(self, present: Entry | None) -> bool:
        """Whether what is there is the same file as one that was put already: then it gives way.

        Else its new content would be that of the other name too.
        """
        if present is None or present.kind != "file" or present.links == 1:
            return False
        if present.inode in self._claimed:
            return True
        self._claimed.add(present.inode)
        return False

    def _enter(self, opened: Opened) -> None:
        self._open.append(opened)
        self.closed = self.closed or is_closed(opened.found)

    def _leave(self) -> Iterator[Window]:
        opened = self._open.pop()
        if self.fresh:
            return
        closed = is_closed(opened.found) and (opened.fresh or self._preserve)
        if closed or (self._preserve and not opened.fresh):
            step = Step("leave", opened.found, self._path(opened.found), opened, beside=opened.beside)
            if opened.found.mode & _OWNER_WALKS:
                yield from self._place(step)
            else:
                # Further names of the files in it may be to come.
                self._shut.append(step)

    def _place(self, step: Step) -> Iterator[Window]:
        if not self._window.add(step):
            yield self._window
            self._window = Window(self._window.number + 1)
            self._window.add(step)

    def _path(self, found: Found) -> Path:
        return below(self._remote, found.inside) if found.inside else self._remote


def attributes_of(found: Found, beside: Beside) -> Attributes:
    """All that is kept of a local file beside its content, as far as it may be and is known in Cairn."""
    mtime_us, mtime_sub_ns = parts(beside.mtime_ns)
    xattrs = beside.xattrs
    return Attributes(
        mode=None if found.kind == "symlink" else found.mode,
        owner=beside.owner,
        group=beside.group,
        mtime_us=mtime_us,
        mtime_sub_ns=mtime_sub_ns,
        xattrs=None if xattrs is None else [Xattr.of(name, value) for name, value in xattrs.items()],
        lenient=True,
    )


def is_closed(found: Found) -> bool:
    """Whether it is a directory that shuts out its owner, in part at least."""
    return found.mode & OWNER_ALL != OWNER_ALL


def _is_in(found: Found, directory: Opened) -> bool:
    inside = directory.found.inside
    return not inside or found.inside.startswith(inside + b"/")
