"""Looking without reading: attributes of single files, and whole directories."""

from __future__ import annotations

from bench.figures import Figure
from bench.scenarios.trees import FILE_BYTES, files, shares
from bench.site import Outcome, Site

_CLIENTS = (1, 8)


def stat(site: Site) -> list[Figure]:
    """One path a request, by 1 and 8 clients."""
    directory, names = files(site, site.scale.files, "stat")
    site.connected(max(_CLIENTS))
    figures = []
    for clients in _CLIENTS:

        def run(_: int, clients: int = clients) -> Outcome:
            given = [
                {"directory": directory, "names": share, "seconds": site.scale.seconds}
                for share in shares(names, clients)
            ]
            return site.run("stat", given)

        name = f"stat, {clients} client{'s' if clients > 1 else ''}"
        figures.append(site.figure(name, "paths/s", run, beside=site.limits.questions(clients)))
    return figures


def listing(site: Site) -> list[Figure]:
    """A large directory with every entry's attributes, all pages."""
    count = site.scale.entries
    directory, _ = files(site, count, "list")
    local = site.directory / "scanned"
    site.crew.ask("make_tree", local=str(local), prefix="f", count=count, size=FILE_BYTES)
    site.connected(1)

    def run(_: int) -> Outcome:
        return site.run("list", [{"directory": directory, "count": count, "seconds": site.scale.seconds}])

    name = f"list {count:,} entries"
    return [
        site.figure(
            name, "entries/s", run, beside=site.limits.scan(local), note="p50 and p99 are of whole listings"
        )
    ]
