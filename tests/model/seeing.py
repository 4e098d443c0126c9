"""An example's tree as Cairn shows it, and as the dictionary has it, in a form that can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cairnfs.core import xattrs
from cairnfs.testing.ledger import Ledger
from cairnfs.wire.directory import CONTENT_CHUNKS_MAX, Entry
from tests.model.nodes import Path, Tree

#: Chunks by (ETag, read as it lives?).
Opened = dict[tuple[str, bool], tuple[bytes, ...]]


@dataclass
class Seen:
    """What is told of each path, and by inodes: (parent, name) -> inode, ETags, contents."""

    told: dict[Path, tuple[Any, ...]] = field(default_factory=dict)
    etags: dict[Path, str] = field(default_factory=dict)
    names: dict[tuple[int, bytes], int] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    contents: dict[int, Any] = field(default_factory=dict)


def see(ledger: Ledger, top: str, at: int | None, opened: Opened) -> Seen:
    """The tree below `top`, alive or at a commit, as an administrator sees it: by lists and opens, as well as
    by a walk."""
    seen = Seen()
    entries: dict[Path, Entry] = {}
    first = ledger.stat(top, at=at)
    pending = [("", first)]
    _put(seen, "", first, (), _attributes(ledger, top, at, first, opened))
    while pending:
        directory, above = pending.pop()
        for entry in ledger.list(top + directory, at=at, limit=3):
            path = f"{directory}/{entry.name}"
            entries[path] = entry
            content: Any = entry.target or ()
            if entry.kind == "directory":
                pending.append((path, entry))
            elif entry.kind == "file":
                content = _chunks(ledger, top + path, at, entry.etag, opened)
            _put(seen, path, entry, content, _attributes(ledger, top + path, at, entry, opened))
            seen.names[above.inode, entry.raw_name()] = entry.inode
    _walk_the_same(ledger, top, at, entries, seen)
    return seen


def _walk_the_same(ledger: Ledger, top: str, at: int | None, entries: dict[Path, Entry], seen: Seen) -> None:
    """A walk meets the same, each directory before what is in it, names by their bytes."""
    items = ledger.walk(top, at=at, contents=True, limit=7)
    assert [f"/{one.path}" for one in items] == sorted(entries, key=lambda path: path.encode().split(b"/"))
    for one in items:
        path, content = f"/{one.path}", seen.told[f"/{one.path}"][1]
        assert one.entry == entries[path]
        told = one.entry.kind == "file" and len(content) <= CONTENT_CHUNKS_MAX
        assert (one.chunks is not None) == told
        if one.chunks is not None:
            assert tuple(chunk.hash for chunk in one.chunks) == content


def expected(tree: Tree) -> dict[Path, tuple[Any, ...]]:
    """What is to be told of each path."""
    told = {}
    for path, name in tree.names.items():
        node = tree.nodes[name.number]
        entries = xattrs.encode(node.xattrs)
        told[path] = (
            node.kind,
            node.target or node.chunks,
            node.size,
            node.mode,
            node.owner,
            node.group,
            node.mtime,
            1 if node.is_directory else tree.links(name.number),
            entries,
            node.policy or None,
        )
    return told


def _put(seen: Seen, path: Path, entry: Entry, content: Any, attributes: bytes) -> None:
    seen.told[path] = (
        entry.kind,
        content,
        entry.size,
        entry.mode,
        entry.owner,
        entry.group,
        (entry.mtime_us, entry.mtime_sub_ns),
        entry.links,
        attributes,
        entry.policy,
    )
    seen.etags[path] = seen.versions[entry.inode] = entry.etag
    seen.contents[entry.inode] = content


def _attributes(ledger: Ledger, path: str, at: int | None, entry: Entry, opened: Opened) -> bytes:
    """The entries of a path's extended attributes. What names a set never names another one."""
    if entry.xattrs is None:
        return b""
    key = (f"xattrs {entry.xattrs}", at is None)
    if key not in opened:
        opened[key] = (xattrs.encode(ledger.xattrs(path, at=at, follow=False)),)
    return opened[key][0]


def _chunks(ledger: Ledger, path: str, at: int | None, etag: str, opened: Opened) -> tuple[bytes, ...]:
    """A file's chunks. A version never changes: each is opened once as it lives and once in the past."""
    key = (etag, at is None)
    if key not in opened:
        reply = ledger.open(path, at=at)
        assert reply.entry.etag == etag
        opened[key] = tuple(one.hash for one in reply.chunks)
    return opened[key]
