"""What a measurement yields, as values: figures, the machine's limits, the marks to reach. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.samples import Latency, Runs


@dataclass(frozen=True, slots=True)
class Mark:
    """What the figure should reach: at least `value`, or at most where `at_most`."""

    value: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Whether `value` reaches it."""
        return value <= self.value if self.at_most else value >= self.value


@dataclass(frozen=True, slots=True)
class Limit:
    """What this machine can do without Cairn, in the figure's own unit."""

    name: str
    runs: Runs


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `clients` says who asked ("8 processes"); `cpu_us` is processor time per operation, by who used
    it; `note` is for what a reader must know to read the number rightly.
    """

    name: str
    clients: str
    unit: str
    runs: Runs
    latency: Latency | None = None
    limit: Limit | None = None
    mark: Mark | None = None
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Cairn's median over the machine's; None without a limit."""
        if self.limit is None or not self.limit.runs.median:
            return None
        return self.runs.median / self.limit.runs.median

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the mark; None without one."""
        return None if self.mark is None else self.mark.met(self.runs.median)


#: DESIGN section 11, by the figure's name. Files, entries and operations per second; MB/s; ms; MB.
MARKS: Mapping[str, Mark] = {
    "write 4 KiB, 1 client": Mark(600),
    "write 4 KiB, 8 clients": Mark(2_000),
    "write 4 KiB, 8 threads of 1 client": Mark(2_000),
    "publish 10,000 files": Mark(5_000),
    "single commits meanwhile, 99 of 100": Mark(150, at_most=True),
    "get 10,000 files, cold": Mark(5_000),
    "get 10,000 files, unchanged": Mark(20_000),
    "publish, 1 of 10,000 files changed": Mark(0.5, at_most=True),
    "one byte in the middle of 256 MiB: sent": Mark(4.194, at_most=True),
    "insertion at the start of 256 MiB: sent": Mark(8.389, at_most=True),
    "write 1,024 MiB": Mark(180),
    "read 1,024 MiB": Mark(1_000),
    "rename, 8 clients": Mark(3_000),
    "remove, 8 clients": Mark(3_000),
    "a killed client's lock is the next one's, at the latest": Mark(20, at_most=True),
    "memory of all processes (PSS)": Mark(400, at_most=True),
    "4 GiB in by the command line: its memory above idle": Mark(64, at_most=True),
    "4 GiB out by the command line: its memory above idle": Mark(64, at_most=True),
    "4 GiB in by HTTP: the door's memory above idle": Mark(64, at_most=True),
    "4 GiB out by HTTP: the door's memory above idle": Mark(64, at_most=True),
}
