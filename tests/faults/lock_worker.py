"""A process that takes its turns under locks until its standard input ends.

    python -m tests.faults.lock_worker tasks BOOKS NAME SEED      three tasks of one client
    python -m tests.faults.lock_worker threads BOOKS NAME SEED    two threads that wait for their calls
    python -m tests.faults.lock_worker child BOOKS NAME THING     one turn, under the lock of `cairn lock --`

It keeps its book in the directory BOOKS, and ends with a traceback where anything happens that may not.
SIGUSR1 makes it tell where it stands.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import cairnfs
from cairnfs.client.sync import Client
from cairnfs.testing.lock_history import Change, LockBook
from tests.faults.lock_deeds import COUNTERS, PASSING, Turn, Witness, names_of, read_value
from tests.faults.lock_rarities import Versatile

TASKS, THREADS = 3, 2


def when_told(tell: Callable[[], object]) -> None:
    """Call `tell` in a thread when standard input ends."""

    def listen() -> None:
        sys.stdin.read()
        tell()

    threading.Thread(target=listen, daemon=True).start()


async def tasks(books: Path, name: str, seed: str, witness: Witness) -> None:
    """Tasks of one client, whose locks exclude each other as any others do."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    when_told(lambda: loop.call_soon_threadsafe(stop.set))
    loop.add_signal_handler(signal.SIGUSR1, tell_tasks)
    book = LockBook(books / name, name)
    async with await cairnfs.connect_async() as files, asyncio.TaskGroup() as group:
        for number in range(TASKS):
            task = f"{name}-{number}"
            worker = Versatile(files, book, task, random.Random(f"{task}/{seed}"), witness)
            group.create_task(worker.work(stop))


def tell_tasks() -> None:
    """Where every task of this process stands."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


def threads(books: Path, name: str, seed: str, witness: Witness) -> None:
    """Threads of one client."""
    stop = threading.Event()
    when_told(stop.set)
    faulthandler.register(signal.SIGUSR1)

    def work(client: Client, task: str) -> None:
        book, dice = LockBook(books / task, name), random.Random(f"{task}/{seed}")
        turns = 0
        while not stop.is_set():
            turns += 1
            thing = dice.choice(COUNTERS)
            turn = Turn(book, f"{task}.{turns}", witness)
            take_turn(client, turn, thing, *(dice.choice(names_of(thing)) for _ in range(2)))

    with cairnfs.connect() as client, ThreadPoolExecutor() as pool:
        crew = [pool.submit(work, client, f"{name}-{number}") for number in range(THREADS)]
        wait(crew, return_when=FIRST_EXCEPTION)
        stop.set()
        for each in crew:
            each.result()


def take_turn(client: Client, turn: Turn, thing: str, locked: str, written: str) -> None:
    """One more in a counter, as who waits for each call does it."""
    through, files = client.inside()
    try:
        session = through.call(files.connection.sessions.begin()).id
    except PASSING:
        return
    turn.book.asked(turn.name, owner=f"{session}/{turn.name}", things=[thing])
    with turn.noting(), client.lock(locked) as held:
        turn.granted(held.proof)
        increment(client, turn, thing, written)
        turn.book.releasing(turn.name)


def increment(client: Client, turn: Turn, thing: str, path: str) -> None:
    """Read it, and write one more."""
    value = read_value(client.read_file(path))
    attempt = turn.sent({thing: Change(value, value + 1)})
    with turn.trying(attempt):
        made = client.write_file(path, b"%d %s\n" % (value + 1, attempt.encode()))
    turn.book.committed(attempt, made.commit)


def child(books: Path, name: str, thing: str, witness: Witness) -> None:
    """What `cairn lock -- COMMAND` runs: it shows the lock of its parent, who asked and will give it back."""
    book = LockBook(books / f"{name}-child", f"{name}-child")
    turn = Turn(book, name, witness)
    turn.granted(os.environ["CAIRN_LOCK"])
    with turn.noting(), cairnfs.connect() as client:
        increment(client, turn, thing, names_of(thing)[1])
        book.releasing(name)


def main() -> None:
    """Do the role until the end."""
    role, books, name, rest = sys.argv[1:]
    witness = Witness()
    with witness.watching():
        if role == "tasks":
            asyncio.run(tasks(Path(books), name, rest, witness))
        elif role == "threads":
            threads(Path(books), name, rest, witness)
        else:
            child(Path(books), name, rest, witness)


if __name__ == "__main__":
    main()
