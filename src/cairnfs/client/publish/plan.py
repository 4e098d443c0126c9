"""What makes the differences of two trees one commit: operations, in an order in which each can be done.

What belongs here: the operations of each change; directories that have to be opened before what is in them
can be changed, and what directories get when all in them is as it is to be (their mode, with -a their times,
which every new name in them moves). What does not: finding differences (`compare.py`), content and
sending (`send.py`). One thread at a time; with -a it looks at local attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cairnfs.client.attributes import parts
from cairnfs.client.local.attributes import look_beside
from cairnfs.client.local.files import Found
from cairnfs.client.local.walk import Here
from cairnfs.client.publish.compare import Change
from cairnfs.client.put.plan import attributes_of
from cairnfs.client.results import Durability
from cairnfs.errors import NotFound
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
from cairnfs.wire.directory import ChunkRef

#: What a directory's owner needs to change names in it.
_OWNER_ALL = 0o700
_PLAIN, _ABOVE = 0o777, 0o7000


class PublishPlan:
    """Turns changes into operations, in the order of a walk."""

    def __init__(
        self,
        remote: Path,
        *,
        preserve: bool,
        closed: Mapping[bytes, int],
        directories: Mapping[bytes, Here],
        durability: Durability | None = None,
        final: bool = False,
    ) -> None:
        """`closed`: remote modes of directories that stay and have to be opened; see `Comparison`.

        `directories`: with `preserve`, all local ones. `final`: as in a detached tree, nothing has to be
        opened, and what directories get is theirs from the beginning.
        """
        self._durability = durability
        self._final = final
        self._remote = remote.rstrip(b"/")
        self._preserve = preserve
        self._closed = dict(closed)
        self._directories = directories
        #: What directories get at the end, by their paths.
        self._last: dict[bytes, Attributes] = {}

    def operations(self, change: Change, chunks: Sequence[ChunkRef] = ()) -> Iterator[Operation]:
        """What makes this change; `chunks` are those of a file's new content. None for a mere row."""
        here, there = change.here, change.there
        if change.act == "row":
            return
        path, base64 = self._text(change.path)
        yield from self._open(change)
        for shut, mode in change.shut:
            yield self._set(*self._text(shut), Attributes(mode=mode | _OWNER_ALL))
        if change.clear or change.act == "remove":
            recursive = there is not None and there.kind == "directory"
            yield Remove(path=path, path_b64=base64, recursive=recursive)
        if here is None:
            return
        if change.act == "link":
            first, first_base64 = self._text(change.first or b"")
            replace = there is not None and not change.clear
            yield Link(path=first, path_b64=first_base64, target=path, target_b64=base64, replace=replace)
        elif here.kind == "directory":
            yield from self._directory(change, here, path, base64)
        elif here.kind == "symlink":
            yield from self._symlink(change, here, path, base64)
        elif change.act == "attributes":
            yield self._set(path, base64, self._attributes(change, here))
        else:
            yield self._write(change, here, path, base64, chunks)

    def top(self, change: Change) -> MakeDirectory:
        """What makes the top of a new tree."""
        assert change.here is not None
        return self._made(change, change.here)

    def end(self) -> Iterator[Operation]:
        """What directories get when everything in them is done, the deepest first."""
        for inside in sorted(self._last, key=lambda path: path.count(b"/"), reverse=True):
            yield self._set(*self._text(inside), self._last[inside])

    def _directory(self, change: Change, here: Here, path: str, base64: str | None) -> Iterator[Operation]:
        if change.act != "make":
            self._last[change.path] = self._attributes(change, here)
            return
        if self._final:
            yield self._made(change, here)
            return
        mode = here.status.st_mode & _PLAIN
        # The way to the top may be missing.
        yield MakeDirectory(path=path, path_b64=base64, mode=mode | _OWNER_ALL, parents=not change.path)
        if self._preserve or mode | _OWNER_ALL != mode:
            self._last[change.path] = self._attributes(change, here)

    def _made(self, change: Change, here: Here) -> MakeDirectory:
        """The directory with all that it gets."""
        path, base64 = self._text(change.path)
        attributes = self._attributes(change, here) if self._preserve else None
        return MakeDirectory(
            path=path, path_b64=base64, mode=here.status.st_mode & _PLAIN, attributes=attributes
        )

    def _symlink(self, change: Change, here: Here, path: str, base64: str | None) -> Iterator[Operation]:
        attributes = self._attributes(change, here) if self._preserve else None
        if change.act == "attributes":
            assert attributes is not None
            yield SetAttributes(path=path, path_b64=base64, attributes=attributes, follow=False)
            return
        target, target_base64 = names.to_text(change.content or b"")
        yield MakeSymlink(
            path=path,
            path_b64=base64,
            target=target,
            target_b64=target_base64,
            replace=change.act == "write",
            attributes=attributes,
        )

    def _write(
        self, change: Change, here: Here, path: str, base64: str | None, chunks: Sequence[ChunkRef]
    ) -> Write:
        there = change.there
        same = there is not None and not (there.mode ^ here.status.st_mode) & _PLAIN
        old = change.act == "write" and not same
        attributes = self._attributes(change, here) if self._preserve or old else None
        return Write(
            path=path,
            path_b64=base64,
            chunks=list(chunks),
            size=sum(chunk.size for chunk in chunks),
            mode=here.status.st_mode & _PLAIN,
            mtime_us=None if attributes is None else attributes.mtime_us,
            mtime_sub_ns=0 if attributes is None else attributes.mtime_sub_ns,
            attributes=attributes,
            follow=False,
            durability=self._durability,
        )

    def _open(self, change: Change) -> Iterator[Operation]:
        """See that one comes to what is in the directories above, and that they are right afterwards."""
        up = change.path.rpartition(b"/")[0]
        here = self._directories.get(up)
        if self._final:
            return
        if here is not None and up not in self._last and change.act in ("remove", "make", "link"):
            self._last[up] = self._attributes(None, here)
        if not self._closed:
            return
        for up in _above(change.path):
            mode = self._closed.pop(up, None)
            if mode is not None:
                path, base64 = self._text(up)
                yield self._set(path, base64, Attributes(mode=mode | _OWNER_ALL))
                self._last.setdefault(up, Attributes(mode=mode))

    def _attributes(self, change: Change | None, here: Here) -> Attributes:
        """What stands beside a local thing's content, as far as it is kept."""
        if self._preserve:
            found = found_of(here, (change.content or b"") if change and here.kind == "symlink" else b"")
            try:
                return attributes_of(found, look_beside(found))
            except NotFound:
                mtime_us, mtime_sub_ns = parts(here.status.st_mtime_ns)
                return Attributes(mode=found.mode, mtime_us=mtime_us, mtime_sub_ns=mtime_sub_ns)
        above = 0 if change is None or change.there is None or change.clear else change.there.mode & _ABOVE
        return Attributes(mode=here.status.st_mode & _PLAIN | above)

    def _set(self, path: str, base64: str | None, attributes: Attributes) -> SetAttributes:
        return SetAttributes(path=path, path_b64=base64, attributes=attributes, follow=False)

    def _text(self, inside: bytes) -> tuple[str, str | None]:
        return names.to_text(self._remote + b"/" + inside if inside else self._remote or b"/")


def found_of(here: Here, target: bytes = b"") -> Found:
    """What a transfer is told of a local thing."""
    status = here.status
    blocks: int | None = getattr(status, "st_blocks", None)
    return Found(
        here.place,
        here.path,
        here.kind,
        status.st_size if here.kind == "file" else 0,
        status.st_mode & 0o7777,
        status.st_mtime_ns,
        status.st_size if blocks is None else blocks * 512,
        status.st_uid,
        status.st_gid,
        here.twins,
        target,
    )


def _above(inside: bytes) -> Iterator[bytes]:
    """The directories on the way to a path, from the top; the tree's top is b""."""
    yield b""
    at = inside.find(b"/")
    while at >= 0:
        yield inside[:at]
        at = inside.find(b"/", at + 1)
