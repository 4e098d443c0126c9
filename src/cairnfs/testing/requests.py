"""Requests as tests write them: one function a verb, paths as text or bytes.

What belongs here: making `wire.commits` operations out of few words. What does not: running them
(`testing/ledger`). Any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from cairnfs.core.manifest import Chunk, hash_bytes
from cairnfs.wire import names
from cairnfs.wire.commits import (
    Attributes,
    Copy,
    Link,
    MakeDirectory,
    MakeSymlink,
    Remove,
    Rename,
    SetAttributes,
    SetXattr,
    Write,
    Xattr,
)
from cairnfs.wire.directory import ChunkRef

Text = str | bytes


def raw(path: Text) -> bytes:
    """A path as bytes."""
    return path.encode() if isinstance(path, str) else path


def chunk(data: bytes) -> Chunk:
    """The chunk of these bytes."""
    return Chunk(hash_bytes(data), len(data))


def write(
    path: Text,
    *content: bytes | Chunk,
    expected: str | None = None,
    parents: bool = False,
    mode: int | None = None,
    mtime_us: int | None = None,
    durability: Literal["async", "majority", "all"] = "majority",
    **rest: Any,
) -> Write:
    """Write a file of these chunks, in order."""
    text, base64 = names.to_text(raw(path))
    chunks = [one if isinstance(one, Chunk) else chunk(one) for one in content]
    return Write(
        path=text,
        path_b64=base64,
        chunks=[ChunkRef(*one) for one in chunks],
        size=sum(one.size for one in chunks),
        expected=expected,
        parents=parents,
        mode=mode,
        mtime_us=mtime_us,
        durability=durability,
        **rest,
    )


def mkdir(path: Text, *, parents: bool = False, mode: int | None = None, **rest: Any) -> MakeDirectory:
    """Make a directory."""
    text, base64 = names.to_text(raw(path))
    return MakeDirectory(path=text, path_b64=base64, parents=parents, mode=mode, **rest)


def symlink(path: Text, target: Text, **rest: Any) -> MakeSymlink:
    """Make a symlink."""
    text, base64 = names.to_text(raw(path))
    to, to_base64 = names.to_text(raw(target))
    return MakeSymlink(path=text, path_b64=base64, target=to, target_b64=to_base64, **rest)


def link(path: Text, target: Text, **rest: Any) -> Link:
    """Give a path another name."""
    text, base64 = names.to_text(raw(path))
    to, to_base64 = names.to_text(raw(target))
    return Link(path=text, path_b64=base64, target=to, target_b64=to_base64, **rest)


def copy(path: Text, target: Text, *, at: int | str | None = None, **rest: Any) -> Copy:
    """Copy a file."""
    text, base64 = names.to_text(raw(path))
    to, to_base64 = names.to_text(raw(target))
    when = None if at is None else str(at)
    return Copy(path=text, path_b64=base64, target=to, target_b64=to_base64, at=when, **rest)


def chattr(
    path: Text,
    *,
    follow: bool = True,
    policy: Literal["", "async", "majority", "all"] | None = None,
    expected: str | None = None,
    **attributes: Any,
) -> SetAttributes:
    """Set these attributes; `xattrs` is a dictionary of bytes."""
    text, base64 = names.to_text(raw(path))
    return SetAttributes(
        path=text,
        path_b64=base64,
        attributes=attributes_of(**attributes),
        follow=follow,
        policy=policy,
        expected=expected,
    )


def attributes_of(*, xattrs: Mapping[bytes, bytes] | None = None, **rest: Any) -> Attributes:
    """Attributes; `xattrs` is a dictionary of bytes."""
    given = None if xattrs is None else [Xattr.of(*one) for one in xattrs.items()]
    return Attributes(xattrs=given, **rest)


def setxattr(path: Text, name: Text, value: bytes | None, **rest: Any) -> SetXattr:
    """Set one extended attribute, or with no value remove it."""
    text, base64 = names.to_text(raw(path))
    called, called_base64 = names.to_text(raw(name))
    return SetXattr(path=text, path_b64=base64, name=called, name_b64=called_base64, value=value, **rest)


def remove(path: Text, *, recursive: bool = False, expected: str | None = None) -> Remove:
    """Remove a path."""
    text, base64 = names.to_text(raw(path))
    return Remove(path=text, path_b64=base64, recursive=recursive, expected=expected)


def rename(path: Text, target: Text, *, replace: bool = True, expected: str | None = None) -> Rename:
    """Rename a path."""
    text, base64 = names.to_text(raw(path))
    to, to_base64 = names.to_text(raw(target))
    return Rename(
        path=text, path_b64=base64, target=to, target_b64=to_base64, replace=replace, expected=expected
    )
