"""What a put of a tree does, step by step, in commits of bounded size.

What belongs here: what becomes of each thing that was found: which names lead to one file, what has to
make room in Cairn first, which directories get their attributes once more when all is in them (their time
is that of the last change of an entry otherwise, and their mode may forbid to write into them), and where
one commit ends. What does not: reading and sending content (`put_tree.py`), finding (`local_files.py`).
Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from cairnfs.client.attributes import parts
from cairnfs.client.local_attributes import Beside
from cairnfs.client.local_files import Found
from cairnfs.client.naming import below
from cairnfs.core.chunking import CUT_AVERAGE_BYTES, HOLE_ALIGN_BYTES, HOLE_LEAST_BYTES
from cairnfs.core.manifest import HOLE_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import (
    OPERATIONS_MAX,
    Attributes,
    Link,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    SetAttributes,
    Xattr,
)
from cairnfs.wire.directory import Entry

#: Chunks in one commit, roughly: with their receipts they must fit into one request.
_WINDOW_CHUNKS = 200_000
#: Bytes of names, targets and attributes in one commit, as JSON at its worst.
_WINDOW_BYTES = 24 * 1024 * 1024
_ESCAPED = 7
#: What a directory's owner needs to make names in it, and to come to those that are there.
_OWNER_ALL, _OWNER_WALKS = 0o700, 0o100

Act = Literal["enter", "leave", "write", "symlink", "link"]
#: Tells what is at paths in Cairn now, symlinks themselves; None where nothing is.
Look = Callable[[Sequence[Path]], Awaitable[Sequence[Entry | None]]]


@dataclass(slots=True)
class Opened:
    """A directory into which things are being put. `made` is the number of the commit that makes it."""

    found: Found
    fresh: bool  # nothing is below it in Cairn
    beside: Beside | None
    made: int = -1


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `first` is what a link leads to, `clear` says that a name in Cairn has to go first."""

    act: Act
    found: Found
    path: Path
    opened: Opened | None = None
    beside: Beside | None = None
    first: Path | None = None
    clear: bool = False

    @property
    def operations(self) -> int:
        """How many of a commit's operations it takes."""
        return 1 + self.clear

    @property
    def weight(self) -> int:
        """Bytes of a commit's request that it takes beside chunks, at most."""
        text = self.operations * len(self.path) + len(self.first or b"") + len(self.found.target)
        xattrs = (self.beside.xattrs if self.beside else None) or {}
        return _ESCAPED * text + 2 * sum(len(name) + len(value) for name, value in xattrs.items())

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
    """What one commit holds."""

    number: int
    steps: list[Step] = field(default_factory=list)
    operations: int = 0
    chunks: int = 0
    weight: int = 0

    def has_room(self, step: Step) -> bool:
        """Whether the step fits in; anything fits into an empty one."""
        return not self.steps or (
            self.operations + step.operations <= OPERATIONS_MAX
            and self.chunks + step.chunks <= _WINDOW_CHUNKS
            and self.weight + step.weight <= _WINDOW_BYTES
        )

    def add(self, step: Step) -> None:
        """Take it in."""
        self.steps.append(step)
        self.operations += step.operations
        self.chunks += step.chunks
        self.weight += step.weight


