"""`--at`: checked before anything is asked of the cluster."""

from __future__ import annotations

from cairnfs.core import moment


def checked(at: str | None) -> str | None:
    """The text as it was given. Raises BadRequest if it is no point in history."""
    if at is not None:
        moment.parse(at)
    return at
