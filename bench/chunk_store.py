"""`python -m bench.chunk_store`: the chunk store alone, and what else its index could be.

What belongs here: the figures of docs/design/0004-chunk-store.md. One process, one disk, no network.
Prints lines; removes what it made.
"""

from __future__ import annotations

import argparse
import functools
import gc
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.puts import Put
from cairnfs.fileserver.recovery import FILE
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.table import Checkpoint, Table, Totals
from cairnfs.fileserver.writer import Writer
from cairnfs.ids import ClusterId, CommitNumber, FileserverId, Hash

RANDOM = random.Random(1)
ENTRY = bytes(36)


def main() -> None:
    """Everything, or with `--only` one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*PARTS])
    parser.add_argument("--chunks", type=int, default=1_000_000, help="for the large parts")
    parser.add_argument("--directory", type=Path, default=Path.cwd())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as path:
        for name, part in PARTS.items():
            if asked.only in (None, name):
                print(f"\n{name}")
                part(Path(path), asked.chunks)


def pss_mb() -> float:
    """Of this process."""
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def timed(what: str, count: int, function: Callable[[], object], size: int = 0) -> None:
    """One line with the rate, the time and the processor time for each."""
    start, used = time.perf_counter(), time.process_time()
    function()
    took, used = time.perf_counter() - start, time.process_time() - used
    rate = f"{count / took:12,.0f}/s {took / count * 1e6:10.1f} us, {used / count * 1e6:8.1f} us cpu"
    print(f"  {what:48} {rate}" + (f" {count * size / took / 1e6:8,.0f} MB/s" if size else ""))


def fresh(path: Path) -> Store:
    """An empty store."""
    shutil.rmtree(path, ignore_errors=True)
    claim(path, ClusterId("bench"), FileserverId(1))
    return Store.open(path)


def puts(count: int, size: int) -> list[Put]:
    """Different chunks, as a fileserver has them: already checked."""
    rest = RANDOM.randbytes(size)[32:]
    data = [RANDOM.randbytes(32) + rest for _ in range(count)]
    return [Put(Hash(blake3(one).digest()), one, CommitNumber(1), checked=True) for one in data]


def machine(path: Path, _: int) -> None:
    """What the disk does by itself."""
    fd = os.open(path / "probe", os.O_CREAT | os.O_RDWR)
    at = 0
    for size, count in ((4096, 1000), (65536, 500), (1 << 20, 100)):
        data = RANDOM.randbytes(size)

        def write(data: bytes = data, count: int = count) -> None:
            nonlocal at
            for _ in range(count):
                os.pwrite(fd, data, at)
                os.fdatasync(fd)
                at += len(data)

        timed(f"append and fdatasync of {size} bytes", count, write, size)
    os.close(fd)


def rates(path: Path, _: int) -> None:
    """Puts in batches, then gets of what was just written."""
    for size, batch, count in (
        (4096, 1, 2000), (4096, 16, 16_000), (4096, 256, 64_000), (65_536, 16, 4800),
        (1 << 20, 4, 800), (4 << 20, 4, 160),
    ):  # fmt: skip
        store = fresh(path / "rates")
        given = puts(count, size)

        def put(store: Store = store, given: list[Put] = given, batch: int = batch) -> None:
            for start in range(0, len(given), batch):
                store.put_many(given[start : start + batch])

        def get(store: Store = store, given: list[Put] = given) -> None:
            for one in given:
                store.get(one.hash)

        timed(f"put of {size} bytes, {batch} a batch", count, put, size)
        RANDOM.shuffle(given)
        timed(f"get of {size} bytes, verified", count, get, size)
        store.close()


def callers(path: Path, _: int) -> None:
    """Threads that each wait for their own chunk, through the writer."""
    for count in (1, 2, 4, 8, 16, 64):
        store = fresh(path / "callers")
        writer = Writer(store)
        each = 4000 // count
        given = [puts(each, 4096) for _ in range(count)]

        def call(mine: list[Put], writer: Writer = writer) -> None:
            for one in mine:
                writer.submit([one]).result()

        threads = [threading.Thread(target=call, args=(mine,)) for mine in given]

        def run(threads: list[threading.Thread] = threads) -> None:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        timed(f"put of 4096 bytes by {count} callers", each * count, run)
        writer.close()
        store.close()


def large(path: Path, chunks: int) -> None:
    """A store of many small chunks: put rate as it grows, lookups, memory, openings."""
    directory = path / "large"
    store = fresh(directory)
    base = pss_mb()
    sample: list[Put] = []
    for done in range(0, chunks, chunks // 4):
        given: list[Put] = []

        def put(sample: list[Put] = sample, given: list[Put] = given) -> None:
            for _ in range(chunks // 4 // 256):
                given[:] = puts(256, 512)
                store.put_many(given)
                sample.extend(given[:2])

        timed(f"put of 512 bytes, {done:,} there (making them counted)", chunks // 4, put)
    print(f"  memory: {base:.0f} MB PSS empty, {pss_mb():.0f} MB with {store.stats().chunks:,} chunks")
    RANDOM.shuffle(sample)
    del sample[20_000:]

    def get() -> None:
        for one in sample:
            store.get(one.hash)

    timed("get of 512 bytes", len(sample), get)
    missing = [Hash(RANDOM.randbytes(32)) for _ in range(16_384)]
    timed("looking for chunks that are not there, 256 a time", len(missing), lambda: [
        store.find_many(missing[start : start + 256]) for start in range(0, len(missing), 256)
    ])  # fmt: skip
    store.flush()
    print(f"  index file: {(directory / 'index' / FILE).stat().st_size / 1e6:.0f} MB")
    timed("inventory in pages of 10,000", store.stats().chunks, lambda: inventory(store))
    store.close()
    openings(directory)


def inventory(store: Store) -> None:
    """All of it."""
    low: bytes | None = bytes(32)
    while low is not None:
        low = store.inventory(low).next


def openings(directory: Path) -> None:
    """In a process of their own, so that memory is theirs."""
    for what in ("after a clean close", "after a kill", "index deleted"):
        if what == "index deleted":
            shutil.rmtree(directory / "index")
        command = [sys.executable, "-c", OPEN, str(directory), what]
        print(
            f"  opening {what}: "
            + subprocess.run(command, capture_output=True, text=True, check=True).stdout,
            end="",
        )


OPEN = """
import os, sys, time
from pathlib import Path
from bench.chunk_store import RANDOM, pss_mb, puts
from cairnfs.fileserver.store import Store
start = time.perf_counter()
store = Store.open(Path(sys.argv[1]))
took = time.perf_counter() - start
cpu = time.process_time()
print(f"{took:.2f} s ({cpu:.2f} s cpu with the interpreter's start)", end=", ")
print(f"{store.stats().replayed:,} records replayed, {pss_mb():.0f} MB PSS", flush=True)
RANDOM.seed()
if sys.argv[2] == "after a clean close":
    for _ in range(100):
        store.put_many(puts(256, 512))
    os._exit(0)
