"""Where the scenarios work: the cluster, its clients, the limits, and how much to do.

What belongs here: running a task by several clients, again and again, and making a figure of it.
What does not: what is measured (`scenarios/`). One thread.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench import processes
from bench.bursts import parse, rate
from bench.cluster import Cluster
from bench.crew import Crew, Member
from bench.figures import MARKS, Figure, Limit
from bench.limits import Limits, Yardstick
from bench.samples import Runs, latency

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done. `seconds` is one burst's; `removals` the files that each client removes a run,
    `waiters` those of one lock, `held` the paths locked at once, `dying` the clients that are killed.
    """

    repeats: int
    seconds: float
    limit_seconds: float
    files: int
    removals: int
    entries: int
    large_bytes: int
    stream_bytes: int
    waiters: int
    held: int
    dying: int


FULL = Scale(
    repeats=3,
    seconds=2.5,
    limit_seconds=0.7,
    files=400,
    removals=500,
    entries=10_000,
    large_bytes=1024 * MIB,
    stream_bytes=4096 * MIB,
    waiters=1_000,
    held=100_000,
    dying=6,
)
QUICK = Scale(
    repeats=2,
    seconds=0.8,
    limit_seconds=0.3,
    files=200,
    removals=100,
    entries=2_000,
    large_bytes=64 * MIB,
    stream_bytes=512 * MIB,
    waiters=200,
    held=10_000,
    dying=2,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to: units per second, each operation's time, processor time by who used it."""

    rate: float
    units: float
    times_us: Sequence[float]
    cpu_s: Mapping[str, float]


class Site:
    """`with Site(directory, scale) as site:` has a cluster and clients until the end of the block."""

    def __init__(
        self,
        directory: Path,
        scale: Scale,
        beside: Sequence[tuple[str, Path]] = (),
        cluster: Cluster | None = None,
    ) -> None:
        """`directory` is empty; everything the bench writes is below it, or below those of `beside`.

        These are mounted volumes of other systems, by their names, to be measured in the same way. `cluster`
        is another one than `cairn up` makes.
        """
        self.directory = directory
        self.scale = scale
        self.beside = beside
        self.cluster = cluster or Cluster(directory)
        log = directory / "clients.log"
        self.crew = Crew(self.cluster.environment, log)
        self._stack = ExitStack()
        self.limits = Limits(self.crew, lambda: self._server(log), directory, scale.limit_seconds)

    def __enter__(self) -> Site:
        """Start the cluster; clients start when they are needed."""
        self._stack.enter_context(self.cluster)
        self._stack.callback(self.crew.end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the clients, then the cluster."""
        self._stack.close()

    def run(self, task: str, given: Sequence[Mapping[str, object]], *, together: bool = True) -> Outcome:
        """One run of a task by as many clients as there are items."""
        members = self.crew.first(len(given))
        before = self._cpu_s(members)
        replies = (self.crew.together if together else self.crew.each)(task, given)
        after = self._cpu_s(members)
        bursts = [parse(reply) for reply in replies]
        return Outcome(
            rate=rate(bursts),
            units=sum(each.units for each in bursts),
            times_us=[time for each in bursts for time in each.times_us],
            cpu_s={who: after[who] - before[who] for who in after},
        )

    def figure(
        self,
        name: str,
        unit: str,
        run: Callable[[int], Outcome],
        *,
        beside: Yardstick | None = None,
        by: str = "python",
        repeats: int | None = None,
        note: str = "",
    ) -> Figure:
        """Take the limit and run, `repeats` times one after the other; `run` is given the run's number."""
        limits, outcomes = [], []
        for number in range(repeats or self.scale.repeats):
            self.say(f"{name}: run {number + 1}")
            if beside is not None:
                limits.append(beside.take())
            outcomes.append(run(number))
        return Figure(
            name=name,
            clients=by,
            unit=unit,
            runs=Runs(tuple(outcome.rate for outcome in outcomes)),
            latency=latency(time for outcome in outcomes for time in outcome.times_us),
            limit=Limit(beside.name, Runs(tuple(limits))) if beside is not None else None,
            mark=MARKS.get(name),
            cpu_us=_spent(outcomes),
            note=note,
        )

    def connected(self, count: int) -> None:
        """Have `count` clients connected."""
        self.crew.each("connect", [{}] * count)

    @staticmethod
    def say(text: str) -> None:
        """Tell who waits what is going on; on a terminal only."""
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def _cpu_s(self, members: Sequence[Member]) -> dict[str, float]:
        return {"clients": sum(processes.cpu_s(member.pid) for member in members), **self.cluster.cpu_s()}

    def _server(self, log: Path) -> Member:
        member = Member(self.cluster.environment, log)
        self._stack.callback(member.end)
        return member


def _spent(outcomes: Sequence[Outcome]) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for outcome in outcomes:
        spent.update(outcome.cpu_s)
    units = sum(outcome.units for outcome in outcomes)
    return {who: 1e6 * seconds / units for who, seconds in spent.items()}
