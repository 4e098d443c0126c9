"""The operations of a commit, read and checked before the clock is taken.

What belongs here: from messages to steps: paths, expectations and sizes checked, manifests cut and
hashed, so that nothing slow is left for later. What does not: deciding (`write`, `mkdir`, `remove`,
`rename`). Pure but for hashing; any thread.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cairnfs.core import manifest, moment, xattrs
from cairnfs.core.manifest import CHUNK_MAX_BYTES, HOLE, HOLE_MAX_BYTES, Chunk, Leaf
from cairnfs.core.moment import EARLIEST_US, LATEST_US
from cairnfs.core.permissions import DIRECTORY_MODE, FILE_MODE, MODE_MAX
from cairnfs.errors import BadRequest, BadSymlink, BadXattr, LengthMismatch, TooLarge
from cairnfs.ids import CommitNumber, Hash, Path
from cairnfs.metadata.ops import expect
from cairnfs.metadata.ops.expect import Expected
from cairnfs.wire import commits, names

_HASH_BYTES = 32


class Time(NamedTuple):
    """A time of change: microseconds since 1970 and nanoseconds beyond them."""

    us: int
    sub_ns: int


class Settings(NamedTuple):
    """Attributes to set; None: as it is. `lenient`: leave out what is unknown or not permitted."""

    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    mtime: Time | None = None
    mtime_now: bool = False
    xattrs: dict[bytes, bytes] | None = None
    lenient: bool = False


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
    mtime: Time | None
    attributes: Settings | None
    follow: bool
    durability: str | None


class MkdirStep(msgspec.Struct, frozen=True):
    """Make a directory."""

    path: Path
    parents: bool
    mode: int
    attributes: Settings | None


class SymlinkStep(msgspec.Struct, frozen=True):
    """Make a symlink."""

    path: Path
    target: bytes
    replace: bool
    parents: bool
    attributes: Settings | None


class LinkStep(msgspec.Struct, frozen=True):
    """Give what the path leads to another name."""

    path: Path
    target: Path
    follow: bool
    replace: bool


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


class SetattrStep(msgspec.Struct, frozen=True):
    """Set attributes of what the path leads to."""

    path: Path
    attributes: Settings
    policy: str | None
    follow: bool
    expected: Expected


class XattrStep(msgspec.Struct, frozen=True):
    """Set one extended attribute, or remove it (`value` None)."""

    path: Path
    name: bytes
    value: bytes | None
    create: bool
    replace: bool
    follow: bool


class CopyStep(msgspec.Struct, frozen=True):
    """Make the target a file with the content of the one at the path."""

    path: Path
    target: Path
    at: str | None
    follow: bool
    preserve: bool
    replace: bool
    parents: bool
    expected: Expected


class AttachStep(msgspec.Struct, frozen=True):
    """Give a detached tree its name."""

    path: Path
    tree: str
    replace: bool
    parents: bool
    expected: Expected


class UnchangedStep(msgspec.Struct, frozen=True):
    """Expect that nothing was changed at a place after the commit `since`."""

    path: Path
    since: CommitNumber
    scope: str  # tree or names
    first: bytes | None
    last: bytes | None


Step = (
    WriteStep
    | MkdirStep
    | SymlinkStep
    | LinkStep
    | RemoveStep
    | RenameStep
    | SetattrStep
    | XattrStep
    | CopyStep
    | AttachStep
    | UnchangedStep
)


def step(operation: commits.Operation) -> Step:
    """One operation, checked. Raises the errors of `errors.Usage` and TooLarge."""
    path = names.to_path(operation.path, operation.path_b64)
    match operation:
        case commits.Write():
            return _write(path, operation)
        case commits.MakeDirectory():
            attributes = _optional(operation.attributes)
            return MkdirStep(path, operation.parents, _mode(operation.mode, DIRECTORY_MODE), attributes)
        case commits.MakeSymlink():
            return _symlink(path, operation)
        case commits.Link():
            target = names.to_path(operation.target, operation.target_b64)
            return LinkStep(path, target, operation.follow, operation.replace)
        case commits.SetAttributes():
            settings = _settings(operation.attributes)
            expected = _version(operation.expected)
            return SetattrStep(path, settings, operation.policy, operation.follow, expected)
        case commits.SetXattr():
            return _xattr(path, operation)
        case commits.Copy():
            return _copy(path, operation)
        case commits.Attach():
            expected = expect.parse(operation.expected)
            return AttachStep(path, operation.tree, operation.replace, operation.parents, expected)
        case commits.Unchanged():
            return _unchanged(path, operation)
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
        mtime=_time(operation.mtime_us, operation.mtime_sub_ns),
        attributes=_optional(operation.attributes),
        follow=operation.follow,
        durability=operation.durability,
    )


def _symlink(path: Path, operation: commits.MakeSymlink) -> SymlinkStep:
    target = names.from_text(operation.target, operation.target_b64)
    if not 1 <= len(target) <= commits.SYMLINK_MAX_BYTES or b"\0" in target:
        raise BadSymlink(f"a symlink leads to 1 to {commits.SYMLINK_MAX_BYTES} bytes without NUL")
    attributes = _optional(operation.attributes)
    return SymlinkStep(path, target, operation.replace, operation.parents, attributes)


def _xattr(path: Path, operation: commits.SetXattr) -> XattrStep:
    name = names.from_text(operation.name, operation.name_b64)
    xattrs.check(name, operation.value or b"")
    if operation.create and operation.replace:
        raise BadRequest("an attribute cannot be both new and there")
    return XattrStep(path, name, operation.value, operation.create, operation.replace, operation.follow)


def _copy(path: Path, operation: commits.Copy) -> CopyStep:
    if operation.at is not None:
        moment.parse(operation.at)
    return CopyStep(
        path,
        names.to_path(operation.target, operation.target_b64),
        operation.at,
        operation.follow,
        operation.preserve,
        operation.replace,
        operation.parents,
        expect.parse(operation.expected),
    )


def _unchanged(path: Path, operation: commits.Unchanged) -> UnchangedStep:
    bounds = [None if one is None else names.from_text("", one) for one in (operation.first, operation.last)]
    if operation.scope == "tree" and bounds != [None, None]:
        raise BadRequest("first and last are bounds of names")
    return UnchangedStep(path, CommitNumber(operation.since), operation.scope, *bounds)


def _optional(given: commits.Attributes | None) -> Settings | None:
    return None if given is None else _settings(given)


def _settings(given: commits.Attributes) -> Settings:
    if given.mtime_now and given.mtime_us is not None:
        raise BadRequest("a time cannot be both given and the commit's own")
    wanted = None
    if given.xattrs is not None:
        wanted = {one.raw_name(): one.value for one in given.xattrs}
        if len(wanted) != len(given.xattrs):
            raise BadXattr("an attribute is named twice")
        for name, value in wanted.items():
            xattrs.check(name, value)
        xattrs.encode(wanted)
    return Settings(
        mode=None if given.mode is None else _mode(given.mode, 0),
        owner=given.owner,
        group=given.group,
        mtime=_time(given.mtime_us, given.mtime_sub_ns),
        mtime_now=given.mtime_now,
        xattrs=wanted,
        lenient=given.lenient,
    )


def _time(us: int | None, sub_ns: int) -> Time | None:
    if us is None:
        return None
    if not EARLIEST_US <= us <= LATEST_US or not 0 <= sub_ns <= 999:
        raise BadRequest("a time out of range")
    return Time(us, sub_ns)


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
