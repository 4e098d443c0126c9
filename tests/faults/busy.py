"""A process that writes, or reads, until it is told to stop: `python -m tests.faults.busy ROLE ...`.

    writer BOOK SEED         writes files of its own and keeps its book
    reader BOOK SEED WRONG   reads what the book has acknowledged; writes what is wrong into WRONG

It ends at the end of its standard input. Trouble that passes (a server away) is met by trying on;
any other error ends it with a traceback and status 1.
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

import cairnfs
from cairnfs.client.sync import Client
from cairnfs.errors import NotFound, Unavailable
from tests.faults import acknowledged

#: Mostly small files, now and then one of several chunks.
SIZES = (0, 1, 100, 4096, 4096, 4096, 70_000, 1_500_000)
HOT_PATHS = 5


def write(client: Client, book: Path, chance: random.Random, stop: threading.Event) -> None:
    """New files and new versions of a few hot ones, each acknowledged in the book."""
    with book.open("a") as out:

        def note(what: str, path: str, digest: str) -> None:
            out.write(f"{what} {path} {digest}\n")
            out.flush()

        number = 0
        while not stop.is_set():
            number += 1
            name = f"hot-{number % HOT_PATHS}" if number % 3 == 0 else f"new-{number}"
            path = f"/faults/{book.stem}/{name}"
            content = chance.randbytes(chance.choice(SIZES))
            digest = acknowledged.digest(content)
            note("try", path, digest)
            try:
                client.write_file(path, content, parents=True)
            except Unavailable:
                note("no", path, digest)
            else:
                note("ok", path, digest)


def read(client: Client, book: Path, chance: random.Random, wrong: Path, stop: threading.Event) -> None:
    """Acknowledged new files, which nobody writes again: exactly their bytes, or trouble that passes."""
    with wrong.open("a") as out:
        while not stop.wait(0.01):
            known = [e for e in acknowledged.events(book) if e.what == "ok" and "/new-" in e.path]
            if not known:
                continue
            event = chance.choice(known)
            try:
                found = acknowledged.digest(client.read_file(event.path))
            except NotFound:
                found = acknowledged.ABSENT
            except Unavailable:
                continue
            out.write(f"{'right' if found == event.digest else 'WRONG'} {event.path}\n")
            out.flush()


def main() -> None:
    """Do the role until standard input ends."""
    role, book, seed, *rest = sys.argv[1:]
    stop = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    chance = random.Random(f"{role}/{book}/{seed}")
    with cairnfs.connect() as client:
        if role == "writer":
            write(client, Path(book), chance, stop)
        else:
            read(client, Path(book), chance, Path(rest[0]), stop)


if __name__ == "__main__":
    main()
