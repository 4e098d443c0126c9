"""open: a file's version and the chunks that cover its bytes from one on.

What belongs here: the verb. Only the leaves that are needed are loaded. Names of chunks are given only
to whom may read the file.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core import etag, manifest
from cairnfs.core.manifest import LEAF_ENTRIES
from cairnfs.core.permissions import READ, Person
from cairnfs.errors import BadRange, BadRequest, Internal, IsADirectory
from cairnfs.ids import Hash
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import entries, moment
from cairnfs.metadata.ops.resolve import require, text
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.rows import leaves, versions
from cairnfs.metadata.state.content import leaf_hashes
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import names
from cairnfs.wire.directory import OPEN_CHUNKS_MAX, ChunkRef, OpenReply, OpenRequest


class _Stretch(NamedTuple):
    """Chunks of a file: the first begins at byte `offset`; `next_start` follows the last, if more do."""

    offset: int
    chunks: list[ChunkRef]
    next_start: int | None


def open_file(tx: Tx, person: Person, request: OpenRequest) -> OpenReply:
    """Raises NotFound, NotADirectory, IsADirectory, Forbidden, BadRange, NoSuchCommit, BeforeHorizon,
    BadRequest."""
    if not 1 <= request.limit <= OPEN_CHUNKS_MAX:
        raise BadRequest(f"limit is 1 to {OPEN_CHUNKS_MAX}")
    if request.known is not None:
        etag.parse(request.known)
    path = names.to_path(request.path, request.path_b64)
    sight = moment.look(tx, request.at)
    sight.view.prefetch([path])
    who = sight.people.now(person)
    file = find(sight.view, who, path, follow=True)
    if file.kind == DIRECTORY:
        raise IsADirectory("a directory cannot be read as a file", path=text(path))
    require(who, file.version, READ, path)
    [entry] = entries.build(sight, [file])
    incarnation = sight.clock.incarnation
    if request.known == entry.etag:
        return OpenReply(commit=sight.commit, incarnation=incarnation, entry=entry, unchanged=True)
    if not 0 <= request.start <= file.version.size:
        raise BadRange(f"the file has {file.version.size} bytes", path=text(path))
    key = (file.version.inode, file.version.born)
    hashes = leaf_hashes(versions.manifests(tx, [key])[file.version.inode])
    stretch = _stretch(tx, hashes, file.version.size, request.start, request.limit)
    return OpenReply(
        commit=sight.commit,
        incarnation=incarnation,
        entry=entry,
        offset=stretch.offset,
        chunks=stretch.chunks,
        next_start=stretch.next_start,
    )


def _stretch(tx: Tx, hashes: list[Hash], size: int, start: int, limit: int) -> _Stretch:
    if start == size:
        return _Stretch(size, [], None)
    first, offset = 0, 0
    if start > 0 and len(hashes) > 1:
        sizes = leaves.sizes(tx, hashes)
        while offset + sizes[hashes[first]] <= start:
            offset += sizes[hashes[first]]
            first += 1
    # Every leaf but the last is full; the chunk that holds `start` may be the last of its leaf.
    wanted = hashes[first : first + limit // LEAF_ENTRIES + 2]
    loaded = leaves.load(tx, wanted)
    if len(loaded) != len(set(wanted)):
        raise Internal("a leaf of the file's manifest is missing")
    picked: list[ChunkRef] = []
    at = offset
    for leaf in wanted:
        for chunk in manifest.entries(loaded[leaf].entries):
            if at + chunk.size <= start:
                offset = at = at + chunk.size
                continue
            if len(picked) == limit:
                return _Stretch(offset, picked, at)
            picked.append(ChunkRef(chunk.hash, chunk.size))
            at += chunk.size
    return _Stretch(offset, picked, at if at < size else None)
