"""Changes of names: renames and removals, each its own commit."""

from __future__ import annotations

from collections.abc import Callable

from bench.figures import Figure
from bench.scenarios.trees import files, shares
from bench.site import Outcome, Site

_CLIENTS = (1, 8)


def rename(site: Site) -> list[Figure]:
    """Within one directory, by 1 and 8 clients."""
    site.connected(max(_CLIENTS))
    figures = []
    for clients in _CLIENTS:

        def run(number: int, clients: int = clients) -> Outcome:
            directory, names = files(site, site.scale.files, f"rename-{clients}-{number}")
            given = [
                {"directory": directory, "names": share, "seconds": site.scale.seconds}
                for share in shares(names, clients)
            ]
            return site.run("rename", given)

        figures.append(_figure(site, "rename", clients, run))
    return figures


def remove(site: Site) -> list[Figure]:
    """Files of one directory, by 1 and 8 clients."""
    site.connected(max(_CLIENTS))
    figures = []
    for clients in _CLIENTS:

        def run(number: int, clients: int = clients) -> Outcome:
            count = site.scale.removals * (clients if clients > 1 else 2)
            directory, names = files(site, count, f"remove-{clients}-{number}")
            given = [
                {"directory": directory, "names": share, "seconds": site.scale.seconds}
                for share in shares(names, clients)
            ]
            return site.run("remove", given)

        figures.append(_figure(site, "remove", clients, run))
    return figures


def _figure(site: Site, verb: str, clients: int, run: Callable[[int], Outcome]) -> Figure:
    name = f"{verb}, {clients} client{'s' if clients > 1 else ''}"
    return site.figure(name, "files/s", run, beside=site.limits.fsyncs(clients))
