"""The commit path alone: batches of creates through the working set, no HTTP, no chunks.

    python -m bench.commit_path                      SQLite in a new file below DIR
    python -m bench.commit_path --postgres           a PostgreSQL of its own, fsync on

What belongs here: the figures of docs/design/0005-commit-path.md. Each tx does what the driver's does:
lock the clock, prefetch, decide, flush, COMMIT durably. Requests are prepared beforehand, as they
are outside the clock. Figures are of one process and one committer.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import SqliteDatabase
from cairnfs.metadata.ops.commit import Commit
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from cairnfs.testing.postgres import temporary_postgres

DIRECTORIES = 64
ROUNDS = {1: 400, 16: 80, 256: 12}
_numbers = itertools.count(1)


def main() -> None:
    """Print a table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--postgres", action="store_true")
    words.add_argument("--directory", type=Path, default=Path("/var/tmp"))
    asked = words.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with opened(asked.postgres, asked.directory) as database:
        measure(Ledger(database))


@contextmanager
def opened(postgres: bool, directory: Path) -> Iterator[Database]:
    """A new database, for as long as the block lasts."""
    if postgres:
        with (
            temporary_postgres("shared_buffers=128MB") as server,
            closing(PostgresDatabase(server.dsn, SystemClock())) as database,
        ):
            yield database
        return
    with (
        tempfile.TemporaryDirectory(dir=directory) as made,
        closing(SqliteDatabase(Path(made) / "cairn.sqlite", SystemClock())) as database,
    ):
        yield database


def measure(ledger: Ledger) -> None:
    """All figures of one database."""
    print(f"{'':34}{'files/s':>10}{'ms a tx':>10}{'cpu us/file':>13}")
    ledger.commit(*[mkdir(f"/d{n}/sub", parents=True) for n in range(DIRECTORIES)])
    for size, rounds in ROUNDS.items():
        _row(
            ledger,
            f"{size} commits of one file in a tx",
            [[_one(ledger) for _ in range(size)] for _ in range(rounds)],
            size,
        )
    for label, make in _thousands().items():
        _row(ledger, f"1 commit: {label}", [[ledger.prepared(*make(part))] for part in range(5)], 1000)
    big = [
        [ledger.prepared(write(f"/big{part}", *[b"%d-%d" % (part, n) for n in range(10_000)]))]
        for part in range(3)
    ]
    _row(ledger, "1 commit: a file of 10,000 chunks", big, 1)


def _one(ledger: Ledger) -> Commit:
    number = next(_numbers)
    return ledger.prepared(write(f"/d{number % DIRECTORIES}/sub/f{number}", b"content %d" % number))


def _thousands() -> dict[str, Callable[[int], list]]:  # type: ignore[type-arg]
    def path(part: int, n: int) -> str:
        return f"/d{n % DIRECTORIES}/sub/{part}-{n}"

    return {
        "1,000 new files": lambda part: [write(path(part, n), b"%d-%d" % (part, n)) for n in range(1000)],
        "1,000 new versions": lambda part: [write(path(part, n), b"v%d-%d" % (part, n)) for n in range(1000)],
        "1,000 renames": lambda part: [rename(path(part, n), path(part, n) + "x") for n in range(1000)],
        "1,000 removals": lambda part: [remove(path(part, n) + "x") for n in range(1000)],
    }


def _row(ledger: Ledger, label: str, batches: list[list[Commit]], files: int) -> None:
    warm = len(batches) // 10
    times = []
    cpu = 0.0
    for at, batch in enumerate(batches):
        began, used = time.perf_counter(), time.process_time()
        outcomes = ledger.batch(batch)
        if at >= warm:
            times.append(time.perf_counter() - began)
            cpu += time.process_time() - used
        assert not any(isinstance(one, Exception) for one in outcomes), outcomes[0]
    middle = statistics.median(times)
    print(f"{label:34}{files / middle:10,.0f}{middle * 1e3:10.2f}{cpu / len(times) / files * 1e6:13.0f}")


if __name__ == "__main__":
    main()
