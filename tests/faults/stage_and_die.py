"""A control plane that takes a commit in pages and is killed at a planned point.

    python stage_and_die.py DATABASE REQUEST_ID WRITE WHERE

WRITE is the number of the write to the database, from 0: two pages, the commit, forgetting them. WHERE is
`before` or `after` its COMMIT, or the number of a statement in it. Prints `told` if an answer came.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.opening import open_database
from cairnfs.metadata.databases.seam import Tx
from cairnfs.testing.flaky_database import Fault, FlakyDatabase
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import CommitReply, Operation
from tests.unit.control.plane import Plane, directory, empty_file, plane
from tests.unit.control.staging import Staging

R = TypeVar("R")
MESSAGE = "all of it"
#: Two pages and what comes with the commit itself.
PAGES: list[list[Operation]] = [
    [directory("/whole"), *[empty_file(f"/whole/{number}") for number in range(50)]],
    [empty_file(f"/whole/{number}") for number in range(50, 100)],
    [empty_file("/whole/last")],
]


class Dying:
    """A tx in which the process dies at a statement."""

    def __init__(self, tx: Tx, left: int) -> None:
        self._tx = tx
        self._left = left

    def __getattr__(self, name: str) -> Any:
        if name in ("rows", "row", "run", "rows_given", "run_given"):
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._tx, name)


class DyingDatabase(FlakyDatabase):
    """Dies at a statement of a write."""

    at: tuple[int, int] | None = None  #: which write from now on, which statement

    def write(self, function: Callable[[Tx], R]) -> R:
        if self.at is None:
            return super().write(function)
        write, statement = self.at
        self.at = write - 1, statement
        if write > 0:
            return super().write(function)
        return super().write(lambda tx: function(Dying(tx, statement)))


def staging(here: Plane, who: TokenReply, request_id: str) -> Staging:
    """The commit that this is about."""
    made = Staging(here, who)
    made.request_id = request_id
    return made


async def bring(made: Staging) -> None:
    """Its pages."""
    for page, operations in enumerate(PAGES[:2]):
        await made.stage(page, *operations)


async def commit(made: Staging) -> CommitReply:
    """All of it."""
    return await made.commit(2, *PAGES[2], message=MESSAGE)


async def main(where: str, request_id: str, write: str, point: str) -> None:
    """Bring pages and commit them and, unless killed, say what was answered."""
    flaky = DyingDatabase(open_database(where, SystemClock()))
    async with plane(database=flaky) as here:
        made = staging(here, await here.login("root"), request_id)
        if point.isdigit():
            flaky.at = int(write), int(point)
        else:
            flaky.plan.extend([Fault.NONE] * int(write))
            flaky.plan.append({"before": Fault.KILLED_BEFORE, "after": Fault.KILLED_AFTER}[point])
        await bring(made)
        reply = await commit(made)
        print("told", reply.commit, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
