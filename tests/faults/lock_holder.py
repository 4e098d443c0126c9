"""A process that holds locks and is frozen: `python -m tests.faults.lock_holder BOOK NAME CHECK`.

It takes orders, one a line, and answers each with a line:

    hold PATH THING     takes the lock and increments the file: `held`
    brace MOMENT        says `braced`, and stands still until `go` (MOMENT is `still`), or goes on until a
                        commit is on its way, and freezes itself there (`sending`)
    go                  tries to commit, awake again: `refused by client: LockLost` (or CancelledError, where
                        the body was ended), or `committed NUMBER`

With CHECK `off` it never looks whether its lease is over (`cairnfs.testing.planted_lock_client`): then only
the server can refuse it. What belongs here: the holder. What does not: who freezes it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import cairnfs
from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import CairnError
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.transport import Request, Response
from cairnfs.testing.lock_history import Change, LockBook
from cairnfs.testing.planted_lock_client import never_looking
from tests.faults.lock_deeds import Turn, Witness, read_value

COMMITS = "/v1/commits"


@contextmanager
def freezing_while_sending() -> Iterator[None]:
    """When all checks are done and a commit is about to leave, the process stops, once."""
    honest = HttpTransport.request
    done = False

    async def request(transport: HttpTransport, request: Request) -> Response:
        nonlocal done
        if request.target == COMMITS and not done:
            done = True
            os.kill(os.getpid(), signal.SIGSTOP)
        return await honest(transport, request)

    with patch.object(HttpTransport, "request", request):
        yield


class Holder:
    """Does as it is told."""

    def __init__(
        self, files: Filesystem, book: LockBook, name: str, *, looks: bool, witness: Witness
    ) -> None:
        self.files = files
        self.book = book
        self.name = name
        self.looks = looks
        self.witness = witness
        self.rounds = 0

    async def hold(self, path: str, thing: str) -> str:
        """One round. What it came to."""
        self.rounds += 1
        session = (await self.files.connection.sessions.begin()).id
        turn = Turn(self.book, f"{self.name}.{self.rounds}", self.witness)
        self.book.asked(turn.name, owner=f"{session}/{turn.name}", things=[thing])
        outcome = "committed nothing"
        with turn.noting():
            async with self.files.lock(path) as held:
                turn.granted(held.proof)
                await self._increment(turn, path, thing)
                with nullcontext() if self.looks else never_looking():
                    try:
                        outcome = f"committed {await self._frozen(turn, path, thing)}"
                    except (CairnError, asyncio.CancelledError) as error:
                        outcome = f"refused by {self.witness.side(error)}: {type(error).__name__}"
                        raise
                self.book.releasing(turn.name)
        return outcome

    async def _frozen(self, turn: Turn, path: str, thing: str) -> int:
        _say("held")
        # The lease is renewed until this comes, and would be for as long as one likes.
        _, moment = (await asyncio.to_thread(_told)).split()
        _say("braced")
        if moment == "sending":
            with freezing_while_sending():
                return await self._increment(turn, path, thing)
        # The loop stands still: what comes next is the commit, before any clock is looked at by itself.
        assert _told() == "go"
        return await self._increment(turn, path, thing)

    async def _increment(self, turn: Turn, path: str, thing: str) -> int:
        # The second time it relies on what it read under the lock, as whoever holds one may.
        value = turn.wrote if turn.tried else read_value(await self.files.read_file(path))
        turn.wrote = value + 1
        attempt = turn.sent({thing: Change(value, value + 1)})
        with turn.trying(attempt):
            made = await self.files.write_file(path, b"%d %s\n" % (value + 1, attempt.encode()))
        self.book.committed(attempt, made.commit)
        return made.commit


def _told() -> str:
    """The next order; "" at the end."""
    return sys.stdin.readline().strip()


def _say(answer: str) -> None:
    print(answer, flush=True)


async def main(book: Path, name: str, *, looks: bool) -> None:
    """One round after the other, until standard input ends."""
    witness = Witness()
    with witness.watching():
        async with await cairnfs.connect_async() as files:
            holder = Holder(files, LockBook(book, name), name, looks=looks, witness=witness)
            _say("ready")
            while order := (await asyncio.to_thread(_told)).split():
                _say(await holder.hold(*order[1:]))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], looks=sys.argv[3] == "on"))
