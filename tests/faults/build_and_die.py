"""A process that builds a detached tree and attaches it, killed at a planned point of one COMMIT.

    python build_and_die.py DATABASE USER_ID WRITES FAULT

The fault befalls the write after so many. Prints `built` if it was not killed. Each request has an id of its
own, the same each time: whoever goes on sends them all again.
"""

from __future__ import annotations

import asyncio
import sys

from cairnfs.clock import SystemClock
from cairnfs.control.transactions.receipts import Receipts
from cairnfs.control.transactions.routes import TransactionRoutes
from cairnfs.control.transactions.trees import TreeRoutes
from cairnfs.ids import ClusterId, UserId
from cairnfs.metadata.databases.opening import open_database
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.driver import Driver
from cairnfs.net.serving import Caller, Context
from cairnfs.testing.flaky_database import Fault, FlakyDatabase
from cairnfs.testing.ledger import link, mkdir, write
from cairnfs.wire.commits import Attach, CommitReply, CommitRequest
from cairnfs.wire.detached import BeginTreeRequest, ExtendTreeRequest

PATH, PAGES, FILES = "/t", 4, 20
#: What the tree holds when it is whole, its top included.
ENTRIES = 1 + PAGES * (2 + FILES)


async def build(database: Database, user: int) -> CommitReply:
    """All of it, by requests that can be sent again."""
    clock = SystemClock()
    driver = Driver(database, clock)
    receipts = Receipts(driver, ClusterId(""))
    trees, transactions = TreeRoutes(driver, receipts, clock), TransactionRoutes(driver, receipts, clock)
    caller = Caller(UserId(user), "admin", "admin", 2**62)
    context = Context(caller, {}, "", clock.monotonic() + 60, {}, "127.0.0.1", None)
    tree = (await trees.begin(context, BeginTreeRequest(request_id=_id(0), path=PATH))).tree
    for page in range(PAGES):
        files = [write(f"/{page}/{number}") for number in range(FILES)]
        making = [mkdir(f"/{page}"), *files, link("/0/0", f"/{page}/link")]
        request = ExtendTreeRequest(request_id=_id(1 + page), tree=tree, operations=making)  # type: ignore[arg-type]
        assert (await trees.extend(context, request)).made == len(making)
    attach = CommitRequest(request_id=_id(100), operations=[Attach(path=PATH, tree=tree)])
    reply = await transactions.commit(context, attach)
    await driver.close()
    return reply


def _id(number: int) -> str:
    return f"{number:032x}"


async def main(where: str, user: str, writes: str, fault: str) -> None:
    """Build and, unless killed, say so."""
    flaky = FlakyDatabase(open_database(where, SystemClock()))
    flaky.plan.extend([Fault.NONE] * int(writes) + [Fault[fault]])
    await build(flaky, int(user))
    print("built", flaky.writes, flush=True)
    flaky.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
