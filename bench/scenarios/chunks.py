"""Chunks between clients and fileservers, without commits: what the chunk plane alone costs.

Processor time per unit is what counts here; the table below the figures has it.
"""

from __future__ import annotations

from bench.figures import Figure
from bench.site import MIB, Outcome, Site

_SMALL_BYTES = 4096
_ROW = 10_000
_LARGE_BYTES = MIB
_CLIENTS = (1, 8)
_MB = 1e6


def chunks(site: Site) -> list[Figure]:
    """Single small chunks, many of them in few requests, and large ones; three copies each."""
    site.connected(max(_CLIENTS))
    return [*(_alone(site, clients) for clients in _CLIENTS), *_small(site), *_large(site)]


def _alone(site: Site, clients: int) -> Figure:
    def run(_: int) -> Outcome:
        given = {"seconds": site.scale.seconds, "size": _SMALL_BYTES}
        return site.run("chunks.put_alone", [given] * clients)

    name = f"put a chunk of 4 KiB, {clients} client{'s' if clients > 1 else ''}"
    return site.figure(name, "chunks/s", run, beside=site.limits.fsyncs(clients))


def _small(site: Site) -> list[Figure]:
    count = min(_ROW, site.scale.entries)
    return _row(site, f"{count:,} chunks of 4 KiB", "chunks/s", count, _SMALL_BYTES, 1.0)


def _large(site: Site) -> list[Figure]:
    count = site.scale.large_bytes // _LARGE_BYTES
    return _row(site, f"{count} chunks of 1 MiB", "MB/s", count, _LARGE_BYTES, _MB / _LARGE_BYTES)


def _row(site: Site, name: str, unit: str, count: int, size: int, per: float) -> list[Figure]:
    row = f"{count} of {size}"

    def put(_: int) -> Outcome:
        given = {"name": row, "count": count, "size": size, "per": per}
        return site.run("chunks.put_row", [given], together=False)

    def get(_: int) -> Outcome:
        return site.run("chunks.get_row", [{"name": row, "per": per}], together=False)

    return [
        site.figure(f"put {name}", unit, put),
        site.figure(f"get {name}", unit, get, repeats=site.scale.repeats + 2),
    ]
