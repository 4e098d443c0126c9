"""What is measured, one subject a module; each scenario takes the site and gives its figures.

The order is the table's. Memory comes last: it is asked of a cluster that has worked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.figures import Figure
from bench.scenarios import (
    chunks,
    large,
    locks,
    looks,
    memory,
    names,
    publish,
    reads,
    streams,
    syncing,
    writes,
)
from bench.site import Site

Scenario = Callable[[Site], list[Figure]]

SCENARIOS: Mapping[str, Scenario] = {
    "write": writes.write,
    "read": reads.read,
    "stat": looks.stat,
    "list": looks.listing,
    "rename": names.rename,
    "remove": names.remove,
    "publish": publish.publish,
    "small-files": syncing.small_files,
    "edits": syncing.edits,
    "real-trees": syncing.real_trees,
    "large": large.large,
    "chunks": chunks.chunks,
    "stream-cli": streams.command_line,
    "stream-http": streams.http_door,
    "locks": locks.locks,
    "locks-postgresql": locks.on_postgresql,
    "memory": memory.memory,
}
