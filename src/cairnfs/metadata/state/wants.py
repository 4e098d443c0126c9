"""What an operation will ask about, said beforehand, so that a whole batch is loaded at once.

What belongs here: the kinds of wants. A want never changes what an operation decides: whatever was
not wanted is loaded when it is needed.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.ids import Path, SessionId


class WantEmpty(NamedTuple):
    """Whether this directory is empty."""

    path: Path


class WantChunks(NamedTuple):
    """Which chunks this file has."""

    path: Path


class WantVersion(NamedTuple):
    """The whole version that this path leads to: its manifest and its extended attributes."""

    path: Path


class WantSession(NamedTuple):
    """Whether this session lives."""

    session: SessionId


#: A path alone: where it leads, and every directory on the way.
Want = Path | WantEmpty | WantChunks | WantVersion | WantSession
