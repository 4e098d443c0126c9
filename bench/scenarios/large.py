"""One large file, written from a stream and read back as one."""

from __future__ import annotations

from bench.figures import Figure
from bench.site import MIB, Outcome, Site

_PATH = "/bench/large-{}"


def large(site: Site) -> list[Figure]:
    """By one client; the bytes are compared beside the clock."""
    size = site.scale.large_bytes
    site.crew.ask("mkdir", path="/bench")
    site.connected(1)

    def write(number: int) -> Outcome:
        given = {"path": _PATH.format(number), "seed": number + 1, "size": size}
        return site.run("write_large", [given], together=False)

    def read(number: int) -> Outcome:
        return site.run("read_large", [{"path": _PATH.format(number), "size": size}], together=False)

    written = site.figure(
        f"write {size // MIB:,} MiB",
        "MB/s",
        write,
        beside=site.limits.disk_write(size),
        note="Cairn writes three copies to the one disk",
    )
    site.crew.ask("check_large", path=_PATH.format(0), seed=1, size=size)
    return [
        written,
        site.figure(f"read {size // MIB:,} MiB", "MB/s", read, beside=site.limits.loopback(size)),
    ]
