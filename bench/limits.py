"""Asking the crew for the machine's own limits: what each scenario puts beside its figures.

What belongs here: which of `machine.py`'s tasks is whose limit, and on which filesystem. One thread.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bursts import parse, rate
from bench.crew import Crew, Member


@dataclass(frozen=True, slots=True)
class Yardstick:
    """How to take one limit, again at each run; `name` says what it is."""

    name: str
    take: Callable[[], float]


class Limits:
    """Yardsticks on this machine; files lie below `directory`, on the cluster's own filesystem."""

    def __init__(self, crew: Crew, server: Callable[[], Member], directory: Path, seconds: float) -> None:
        """`server` gives a member that serves the loopback and does nothing else."""
        self._crew = crew
        self._server = server
        self._ports: Mapping[str, int] = {}
        self._directory = directory
        self._seconds = seconds

    def fsyncs(self, writers: int) -> Yardstick:
        """Appends of 4 KiB, each fsynced, by as many processes, each into its own file; per second."""

        def take() -> float:
            given = [
                {"path": str(self._directory / f"append-{writer}"), "seconds": self._seconds}
                for writer in range(writers)
            ]
            return self._rate(self._crew.together("machine.fsyncs", given))

        return Yardstick(f"4 KiB appends with fdatasync by {_processes(writers)}", take)

    def questions(self, clients: int) -> Yardstick:
        """Questions to an echo on one event loop, by as many processes; answers per second."""

        def take() -> float:
            given = [{"port": self._port("echo"), "seconds": self._seconds}] * clients
            return self._rate(self._crew.together("machine.questions", given))

        return Yardstick(f"requests to a bare asyncio echo by {_processes(clients)}", take)

    def disk_write(self, size: int) -> Yardstick:
        """One file written and fsynced; MB/s."""

        def take() -> float:
            reply = self._crew.ask("machine.write_file", path=self._file(), size=size)
            Path(self._file()).unlink()
            return self._rate([reply])

        return Yardstick("one local file written, one fdatasync", take)

    def disk_read(self, size: int) -> Yardstick:
        """One file read back from the system's cache; MB/s."""

        def take() -> float:
            self._crew.ask("machine.write_file", path=self._file(), size=size)
            reply = self._crew.ask("machine.read_file", path=self._file())
            Path(self._file()).unlink()
            return self._rate([reply])

        return Yardstick("one local file read from the system's cache", take)

    def loopback(self, size: int) -> Yardstick:
        """Bytes over one plain TCP connection; MB/s."""

        def take() -> float:
            return self._rate([self._crew.ask("machine.swallow", port=self._port("pour"), size=size)])

        return Yardstick("one TCP connection over the loopback", take)

    def creates(self, count: int) -> Yardstick:
        """Local files of 4 KiB made, one sync at the end; per second."""

        def take() -> float:
            directory = self._directory / "creates"
            reply = self._crew.ask("machine.create_files", directory=str(directory), count=count)
            shutil.rmtree(directory)
            return self._rate([reply])

        return Yardstick(f"{count:,} local files made, one sync", take)

    def scan(self, directory: Path) -> Yardstick:
        """Entries of a local directory with attributes; per second."""

        def take() -> float:
            return self._rate([self._crew.ask("machine.scan", directory=str(directory))])

        return Yardstick("the same directory, local: scandir and stat", take)

    def _port(self, which: str) -> int:
        if not self._ports:
            member = self._server()
            member.order("machine.serve")
            self._ports = member.reply()
        return self._ports[which]

    def _file(self) -> str:
        return str(self._directory / "large")

    @staticmethod
    def _rate(replies: Sequence[Mapping[str, object]]) -> float:
        return rate([parse(reply) for reply in replies])


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"
