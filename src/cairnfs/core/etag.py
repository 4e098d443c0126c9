"""ETags: (incarnation, inode, commit) as text, and what an expectation of one means.

An expectation holds when the path still leads to that inode and its version was born at that
commit, in the same incarnation. Pure, any thread.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.errors import BadRequest
from cairnfs.ids import CommitNumber, Incarnation, InodeId


class ETag(NamedTuple):
    """One version of one inode: its text is `INCARNATION.INODE.COMMIT`."""

    incarnation: Incarnation
    inode: InodeId
    commit: CommitNumber

    def __str__(self) -> str:
        return f"{self.incarnation}.{self.inode}.{self.commit}"


def parse(text: str) -> ETag:
    """Read an ETag's text. Raises BadRequest."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 19 for part in parts):
        raise BadRequest(f"not an ETag of Cairn: {text[:80]!r}")
    incarnation, inode, commit = (int(part) for part in parts)
    return ETag(Incarnation(incarnation), InodeId(inode), CommitNumber(commit))
