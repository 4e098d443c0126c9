"""What really happened to locks, written down by those to whom it happened: a line of JSON for each event.

    book = LockBook(Path("here/worker-3"), "worker-3")
    book.asked("w3-1", owner="5e.../1", things=["counter-2"])
    book.granted("w3-1", lock=17, fence=40)
    book.sent("w3-1", "w3-1.0", {"counter-2": Change(read=4, wrote=5)})
    book.committed("w3-1.0", commit=812)
    book.releasing("w3-1")

Every process keeps a book of its own; `read_books` puts them together in the order of the machine's clock,
which all its processes share. What a lock is for is told as *things*, not as paths: two names of one file are
one thing, whatever the cluster makes of them. What belongs here: the events, and keeping them. What does not:
what must be true of them (`lock_laws.py`). A book is one thread's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from cairnfs.clock import SystemClock

Mode = Literal["exclusive", "shared"]
Side = Literal["client", "server"]
Fate = Literal["killed", "frozen", "woken"]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What a commit found in a thing, and what it made of it."""

    read: int
    wrote: int


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what", tag=str.lower):
    """Something that happened to a process. `at_s`: seconds of the machine's clock since it started."""

    at_s: float
    process: str


class Asked(Event, frozen=True, kw_only=True):
    """A request is about to be sent. `request` is a name of its own in the whole history.

    Requests of one `owner` do not exclude each other. It reads `SESSION/NAME`. One without things is no
    request, but somebody who commits without a lock.
    """

    request: str
    owner: str
    things: list[str]
    mode: Mode = "exclusive"


class Granted(Event, frozen=True, kw_only=True):
    """It was granted, or upgraded to `mode` under a fence anew."""

    request: str
    lock: int
    fence: int
    mode: Mode | None = None


class Gave_up(Event, frozen=True, kw_only=True):  # noqa: N801 -- as it is written in the book
    """It was refused, or is no longer wanted, before it was granted."""

    request: str
    error: str


class Releasing(Event, frozen=True, kw_only=True):
    """It is about to be given back."""

    request: str


class Lost(Event, frozen=True, kw_only=True):
    """Its holder knows that it is held no more, by its own clock or the server's word."""

    request: str
    error: str
    by: Side


class Sent(Event, frozen=True, kw_only=True):
    """A commit under it is about to be sent. `attempt` is a name of its own, written into what it changes."""

    request: str
    attempt: str
    changes: dict[str, Change]


class Committed(Event, frozen=True, kw_only=True):
    """The commit was acknowledged."""

    attempt: str
    commit: int


class Refused(Event, frozen=True, kw_only=True):
    """The commit surely never takes effect. Where neither this nor `Committed` follows, nobody knows."""

    attempt: str
    error: str
    by: Side


class Befell(Event, frozen=True, kw_only=True):
    """A signal reached the process `whom`."""

    whom: str
    fate: Fate


class Seen(Event, frozen=True, kw_only=True):
    """Whoever looks on saw that a session holds a lock."""

    lock: int
    session: str


class Breaking(Event, frozen=True, kw_only=True):
    """Somebody is about to break this lock, whose holder may not know for a while."""

    lock: int


AnyEvent = (
    Asked | Granted | Gave_up | Releasing | Lost | Sent | Committed | Refused | Befell | Seen | Breaking
)


class LockBook:
    """The book of one process.

    Each line is one write, without a buffer: of a killed process nothing is lost but what it had not written.
    It is not fsynced, since the machine is not what fails here.
    """

    def __init__(self, file: Path, process: str) -> None:
        self.process = process
        self._clock = SystemClock()
        self._out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def asked(
        self,
        request: str,
        *,
        owner: str,
        things: Iterable[str],
        mode: Mode = "exclusive",
        process: str | None = None,
    ) -> None:
        """To be called before the request is sent, by another `process` perhaps, which keeps no book."""
        told = {"process": process} if process else {}
        self._write(Asked, request=request, owner=owner, things=list(things), mode=mode, **told)

    def granted(self, request: str, *, lock: int, fence: int, mode: Mode | None = None) -> None:
        """To be called when the answer is there."""
        self._write(Granted, request=request, lock=lock, fence=fence, mode=mode)

    def gave_up(self, request: str, error: BaseException | str) -> None:
        """To be called where no grant comes."""
        self._write(Gave_up, request=request, error=_name(error))

    def releasing(self, request: str) -> None:
        """To be called before the release is sent."""
        self._write(Releasing, request=request)

    def lost(self, request: str, error: BaseException | str, by: Side) -> None:
        """To be called as soon as it is known."""
        self._write(Lost, request=request, error=_name(error), by=by)

    def sent(self, request: str, attempt: str, changes: Mapping[str, Change]) -> None:
        """To be called before the commit is sent."""
        self._write(Sent, request=request, attempt=attempt, changes=dict(changes))

    def committed(self, attempt: str, commit: int) -> None:
        """To be called when the answer is there."""
        self._write(Committed, attempt=attempt, commit=commit)

    def refused(self, attempt: str, error: BaseException | str, by: Side) -> None:
        """To be called where the outcome is known, and is nothing."""
        self._write(Refused, attempt=attempt, error=_name(error), by=by)

    def befell(self, whom: str, fate: Fate) -> None:
        """To be called before a signal is sent that stops a process, after one that wakes it."""
        self._write(Befell, whom=whom, fate=fate)

    def breaking(self, lock: int) -> None:
        """To be called before a lock is broken."""
        self._write(Breaking, lock=lock)

    def seen(self, lock: int, session: str) -> None:
        """To be called by whoever looks at the cluster's own list of locks."""
        self._write(Seen, lock=lock, session=session)

    def close(self) -> None:
        """The end of the book."""
        os.close(self._out)

    def _write(self, kind: type[AnyEvent], **told: Any) -> None:
        event = kind(at_s=self._clock.boottime(), **{"process": self.process, **told})
        os.write(self._out, msgspec.json.encode(event) + b"\n")


_DECODER = msgspec.json.Decoder(AnyEvent)


def read_books(files: Iterable[Path]) -> list[AnyEvent]:
    """The whole lines of all books, in the order of time; of a line that was cut off, nothing."""
    found: list[AnyEvent] = []
    for file in files:
        *lines, _cut = file.read_bytes().split(b"\n")
        found += [_DECODER.decode(line) for line in lines]
    return sorted(found, key=lambda event: event.at_s)


def _name(error: BaseException | str) -> str:
    return error if isinstance(error, str) else f"{type(error).__name__}: {error}"