class Plan:
    """Turns what is found, in the order of `scan`, into windows."""

    def __init__(self, remote: Path, look: Look, *, preserve: bool, umask: int) -> None:
        self._remote = remote
        self._look = look
        self._preserve = preserve
        self._umask = umask
        self._open: list[Opened] = []
        self._window = Window(0)
        self._firsts: dict[tuple[int, int], Path] = {}
        self._claimed: set[int] = set()
        self._shut: list[Step] = []

    def begin(self, root: Found, beside: Beside | None, there: Entry | None) -> None:
        """The tree's root, and what is at its place in Cairn. It fits into the first window."""
        opened = Opened(root, there is None, beside)
        self._open.append(opened)
        for _ in self._place(Step("enter", root, self._remote, opened, beside)):
            raise AssertionError("the first step fits")

    async def take(self, batch: Sequence[tuple[Found, Beside | None]]) -> list[Window]:
        """Plan for these; give the windows that are full now."""
        there = await self._there([found for found, _ in batch])
        full: list[Window] = []
        for found, beside in batch:
            while not found.inside.startswith(_prefix(self._open[-1].found.inside)):
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
        asked = [found for found in batch if not self._known_new(found)]
        if not asked:
            return {}
        present = await self._look([self._path(found) for found in asked])
        return {found.inside: entry for found, entry in zip(asked, present, strict=True)}

    def _known_new(self, found: Found) -> bool:
        over = next(one for one in reversed(self._open) if found.inside.startswith(_prefix(one.found.inside)))
        return over.fresh

    def _step(self, found: Found, beside: Beside | None, present: Entry | None) -> Step:
        path = self._path(found)
        if found.kind == "directory":
            symlink = present is not None and present.kind == "symlink"
            opened = Opened(found, present is None or symlink, beside)
            self._open.append(opened)
            return Step("enter", found, path, opened, beside, clear=symlink)
        if found.twins is not None:
            first = self._firsts.setdefault(found.twins, path)
            if first != path:
                return Step("link", found, path, first=first)
        if found.kind == "symlink":
            return Step("symlink", found, path, beside=beside)
        return Step("write", found, path, beside=beside, clear=self._is_another(present))

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

    def _leave(self) -> Iterator[Window]:
        opened = self._open.pop()
        later = self._preserve and opened.made != self._window.number
        closed = opened.found.mode & _OWNER_ALL != _OWNER_ALL and (opened.fresh or self._preserve)
        if later or closed:
            step = Step("leave", opened.found, self._path(opened.found), opened, opened.beside)
            if opened.found.mode & _OWNER_WALKS:
                yield from self._place(step)
            else:
                # Further names of the files in it may be to come.
                self._shut.append(step)

    def _place(self, step: Step) -> Iterator[Window]:
        if not self._window.has_room(step):
            yield self._window
            self._window = Window(self._window.number + 1)
        self._window.add(step)
        if step.act == "enter" and step.opened is not None:
            step.opened.made = self._window.number

    def _path(self, found: Found) -> Path:
        return below(self._remote, found.inside) if found.inside else self._remote

    def mode(self, found: Found) -> int:
        """The mode that something new gets unless everything is preserved: as `cp -r` does it."""
        return found.mode & 0o777 & ~self._umask

    def operations(self, step: Step) -> list[Operation]:
        """What a commit has to do for a step, but for writing content."""
        text, base64 = names.to_text(step.path)
        made: list[Operation] = []
        if step.clear:
            made.append(Remove(path=text, path_b64=base64))
        attributes = None if step.beside is None else attributes_of(step.found, step.beside)
        if step.act == "enter":
            made.append(self._enter(step, attributes))
        elif step.act == "leave":
            mode = step.found.mode if self._preserve else self.mode(step.found)
            made.append(SetAttributes(path=text, path_b64=base64, attributes=_again(mode, step.beside)))
        elif step.act == "symlink":
            target, target_base64 = names.to_text(step.found.target)
            made.append(
                MakeSymlink(
                    path=text,
                    path_b64=base64,
                    target=target,
                    target_b64=target_base64,
                    replace=True,
                    attributes=attributes,
                )
            )
        elif step.act == "link":
            first, first_base64 = names.to_text(step.first or step.path)
            made.append(Link(path=first, path_b64=first_base64, target=text, target_b64=base64, replace=True))
        return made

    def _enter(self, step: Step, attributes: Attributes | None) -> MakeDirectory:
        text, base64 = names.to_text(step.path)
        # Until all is in it, its owner may make names in it.
        if attributes is not None:
            attributes = replace(attributes, mode=step.found.mode | _OWNER_ALL)
        mode = self.mode(step.found) | _OWNER_ALL
        return MakeDirectory(path=text, path_b64=base64, parents=True, mode=mode, attributes=attributes)


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


def _again(mode: int, beside: Beside | None) -> Attributes:
    """What a directory loses while things are put into it."""
    mtime_us, mtime_sub_ns = parts(None if beside is None else beside.mtime_ns)
    return Attributes(mode=mode, mtime_us=mtime_us, mtime_sub_ns=mtime_sub_ns, lenient=True)


def _prefix(inside: bytes) -> bytes:
    return inside + b"/" if inside else b""
