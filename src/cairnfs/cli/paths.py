"""`cairn paths`."""

from __future__ import annotations

from cairnfs.cli.options import Data, Json, data_directory
from cairnfs.cli.output import show, show_json, shown, table


def command(data: Data = None, json: Json = False) -> int:
    """Say where Cairn keeps its files on this machine."""
    from cairnfs.client import profile
    from cairnfs.local.paths import ClusterPlaces, places

    mine = places()
    cluster = ClusterPlaces(data_directory(data))
    found = {
        "data": cluster.data,
        "cluster": cluster.cluster_file,
        "logs": cluster.log("control").parent,
        "run": cluster.pid_file("control").parent,
        "config": profile.config_dir(),
        "profile": profile.file(),
        "state": mine.state,
        "cache": mine.cache,
        "runtime": mine.runtime,
    }
    if json:
        show_json({name: str(path) for name, path in found.items()})
    else:
        for line in table((name, shown(str(path))) for name, path in found.items()):
            show(line)
    return 0
