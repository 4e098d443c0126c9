"""Publishing a tree, and what another client's single commits take meanwhile."""

from __future__ import annotations

import shutil

from bench.bursts import Burst, parse, rate
from bench.figures import MARKS, Figure
from bench.samples import Runs, latency, percentile
from bench.scenarios.trees import FILE_BYTES
from bench.site import Outcome, Site

_WITHIN_S = 120.0


def publish(site: Site) -> list[Figure]:
    """A directory of small files by one client, while another one writes single files."""
    count = site.scale.entries
    singles: list[Burst] = []
    site.connected(2)

    def run(number: int) -> Outcome:
        outcome, meanwhile = _once(site, number, count)
        singles.append(meanwhile)
        return outcome

    name = f"publish {count:,} files"
    published = site.figure(name, "files/s", run, beside=site.limits.creates(count))
    times = [time for each in singles for time in each.times_us]
    slow = "single commits meanwhile, 99 of 100"
    waited = Figure(
        name=slow,
        clients="python",
        unit="ms",
        runs=Runs(tuple(percentile(sorted(each.times_us), 0.99) / 1e3 for each in singles)),
        latency=latency(times),
        mark=MARKS[slow],
        note=f"{len(times):,} commits of one file, while the tree was published; "
        f"the longest took {max(times) / 1e3:.0f} ms",
    )
    return [published, waited]


def _once(site: Site, number: int, count: int) -> tuple[Outcome, Burst]:
    local, stop = site.directory / "publish", site.directory / "published"
    beside = f"/bench/beside-{number}"
    site.crew.ask("make_tree", local=str(local), prefix="p", count=count, size=FILE_BYTES)
    site.crew.ask("mkdir", path=beside)
    publisher, writer = site.crew.first(2)
    writer.order("write_until", directory=beside, stop=str(stop), seconds=_WITHIN_S)
    try:
        publisher.order("publish", local=str(local), remote=f"/bench/publish-{number}")
        put = parse(publisher.reply())
    finally:
        stop.touch()
        meanwhile = parse(writer.reply())
        stop.unlink()
        shutil.rmtree(local)
    return Outcome(rate([put]), put.units, [], {}), meanwhile
