"""The clients: worker processes that do what they are told, each a process of its own.

What belongs here: starting, asking and ending them. What they can do is in `tasks.py` and
`machine.py`. They speak JSON, a line each way, over their standard input and output. One thread.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_REPLY_WITHIN_S = 300.0
_END_WITHIN_S = 10.0
#: Long enough for every process to have read its order before the first one begins.
_HEAD_START_S = 0.05


class WorkerFailed(Exception):
    """A worker could not do its task; the text is its own error."""


class Member:
    """One worker process."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """Starts it; what it complains of goes to the end of `log`."""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.worker"],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=Path(__file__).parents[1],
                start_new_session=True,  # an interrupt on the terminal is the parent's to handle
            )
        self._rest = b""

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def order(self, task: str, **given: object) -> None:
        """Tell it to begin. Every order is followed by one `reply`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([task, given]).encode() + b"\n")
        self._process.stdin.flush()

    def reply(self, within_s: float = _REPLY_WITHIN_S) -> Any:
        """Wait for what came of the last order. Raises WorkerFailed."""
        outcome = json.loads(self._line(time.monotonic() + within_s))
        if "failed" in outcome:
            raise WorkerFailed(outcome["failed"])
        return outcome["done"]

    def end(self) -> None:
        """Ask it to leave, and make it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def kill(self) -> None:
        """Let it die as it stands: nothing that it holds is given back."""
        self._process.kill()
        self._process.wait()

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(descriptor, 1 << 20) if readable else b""
            if not piece:
                raise WorkerFailed("it ended" if readable else "no answer in time")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line


class Crew:
    """As many members as were ever needed at once; they stay until the end, so that each starts once."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._members: list[Member] = []

    def first(self, count: int) -> Sequence[Member]:
        """`count` members, ready for orders."""
        fresh = [Member(self._environment, self._log) for _ in range(count - len(self._members))]
        self._members += fresh
        for member in fresh:
            member.order("ready")
        for member in fresh:
            member.reply()
        return self._members[:count]

    def ask(self, task: str, **given: object) -> Any:
        """One member does it."""
        return self.each(task, [given])[0]

    def each(self, task: str, given: Sequence[Mapping[str, object]]) -> list[Any]:
        """As many members as there are items do it at the same time. Raises WorkerFailed of the first."""
        members = self.first(len(given))
        for member, item in zip(members, given, strict=True):
            member.order(task, **item)
        outcomes: list[Any] = []
        failures = []
        for member in members:
            try:
                outcomes.append(member.reply())
            except WorkerFailed as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        return outcomes

    def together(self, task: str, given: Sequence[Mapping[str, object]]) -> list[Any]:
        """As `each`, and all begin at one moment: the task takes `start_at`."""
        self.first(len(given))
        start_at = time.monotonic() + _HEAD_START_S
        return self.each(task, [{**item, "start_at": start_at} for item in given])

    def end(self) -> None:
        """Let all of them go."""
        while self._members:
            self._members.pop().end()
