"""Large streams through the doors, for the memory they take; their speed is told too.

The command line's own memory is that of one `cairn` process above what it takes for one byte. The
HTTP door works inside the control plane: its process's peak above what it had just before.
"""

from __future__ import annotations

import sys

from bench import commands, processes
from bench.bursts import parse, rate
from bench.cluster import CONTROL
from bench.figures import MARKS, Figure, Limit
from bench.limits import Yardstick
from bench.samples import Runs
from bench.site import MIB, Site

_SEEDS = {"command": 101, "http": 202}
_MB = 1e6


def command_line(site: Site) -> list[Figure]:
    """`cairn put` from a pipe, `cairn cat` to nowhere."""
    size = site.scale.stream_bytes
    site.crew.ask("mkdir", path="/bench")

    def put(path: str, size: int) -> commands.Ran:
        feeder = [sys.executable, "-m", "bench.content", str(_SEEDS["command"]), str(size)]
        return _cairn(site, "put", "-", path, fed_by=feeder)

    def cat(path: str, _: int) -> commands.Ran:
        return _cairn(site, "cat", path)

    figures: list[Figure] = []
    for way, work, beside in (
        ("in", put, site.limits.disk_write(site.scale.large_bytes)),
        ("out", cat, site.limits.loopback(site.scale.large_bytes)),
    ):
        site.say(f"{_amount(size)} {way} by the command line")
        idle = work("/bench/one-byte", 1)
        ran = work("/bench/stream", size)
        figures += _pair(
            f"{_amount(size)} {way} by the command line: ",
            "cairn",
            size / ran.seconds / _MB,
            beside,
            ("its memory above idle", ran.peak_rss_bytes - idle.peak_rss_bytes, idle.peak_rss_bytes),
        )
    return figures


def http_door(site: Site) -> list[Figure]:
    """A plain HTTP client's PUT and GET, streamed; what came back is compared."""
    size = site.scale.stream_bytes
    site.crew.ask("mkdir", path="/bench")
    headers = site.crew.ask("http_headers")
    given = {"url": f"{site.cluster.url}/files/bench/http-stream", "headers": headers, "seed": _SEEDS["http"]}
    control = site.cluster.pids()[CONTROL]
    figures: list[Figure] = []
    for way, task, beside in (
        ("in", "http_put", site.limits.disk_write(site.scale.large_bytes)),
        ("out", "http_get", site.limits.loopback(site.scale.large_bytes)),
    ):
        site.say(f"{_amount(size)} {way} by HTTP")
        processes.reset_peak(control)
        idle = processes.rss_bytes(control)
        speed = rate([parse(site.crew.ask(task, **given, size=size))])
        above = processes.peak_rss_bytes(control) - idle
        figures += _pair(
            f"{_amount(size)} {way} by HTTP: ",
            "http.client",
            speed,
            beside,
            ("the door's memory above idle", above, idle),
        )
    return figures


def _pair(
    name: str, by: str, speed: float, beside: Yardstick, memory: tuple[str, int, int]
) -> tuple[Figure, Figure]:
    what, above, idle = memory
    return (
        Figure(f"{name}speed", by, "MB/s", Runs((speed,)), limit=Limit(beside.name, Runs((beside.take(),)))),
        Figure(
            f"{name}{what}",
            by,
            "MB",
            Runs((above / _MB,)),
            mark=MARKS.get(f"{name}{what}"),
            note=f"idle {idle / _MB:.0f} MB",
        ),
    )


def _cairn(site: Site, *words: str, fed_by: list[str] | None = None) -> commands.Ran:
    log = site.directory / "clients.log"
    return commands.run(site.cluster.command(*words), site.cluster.environment, log, fed_by=fed_by)


def _amount(size: int) -> str:
    return f"{size // (1024 * MIB)} GiB" if size % (1024 * MIB) == 0 else f"{size // MIB} MiB"
