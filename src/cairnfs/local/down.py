"""Stopping a cluster on this machine. What it holds stays, and the next `up` continues with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cairnfs.errors import NotFound
from cairnfs.local import cluster_file, members
from cairnfs.local.paths import ClusterPlaces
from cairnfs.local.starting import starting


def down(data: Path, tell: Callable[[str], None]) -> list[str]:
    """Stop every process of the cluster in this data directory; the names of those that ran.

    Raises NotFound where no cluster was ever started.
    """
    places = ClusterPlaces(data)
    cluster = cluster_file.load(places.cluster_file)
    if cluster is None:
        raise NotFound("there is no cluster here", path=str(data), hint="name its directory with --data")
    with starting(places, tell):
        ran = [process for process in members.processes(places, cluster) if process.pid() is not None]
        for name in members.stop(ran):
            tell(f"{name} did not stop in time and was killed")
    return [process.name for process in ran]
