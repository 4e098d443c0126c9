"""`cairn up`."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from cairnfs.cli import exits
from cairnfs.cli.options import Data, data_directory
from cairnfs.cli.output import note, number, show
from cairnfs.core.leases import LeaseTimes
from cairnfs.local import members
from cairnfs.local.cluster_file import DEFAULT_FILESERVERS, DEFAULT_PORT, DEFAULT_REPLICAS, Wish
from cairnfs.local.processes import ending
from cairnfs.local.up import Up, up

_WATCH_S = 0.3


def command(
    data: Data = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="N", help=f"Of the control plane; first {DEFAULT_PORT}, 0 for a free one."
        ),
    ] = None,
    fileservers: Annotated[
        int | None, typer.Option("--fileservers", metavar="N", help=f"How many; first {DEFAULT_FILESERVERS}.")
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            "--replicas",
            metavar="N",
            help=f"Copies of everything; first {DEFAULT_REPLICAS}, or as many as there are fileservers.",
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once the cluster is ready.")] = False,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Where to listen; first 127.0.0.1.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on other than loopback addresses, without TLS.")
    ] = False,
    lease: Annotated[
        str | None,
        typer.Option(
            "--lease",
            metavar="RENEW:SUSPEND:END",
            help=f"Of clients, in milliseconds: how soon a dead one's locks are free; first {LeaseTimes()}.",
        ),
    ] = None,
) -> int:
    """Start a cluster on this machine.

    Where one was started before, it continues with everything there. What is chosen at the first start
    is kept in cluster.toml and used again. Without --detach the cluster stops with Ctrl-C.
    """
    wish = Wish(
        host=host, port=port, fileservers=fileservers, replicas=replicas, insecure=insecure, lease=lease
    )
    cluster = up(data_directory(data), wish, note)
    for line in _told(cluster):
        show(line)
    if detach or not cluster.is_ours:
        return exits.OK
    show("press Ctrl-C to stop it")
    return _stay(cluster)


def _told(cluster: Up) -> list[str]:
    copies = number(cluster.cluster.replicas, "copy", "copies")
    counted = number(len(cluster.cluster.fileservers), "fileserver")
    if not cluster.started:
        lines = [f"the cluster is up already at {cluster.cluster.url} ({counted}, {copies} of everything)"]
    elif not cluster.is_ours:
        lines = [f"started {', '.join(cluster.started)}; the cluster is up at {cluster.cluster.url}"]
    else:
        lines = [f"the cluster is up at {cluster.cluster.url} ({counted}, {copies} of everything)"]
    if cluster.user:
        lines.append(f"you are logged in as {cluster.user}; try: cairn cat /Hello.txt")
    return lines


def _stay(cluster: Up) -> int:
    """Watch until everything has ended or somebody says stop; then stop everything."""
    living = {process.name: process for process in cluster.processes}
    status = exits.OK
    try:
        while living:
            threading.Event().wait(_WATCH_S)
            for name, process in list(living.items()):
                ended = process.died()
                if ended is not None:
                    del living[name]
                    status = status or (exits.OK if ended == 0 else exits.UNAVAILABLE)
                    note(
                        f"{name} {ending(ended)}" + ("" if ended == 0 else "; start it again with: cairn up")
                    )
    except (KeyboardInterrupt, SystemExit) as told:
        note(f"stopping {', '.join(living)}")
        for name in members.stop(list(living.values())):
            note(f"{name} did not stop in time and was killed")
        return exits.INTERRUPTED if isinstance(told, KeyboardInterrupt) else exits.OK
    show("the cluster has stopped")
    return status
