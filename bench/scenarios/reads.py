"""Small reads: whole files of 4 KiB from warm servers, each verified by the client."""

from __future__ import annotations

from bench.figures import Figure
from bench.scenarios.trees import files, shares
from bench.site import Outcome, Site

_CLIENTS = (1, 8)


def read(site: Site) -> list[Figure]:
    """By 1 and 8 clients, each through files of its own, round and round."""
    directory, names = files(site, site.scale.files)
    site.connected(max(_CLIENTS))
    figures = []
    for clients in _CLIENTS:

        def run(_: int, clients: int = clients) -> Outcome:
            given = [
                {"directory": directory, "names": share, "seconds": site.scale.seconds}
                for share in shares(names, clients)
            ]
            return site.run("read", given)

        name = f"read 4 KiB, {clients} client{'s' if clients > 1 else ''}"
        figures.append(site.figure(name, "files/s", run, beside=site.limits.questions(clients)))
    return figures
