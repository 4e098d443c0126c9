"""Memory of the whole cluster after everything else was done to it."""

from __future__ import annotations

from bench import processes
from bench.figures import MARKS, Figure
from bench.samples import Runs
from bench.site import Site

_NAME = "memory of all processes (PSS)"


def memory(site: Site) -> list[Figure]:
    """Every process of the cluster and whatever it started: its share of memory, idle."""
    pids = site.cluster.pids()
    shares = {name: processes.pss_bytes(pid) / 1e6 for name, pid in pids.items()}
    total = sum(processes.pss_bytes(pid) for pid in processes.children(pids.values())) / 1e6
    return [
        Figure(
            name=_NAME,
            clients="kernel",
            unit="MB",
            runs=Runs((total,)),
            mark=MARKS[_NAME],
            note=", ".join(f"{name} {share:.0f}" for name, share in shares.items()),
        )
    ]
