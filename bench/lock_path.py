"""The law of locks on a database: what asking, handing over and ending cost, no HTTP.

    python -m bench.lock_path                      SQLite in a new file below DIR
    python -m bench.lock_path --postgres           a PostgreSQL of its own, fsync on

What belongs here: the figures of docs/design/0008-measurements.md. Each tx does what the driver's does,
COMMIT included. Figures are of one process and one committer; processor time is this process's.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.commit_path import opened
from bench.samples import percentile
from cairnfs.ids import SessionId
from cairnfs.metadata.ops.locks.acquire import Acquire
from cairnfs.metadata.ops.locks.release import Release
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, rename, write
from cairnfs.wire.locks import AcquireRequest, LockPath, LockReply, LockToken, ReleaseRequest

_TOKEN = "0" * 32
_FILES = 1_000


class Here:
    """One database, with files to lock, and who locks them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.session = ledger.begin(ledger.admin)
        ledger.commit(*[mkdir(f"/all/of/them/{part}", parents=True) for part in range(100)])
        self._made = 0
        self.make(1)

    def make(self, parts: int) -> None:
        """See that there are so many directories of files."""
        for part in range(self._made, parts):
            self.ledger.commit(*[write(self.path(part, n)) for n in range(_FILES)])
        self._made = max(parts, self._made)

    @staticmethod
    def path(part: int, n: int) -> str:
        """One file."""
        return f"/all/of/them/{part}/f{n}"

    def ask(self, *paths: str, session: SessionId | None = None, owner: str = "") -> Acquire:
        """Ask for a lock and wait for it."""
        request = AcquireRequest(
            request_id=secrets.token_hex(16),
            session=session or self.session,
            owner=owner or secrets.token_hex(16),
            token=_TOKEN,
            paths=[LockPath(path=path) for path in paths],
            wait=True,
        )
        return Acquire(self.ledger.admin, request, deadline=NEVER_LATE)

    def release(self, replies: Sequence[LockReply]) -> Release:
        """Give locks back."""
        named = [LockToken(lock=reply.lock, token=_TOKEN) for reply in replies]
        return Release(self.ledger.admin, ReleaseRequest(locks=named), deadline=NEVER_LATE)


def main() -> None:
    """Print a table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--postgres", action="store_true")
    words.add_argument("--directory", type=Path, default=Path("/var/tmp"))
    words.add_argument("--waiters", type=int, default=1_000)
    words.add_argument("--held", type=int, default=100_000)
    asked = words.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(f"{'':54}{'p50 ms':>9}{'p99 ms':>9}{'cpu ms':>9}{'times':>7}")
    with opened(asked.postgres, asked.directory) as database:
        here = Here(Ledger(database))
        alone(here, "no lock held")
        queue(here, asked.waiters)
        held(here, asked.held // _FILES)


def alone(here: Here, said: str) -> None:
    """Nobody else wants them."""
    asking, releasing, renaming = Taken(), Taken(), Taken()
    for n in range(200):
        reply = asking.of(here.ledger.do, here.ask(here.path(0, n)))
        releasing.of(here.ledger.do, here.release([reply]))
        old, new = here.path(0, n), f"{here.path(0, n)}x"
        commit = here.ledger.prepared(rename(old, new))
        renaming.of(here.ledger.do, commit)
        here.ledger.commit(rename(new, old))
    asking.say(f"ask, {said}")
    releasing.say(f"give back, {said}")
    renaming.say(f"a commit, {said}")
    _together(here, said)


def _together(here: Here, said: str) -> None:
    """Sixteen in a tx, and a hundred paths in a request."""
    asking, releasing = Taken(), Taken()
    for turn in range(30):
        asks = [here.ask(here.path(0, 16 * turn + n)) for n in range(16)]
        replies = asking.of(here.ledger.batch, asks)
        gone = [here.release([reply]) for reply in replies]
        releasing.of(here.ledger.batch, gone)
    asking.say(f"16 ask in a tx, {said}")
    releasing.say(f"16 give back in a tx, {said}")
    asking, releasing = Taken(), Taken()
    for turn in range(30):
        ask = here.ask(*[here.path(0, (100 * turn + n) % _FILES) for n in range(100)])
        reply = asking.of(here.ledger.do, ask)
        releasing.of(here.ledger.do, here.release([reply]))
    asking.say(f"ask for 100 paths at once, {said}")
    releasing.say(f"give them back, {said}")


def queue(here: Here, waiters: int) -> None:
    """Many wait for one path; each takes it and gives it back."""
    sessions = [here.ledger.begin(here.ledger.admin) for _ in range(8)]
    replies = [here.ledger.do(here.ask(here.path(0, 1)))]
    asking, passing = Taken(), Taken()
    for n in range(waiters):
        ask = here.ask(here.path(0, 1), session=sessions[n % len(sessions)])
        replies.append(asking.of(here.ledger.do, ask))
    assert replies[-1].place == waiters
    for reply in replies:
        passing.of(here.ledger.do, here.release([reply]))
    asking.say(f"each of {waiters:,} waiters queues")
    passing.say("each hand-over to the next")


def held(here: Here, parts: int) -> None:
    """A session holds a great many, a thousand in a request or each by itself."""
    here.make(parts)
    for size in (_FILES, 1):
        session = here.ledger.begin(here.ledger.admin)
        taking = Taken()
        for part in range(1, parts):
            paths = [here.path(part, n) for n in range(_FILES)]
            asks = [here.ask(*paths[at : at + size], session=session) for at in range(0, _FILES, size)]
            for at in range(0, len(asks), 250):
                some = asks[at : at + 250]
                taking.of(here.ledger.batch, some)
        said = f"{(parts - 1) * _FILES:,} held, {size:,} a request"
        taking.say(f"take {min(250 * size, _FILES):,} in a tx: {said}")
        alone(here, said)
        ending = Taken()
        ending.of(here.ledger.do, _end(here, session))
        ending.say(f"end their session: {said}")


def _end(here: Here, session: SessionId) -> EndSession:
    return EndSession(session, here.ledger.admin.user_id, deadline=NEVER_LATE)


class Taken:
    """Times of one thing."""

    def __init__(self) -> None:
        self._ms: list[float] = []
        self._cpu_s = 0.0

    def of(self, job: Callable[..., Any], *args: Any) -> Any:
        """Do it, and give what came of it. Raises what refuses it."""
        began, used = time.perf_counter(), time.process_time()
        outcome = job(*args)
        self._ms.append((time.perf_counter() - began) * 1e3)
        self._cpu_s += time.process_time() - used
        for one in outcome if isinstance(outcome, list) else [outcome]:
            if isinstance(one, Exception):
                raise one
        return outcome

    def say(self, what: str) -> None:
        """One line of the table."""
        ordered, times = sorted(self._ms), len(self._ms)
        cpu_ms = 1e3 * self._cpu_s / times
        middle, late = statistics.median(ordered), percentile(ordered, 0.99)
        print(f"{what:54}{middle:9.2f}{late:9.2f}{cpu_ms:9.2f}{times:7}", flush=True)


if __name__ == "__main__":
    main()
