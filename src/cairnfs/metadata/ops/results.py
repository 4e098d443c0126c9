"""What an operation of a commit answers: the inode and the ETag that it left.

What belongs here: making that answer from the living tree.
"""

from __future__ import annotations

from cairnfs.ids import InodeId
from cairnfs.metadata.state import Stamp, State
from cairnfs.wire.commits import OperationResult


def of(state: State, inode: InodeId, stamp: Stamp) -> OperationResult:
    """The answer for an inode that is alive."""
    born = state.tree.view.version(inode).born
    return OperationResult(inode=inode, etag=f"{stamp.incarnation}.{inode}.{born}")


def gone(inode: InodeId) -> OperationResult:
    """The answer for an inode that was removed."""
    return OperationResult(inode=inode)
