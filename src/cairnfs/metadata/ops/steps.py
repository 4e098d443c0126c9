"""The operations of a commit, read and checked before the clock is taken.

What belongs here: from messages to steps: paths, expectations and sizes checked, manifests cut and
hashed, so that nothing slow is left for later. What does not: deciding (`write`, `mkdir`, `remove`,
`rename`). Pure but for hashing; any thread.
"""

from __future__ import annotations

import msgspec

from cairnfs.core import manifest
from cairnfs.core.manifest import CHUNK_MAX_BYTES, HOLE, HOLE_MAX_BYTES, Chunk, Leaf
from cairnfs.core.moment import EARLIEST_US, LATEST_US
from cairnfs.core.permissions import DIRECTORY_MODE, FILE_MODE, MODE_MAX
from cairnfs.errors import BadRequest, LengthMismatch, TooLarge
from cairnfs.ids import Hash, Path
from cairnfs.metadata.ops import expect
from cairnfs.metadata.ops.expect import Expected
from cairnfs.wire import commits, names

_HASH_BYTES = 32


class WriteStep(msgspec.Struct, frozen=True):
    """Make the path a file of these leaves, or give the file there this version."""

    path: Path
    chunks: tuple[Chunk, ...]
    leaves: tuple[Leaf, ...]
    manifest: bytes
    size: int
    expected: Expected
    parents: bool
    mode: int
    mtime_us: int | None
    durability: str


class MkdirStep(msgspec.Struct, frozen=True):
    """Make a directory."""

    path: Path
    parents: bool
    mode: int


class RemoveStep(msgspec.Struct, frozen=True):
    """Remove what the path leads to."""

    path: Path
    recursive: bool
    expected: Expected


class RenameStep(msgspec.Struct, frozen=True):
    """Give what the path leads to another path."""

    path: Path
    target: Path
    replace: bool
    expected: Expected


Step = WriteStep | MkdirStep | RemoveStep | RenameStep


def step(operation: commits.Operation) -> Step:
    """One operation, checked. Raises the errors of `errors.Usage` and TooLarge."""
    path = names.to_path(operation.path, operation.path_b64)
    match operation:
        case commits.Write():
            return _write(path, operation)
        case commits.MakeDirectory():
            return MkdirStep(path, operation.parents, _mode(operation.mode, DIRECTORY_MODE))
        case commits.Remove():
            return RemoveStep(path, operation.recursive, _version(operation.expected))
        case commits.Rename():
            target = names.to_path(operation.target, operation.target_b64)
            return RenameStep(path, target, operation.replace, _version(operation.expected))


def _write(path: Path, operation: commits.Write) -> WriteStep:
    if len(operation.chunks) > commits.FILE_CHUNKS_MAX:
        raise TooLarge(f"a file has at most {commits.FILE_CHUNKS_MAX} chunks")
    chunks = tuple(Chunk(Hash(one.hash), one.size) for one in operation.chunks)
    for chunk in chunks:
        if len(chunk.hash) != _HASH_BYTES:
            raise BadRequest("a chunk's hash has 32 bytes")
        most = HOLE_MAX_BYTES if chunk.hash == HOLE else CHUNK_MAX_BYTES
        if not 1 <= chunk.size <= most:
            raise BadRequest(f"a chunk has 1 to {CHUNK_MAX_BYTES} bytes, a hole 1 to {HOLE_MAX_BYTES}")
    total = sum(chunk.size for chunk in chunks)
    if total != operation.size:
        raise LengthMismatch(f"the chunks have {total} bytes, the file {operation.size}")
    if operation.mtime_us is not None and not EARLIEST_US <= operation.mtime_us <= LATEST_US:
        raise BadRequest("a time out of range")
    leaves = tuple(manifest.leaves(chunks))
    return WriteStep(
        path=path,
        chunks=chunks,
        leaves=leaves,
        manifest=b"".join(leaf.hash for leaf in leaves),
        size=total,
        expected=expect.parse(operation.expected),
        parents=operation.parents,
        mode=_mode(operation.mode, FILE_MODE),
        mtime_us=operation.mtime_us,
        durability=operation.durability,
    )


def _version(expected: str | None) -> Expected:
    if expected == expect.NOTHING:
        raise BadRequest("what is removed or renamed has to be there")
    return expect.parse(expected)


def _mode(given: int | None, usual: int) -> int:
    if given is None:
        return usual
    if not 0 <= given <= MODE_MAX:
        raise BadRequest(f"permission bits are 0 to {MODE_MAX:o} (octal)")
    return given