store.close()
"""


def indexes(path: Path, chunks: int) -> None:
    """What the index could be: time of the index alone for each new entry, and memory."""
    base = pss_mb()
    entries: dict[bytes, bytes] = {}

    def fill() -> None:
        for _ in range(chunks):
            entries[RANDOM.randbytes(32)] = RANDOM.randbytes(36)

    timed(f"dictionary, {chunks:,} entries", chunks, fill)
    print(f"  dictionary: {pss_mb() - base:.0f} MB")
    entries.clear()
    for flush in (8192, 32_768):
        for journal in ("WAL", "OFF"):
            file = path / f"index-{journal}-{flush}"
            table = Table(file, building=journal == "OFF")
            label = f"SQLite, journal {journal}, {flush} a time"
            timed(label, chunks, functools.partial(grow, table, chunks, flush))
            table.close()
            print(f"  file: {file.stat().st_size / 1e6:.0f} MB")
            file.unlink()
    print(f"  SQLite {sqlite3.sqlite_version}: {pss_mb() - base:.0f} MB more than before the dictionary")


def grow(table: Table, chunks: int, flush: int) -> None:
    """Write so many random entries."""
    for done in range(0, chunks, flush):
        rows = {RANDOM.randbytes(32): ENTRY for _ in range(flush)}
        table.write(rows, Checkpoint(totals=Totals(rows=done + flush)))


PARTS = {"machine": machine, "rates": rates, "callers": callers, "large": large, "indexes": indexes}

if __name__ == "__main__":
    main()
