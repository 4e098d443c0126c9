"""What is to be done for a step of a put, given what is in Cairn already.

What belongs here: the operations of each step, none where nothing would change: the same chunks, and as far
as they are kept the same attributes. What does not: the steps (`plan.py`), sending (`tree.py`). Steps
are asked for in their order, since a directory's depends on what was done in it. Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from cairnfs.client.attributes import parts
from cairnfs.client.local.files import Found
from cairnfs.client.put.plan import OWNER_ALL, Step, attributes_of, is_closed
from cairnfs.client.results import Durability
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import (
    Attributes,
    Link,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    SetAttributes,
    Write,
)
from cairnfs.wire.directory import ChunkRef, Entry


class Changes:
    """Makes operations."""

    def __init__(
        self,
        *,
        preserve: bool,
        umask: int,
        durability: Durability | None,
        final: bool,
        detached: Path | None = None,
    ) -> None:
        """`final`: directories get their modes at once, for nobody is held up by them.

        `detached`: where the detached tree will be in which everything is made; paths begin there.
        """
        self._top = detached
        self._preserve = preserve
        self._umask = umask
        self._durability = durability
        self._final = final

    def mode(self, found: Found) -> int:
        """The mode that something new gets unless everything is preserved: as `cp -r` does it."""
        return found.mode & 0o777 & ~self._umask

    def of(self, step: Step, chunks: Sequence[ChunkRef] = (), now: Now | None = None) -> list[Operation]:
        """What is to be done. For a file, what it has, and what the one that is there is known to have."""
        attributes = None if step.beside is None else attributes_of(step.found, step.beside)
        text, base64 = self._text(step.path)
        made: list[Operation] = []
        match step.act:
            case "enter":
                made = self._enter(step, attributes)
            case "leave":
                made = self._leave(step)
            case "symlink" if not _is_symlink(step, attributes):
                target, target_base64 = names.to_text(step.found.target)
                made = [
                    MakeSymlink(
                        path=text,
                        path_b64=base64,
                        target=target,
                        target_b64=target_base64,
                        replace=self._top is None,
                        attributes=attributes,
                    )
                ]
            case "link" if not _is_link(step):
                assert step.first is not None
                first, first_base64 = self._text(step.first.path)
                made = [
                    Link(
                        path=first,
                        path_b64=first_base64,
                        target=text,
                        target_b64=base64,
                        replace=self._top is None,
                    )
                ]
            case "write":
                made = self._write(step, attributes, chunks, now)
        if step.clear and made:
            made.insert(0, Remove(path=text, path_b64=base64))
        if made and step.over is not None:
            step.over.changed = True
        return made

    def _enter(self, step: Step, attributes: Attributes | None) -> list[Operation]:
        present, opened = step.present, step.opened
        assert opened is not None
        if self._top is not None and step.over is None:
            return []  # the tree was begun with it
        if present is not None and present.kind == "directory":
            opened.kept = attributes is None or (not is_closed(step.found) and holds(present, attributes))
            if opened.kept:
                return []
        text, base64 = self._text(step.path)
        mode = self.mode(step.found)
        if not self._final:
            # Until all is in it, its owner may make names in it.
            mode |= OWNER_ALL
            if attributes is not None:
                attributes = replace(attributes, mode=step.found.mode | OWNER_ALL)
        return [
            MakeDirectory(
                path=text,
                path_b64=base64,
                parents=self._top is None,
                mode=mode,
                attributes=attributes,
            )
        ]

    def _leave(self, step: Step) -> list[Operation]:
        """A directory's time is that of its last change, unless the commit that makes the change sets it."""
        assert step.opened is not None
        if not is_closed(step.found) and not (step.opened.kept and step.opened.changed):
            return []
        text, base64 = self._text(step.path)
        mode = step.found.mode if self._preserve else self.mode(step.found)
        mtime_us, mtime_sub_ns = parts(None if step.beside is None else step.beside.mtime_ns)
        attributes = Attributes(mode=mode, mtime_us=mtime_us, mtime_sub_ns=mtime_sub_ns, lenient=True)
        return [SetAttributes(path=text, path_b64=base64, attributes=attributes)]

    def _write(
        self, step: Step, attributes: Attributes | None, chunks: Sequence[ChunkRef], now: Now | None
    ) -> list[Operation]:
        text, base64 = self._text(step.path)
        if now is not None and not step.clear and now.has(chunks):
            if attributes is None or holds(now.entry, attributes):
                return []
            return [SetAttributes(path=text, path_b64=base64, attributes=attributes, follow=False)]
        mtime_us, mtime_sub_ns = parts(None if step.beside is None else step.beside.mtime_ns)
        return [
            Write(
                path=text,
                path_b64=base64,
                chunks=list(chunks),
                size=sum([chunk.size for chunk in chunks]),
                mode=self.mode(step.found),
                mtime_us=mtime_us,
                mtime_sub_ns=mtime_sub_ns,
                attributes=attributes,
                follow=False,
                durability=self._durability,
            )
        ]

    def _text(self, path: Path) -> tuple[str, str | None]:
        return names.to_text(path if self._top is None else path[len(self._top) :])


class Now:
    """A file that is in Cairn now: its version and its chunks."""

    __slots__ = ("_chunks", "entry")

    def __init__(self, entry: Entry, chunks: Sequence[tuple[bytes, int]]) -> None:
        """`chunks` as (hash, size)."""
        self.entry = entry
        self._chunks = chunks

    def has(self, chunks: Sequence[tuple[bytes, int]]) -> bool:
        """Whether this is its content."""
        return len(self._chunks) == len(chunks) and all(
            one[0] == other[0] and one[1] == other[1] for one, other in zip(self._chunks, chunks, strict=True)
        )


def holds(entry: Entry, wanted: Attributes) -> bool:
    """Whether setting these would surely change nothing. Extended attributes are not compared, but set."""
    times = (entry.mtime_us, entry.mtime_sub_ns) == (wanted.mtime_us, wanted.mtime_sub_ns)
    return (
        (times or wanted.mtime_us is None)
        and wanted.mode in (None, entry.mode)
        and wanted.owner in (None, entry.owner)
        and wanted.group in (None, entry.group)
        and (wanted.xattrs is None or not (wanted.xattrs or entry.xattrs))
    )


def _is_symlink(step: Step, attributes: Attributes | None) -> bool:
    present = step.present
    return (
        present is not None
        and present.kind == "symlink"
        and present.raw_target() == step.found.target
        and (attributes is None or holds(present, attributes))
    )


def _is_link(step: Step) -> bool:
    """Whether the name leads to that file already, and the file stays what it is."""
    present, first = step.present, step.first
    return (
        present is not None and first is not None and present.kind == "file" and present.inode == first.inode
    )
