"""Small durable writes: each file is its own commit, answered after it is on a majority of disks."""

from __future__ import annotations

from bench.figures import Figure
from bench.site import Outcome, Site

_CLIENTS = (1, 8, 16)
_MOST = 1_000_000


def write(site: Site) -> list[Figure]:
    """New files of 4 KiB by 1, 8 and 16 clients, all into one directory."""
    site.connected(max(_CLIENTS))
    figures = []
    for clients in _CLIENTS:

        def run(number: int, clients: int = clients) -> Outcome:
            directory = f"/bench/write-{clients}-{number}"
            site.crew.ask("mkdir", path=directory)
            given = [
                {"directory": directory, "prefix": f"{client}-", "seconds": site.scale.seconds, "most": _MOST}
                for client in range(clients)
            ]
            return site.run("write", given)

        name = f"write 4 KiB, {clients} client{'s' if clients > 1 else ''}"
        figures.append(site.figure(name, "files/s", run, beside=site.limits.fsyncs(clients)))
    return [*figures, *(_threads(site, threads) for threads in _CLIENTS[1:])]


def _threads(site: Site, threads: int) -> Figure:
    """By threads of one client, whose requests it sends together."""

    def run(number: int) -> Outcome:
        directory = f"/bench/write-threads-{threads}-{number}"
        site.crew.ask("mkdir", path=directory)
        given = {"directory": directory, "threads": threads, "seconds": site.scale.seconds, "most": _MOST}
        return site.run("write_by_threads", [given])

    name = f"write 4 KiB, {threads} threads of 1 client"
    return site.figure(name, "files/s", run, beside=site.limits.fsyncs(threads))
