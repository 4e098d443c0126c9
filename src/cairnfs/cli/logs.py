"""`cairn logs`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cairnfs.cli.options import Data, data_directory
from cairnfs.cli.output import show
from cairnfs.errors import BadRequest, NotFound
from cairnfs.local import cluster_file, logs
from cairnfs.local.paths import ClusterPlaces


def command(
    processes: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROCESS", help="control, fileserver-1, ...; all by itself."),
    ] = None,
    lines: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", help="So many of the last lines of each.")
    ] = 20,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")
    ] = False,
    data: Data = None,
) -> int:
    """Show the logs of the cluster's processes on this machine."""
    if lines < 0:
        raise BadRequest("--lines takes 0 or more")
    places = ClusterPlaces(data_directory(data))
    cluster = cluster_file.load(places.cluster_file)
    if cluster is None:
        raise NotFound(
            "there is no cluster here", path=str(places.data), hint="name its directory with --data"
        )
    known = [member.name for member in cluster.members]
    for name in processes or []:
        if name not in known:
            raise NotFound(f"no such process: {name}", hint=f"there are {', '.join(known)}")
    chosen = {name: places.log(name) for name in processes or known}
    for name, line in logs.read(chosen, lines, follow=follow):
        show(f"{name:<{max(map(len, chosen))}} | {line}")
        sys.stdout.flush()
    return 0
