"""One at a time: whoever starts or stops a cluster's processes holds its starting lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cairnfs.errors import Conflict, Unavailable
from cairnfs.local import pid_file
from cairnfs.local.paths import ClusterPlaces
from cairnfs.local.waiting import until

_WAIT_S = 120.0


@contextmanager
def starting(places: ClusterPlaces, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock; waits for another `up` or `down` of the same cluster. Raises Unavailable."""
    path = places.starting_lock
    other = pid_file.holder(path)
    if other is not None:
        tell(f"waiting for process {other}, which is starting or stopping this cluster")

    def take() -> pid_file.Held | None:
        try:
            return pid_file.hold(path)
        except Conflict:
            return None

    held = until(take, _WAIT_S)
    if held is None:
        raise Unavailable(f"process {pid_file.holder(path)} has been starting this cluster for long")
    try:
        yield
    finally:
        held.release()
