"""The cost of a namespace of a million files against one of a thousand, for each database.

    python -m bench.scale                        both databases, 1,000 and 1,000,000 files
    python -m bench.scale --big 100000           a quicker look
    python -m bench.scale --only sqlite          one database alone

What belongs here: the run and its table. What is done to a namespace stands in `scale_work.py`. Half of the
files lie in directories of 100, half in one directory; each has a chunk of its own. Both namespaces of a
database stand side by side and every operation is done on both in turn, so that what else the machine does
falls on both. Times are of one process without HTTP: a read's snapshot, or a commit's tx with COMMIT and
fsync.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bench.samples import percentile
from bench.scale_work import WORK, Namespace, Work
from bench.table import aligned, number
from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.sqlite import SqliteDatabase
from cairnfs.testing.databases import postgres_database
from cairnfs.testing.postgres import TemporaryPostgres, temporary_postgres

TARGET = 1.5
_HEADS = ("what", "small p50", "p95", "big p50", "p95", "unit", "ratio", "within 1.5")
_REAP_ROWS = 50_000


def main() -> None:
    """Print a table for each database."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--small", type=int, default=1_000)
    words.add_argument("--big", type=int, default=1_000_000)
    words.add_argument("--only", choices=("sqlite", "postgresql"))
    words.add_argument("--rounds", type=int, default=100)
    words.add_argument("--directory", type=Path, default=Path("/var/tmp"))
    asked = words.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} before, {os.cpu_count()} cores")
    for kind in [asked.only] if asked.only else ["sqlite", "postgresql"]:
        with _namespaces(kind, asked.directory) as (small, big):
            print(f"\n{kind}")
            for namespace, files in ((small, asked.small), (big, asked.big)):
                _build(namespace, files)
            print(_table(_measure(small, big, asked.rounds)))
            _reap(small, big)
    print(f"\nload {os.getloadavg()[0]:.1f} after")


@contextmanager
def _namespaces(kind: str, directory: Path) -> Iterator[tuple[Namespace, Namespace]]:
    with ExitStack() as stack:
        if kind == "sqlite":
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)))
            yield _sqlite(stack, place / "small.sqlite"), _sqlite(stack, place / "big.sqlite")
            return
        server = stack.enter_context(temporary_postgres("shared_buffers=256MB", "max_wal_size=2GB"))
        yield _postgres(stack, server), _postgres(stack, server)


def _sqlite(stack: ExitStack, path: Path) -> Namespace:
    return Namespace(stack.enter_context(closing(SqliteDatabase(path, SystemClock()))))


def _postgres(stack: ExitStack, server: TemporaryPostgres) -> Namespace:
    dsn = stack.enter_context(postgres_database(server, prepared=False))
    return Namespace(stack.enter_context(closing(PostgresDatabase(dsn, SystemClock()))))


def _build(namespace: Namespace, files: int) -> None:
    before, began = namespace.bytes(), time.perf_counter()
    for done in namespace.build(files):
        if sys.stderr.isatty():
            print(f"\r{done:,} files", end="", file=sys.stderr)
    took = time.perf_counter() - began
    size = (namespace.bytes() - before) / files
    print(f"{files:,} files in {took:.0f} s ({files / took:,.0f}/s), {size:,.0f} bytes of database a file")


def _measure(small: Namespace, big: Namespace, rounds: int) -> list[tuple[Work, list[float], list[float]]]:
    """Microseconds of every operation on both, in turn; the first tenth warms up."""
    rng = random.Random(1)
    taken: list[tuple[Work, list[float], list[float]]] = [(work, [], []) for work in WORK]
    for turn in range(rounds):
        for work, on_small, on_big in taken:
            if turn % work.every:
                continue
            both = [(small, on_small), (big, on_big)]
            for namespace, times in both[:: 1 if turn // work.every % 2 else -1]:
                job = work.prepare(namespace, rng)
                began = time.perf_counter()
                units = job()
                times.append((time.perf_counter() - began) * 1e6 / units)
    return [
        (work, on_small[len(on_small) // 10 :], on_big[len(on_big) // 10 :])
        for work, on_small, on_big in taken
    ]


def _table(taken: Sequence[tuple[Work, list[float], list[float]]]) -> str:
    rows = []
    for work, on_small, on_big in taken:
        ratio = statistics.median(on_big) / statistics.median(on_small)
        times = [
            number(percentile(sorted(times), share)) for times in (on_small, on_big) for share in (0.5, 0.95)
        ]
        rows.append((work.name, *times, work.unit, f"{ratio:.2f}", "yes" if ratio <= TARGET else "NO"))
    return aligned(_HEADS, rows, ("what", "unit", "within 1.5"))


def _reap(small: Namespace, big: Namespace) -> None:
    """Remove everything, once, and end what was below."""
    for namespace in (small, big):
        began = time.perf_counter()
        namespace.remove_all()
        removed = time.perf_counter() - began
        began = time.perf_counter()
        rows = namespace.reap(_REAP_ROWS)
        took = time.perf_counter() - began
        print(
            f"{namespace.files:,} files removed by one commit in {removed * 1e3:.1f} ms, then ended in pages:"
            f" {rows:,} names at {rows / took:,.0f}/s"
        )


if __name__ == "__main__":
    main()
