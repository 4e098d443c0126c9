"""People who hold locks and wait for them, as processes of their own.

What belongs here: `cairn lock` under way, and looking at `cairn locks`. What does not: stories.
"""

from __future__ import annotations

import json
import signal
import subprocess
from types import TracebackType
from typing import Any

from tests.scenarios.people import PATIENCE_S, Person, eventually


class Holder:
    """`cairn lock ARGUMENTS --json` under way."""

    def __init__(self, person: Person, *arguments: str) -> None:
        self.process = person.start("lock", *arguments, "--json")
        self._document: dict[str, Any] | None = None

    def held(self) -> dict[str, Any]:
        """Wait until it holds the lock. What it says of it."""
        if self._document is None:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.process.communicate(timeout=PATIENCE_S)}"
            self._document = json.loads(line)
        return self._document

    def waits(self) -> str:
        """Wait until it says that it waits. How it says it."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode()

    def ends(self, number: int | None = signal.SIGTERM) -> tuple[int, str]:
        """Its status, and what it said at its end, with this signal or by itself."""
        if number is not None:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err.decode()

    def __enter__(self) -> Holder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.communicate(timeout=PATIENCE_S)
        except (ValueError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def holding(person: Person, *arguments: str) -> Holder:
    """The same, once it holds the lock."""
    holder = Holder(person, *arguments)
    holder.held()
    return holder


def locks(person: Person, path: str = "/") -> list[dict[str, Any]]:
    """What `cairn locks` tells."""
    found: list[dict[str, Any]] = person.does("locks", path, "--json").document["locks"]
    return found


def queued(person: Person, path: str, count: int) -> None:
    """Wait until so many wait for locks there."""
    eventually(
        lambda: len([one for one in locks(person, path) if one["state"] == "waiting"]) == count,
        f"{count} in the queue of {path}",
    )
