"""The processes that make up one cluster on this machine, and how each is told to serve.

What belongs here: the list, the arguments of `cairn serve`, stopping them in order. What does not:
when to start which (`up.py`). Any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cairnfs.local.cluster_file import ClusterFile
from cairnfs.local.paths import CONTROL, ClusterPlaces
from cairnfs.local.processes import Process


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the cluster as `status` shows it; `pid` is None where it does not run."""

    name: str
    address: str
    pid: int | None


def processes(places: ClusterPlaces, cluster: ClusterFile) -> list[Process]:
    """Every process of the cluster, the control plane first."""
    return [Process(places, member.name) for member in cluster.members]


def running(places: ClusterPlaces, cluster: ClusterFile) -> list[Running]:
    """Which of them run now."""
    return [
        Running(member.name, cluster.address(member), Process(places, member.name).pid())
        for member in cluster.members
    ]


def serve_arguments(places: ClusterPlaces, cluster: ClusterFile, process: str) -> list[str]:
    """What comes after `cairn serve` for this process. No secret is ever among it."""
    member = next(member for member in cluster.members if member.name == process)
    where = ["--host", cluster.host, "--port", str(member.port)]
    if cluster.insecure:
        where.append("--insecure")
    if process == CONTROL:
        if cluster.lease:
            where += ["--lease", cluster.lease]
        return ["control", "--data", str(places.data), "--replicas", str(cluster.replicas), *where]
    if not places.joined(process):
        where.append("--await-token")
    return ["fileserver", "--dir", str(places.directory(process)), "--control", cluster.url, *where]


def stop(stopping: Sequence[Process]) -> list[str]:
    """Stop the fileservers together and then the control plane. The names of those that had to be killed."""
    fileservers = [process for process in stopping if process.name != CONTROL]
    control = [process for process in stopping if process.name == CONTROL]
    killed: list[str] = []
    for batch in (fileservers, control):
        asked = [(process, process.ask_to_stop()) for process in batch]
        killed += [process.name for process, pid in asked if process.wait_until_gone(pid)]
    return killed
