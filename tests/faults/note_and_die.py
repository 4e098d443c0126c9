"""A process that submits one operation and is killed at a planned point of its COMMIT.

    python note_and_die.py DATABASE REQUEST_ID FAULT

Prints `told` if its driver gave an answer, which with KILLED_BEFORE and KILLED_AFTER it must not.
"""

from __future__ import annotations

import asyncio
import sys

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.opening import open_database
from cairnfs.metadata.driver import Driver
from cairnfs.testing.flaky_database import Fault, FlakyDatabase
from tests.unit.metadata.operations import Note, key


async def main(where: str, request: str, fault: str) -> None:
    """Submit and, unless killed, say what was answered."""
    flaky = FlakyDatabase(open_database(where, SystemClock()))
    flaky.plan.append(Fault[fault])
    driver = Driver(flaky, SystemClock())
    answer = await driver.submit(Note("once", key(request)))
    print("told", answer.commit, flush=True)
    await driver.close()
    flaky.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
