"""The thing named is not there."""

from __future__ import annotations

import errno as _errno

from cairnfs.errors.kinds import Missing


class NotFound(Missing):
    """No such path (or no such user, session, endpoint)."""


class NoSuchCommit(Missing):
    """A commit number that was never given, or a time before the first commit."""

    code = "no_such_commit"


class NoSuchUser(Missing):
    """No user of that name."""

    code = "no_such_user"


class NoSuchGroup(Missing):
    """No user group of that name, and no user either: each has a group."""

    code = "no_such_group"


class NoSuchXattr(Missing):
    """The file has no extended attribute of that name."""

    code, errno = "no_such_xattr", _errno.ENODATA


class NoSuchSnapshot(Missing):
    """No snapshot of that name."""

    code = "no_such_snapshot"


class NoSuchTree(Missing):
    """A detached tree that was attached or given up."""

    code, errno = "no_such_tree", _errno.ESTALE


class BeforeHorizon(Missing):
    """A commit older than the retained history."""

    code, status = "before_horizon", 410


class ChunkCollected(Missing):
    """A chunk that was collected: its version is older than the retained history."""

    code, status = "chunk_collected", 410


class ChunkMissing(Missing):
    """This one fileserver does not have the chunk; another member may."""

    code = "chunk_missing"
