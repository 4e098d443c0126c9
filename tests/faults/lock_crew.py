"""Processes that work under locks, and what is done to them: killed, frozen, woken, replaced.

What belongs here: the processes, their fates, and what the cluster says afterwards. What does not: which
fates there are in which test.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cairnfs.client.sync import Client
from cairnfs.errors import Unavailable
from cairnfs.local import cluster_file, members
from cairnfs.local.paths import CONTROL, ClusterPlaces
from cairnfs.local.processes import Process
from cairnfs.testing.lock_history import AnyEvent, LockBook, read_books
from cairnfs.testing.lock_story import Version
from cairnfs.wire import endpoints
from cairnfs.wire.locks import ListLocksRequest, LockItem
from tests.faults.lock_deeds import ACCOUNTS, COUNTERS, names_of, read_value
from tests.scenarios.people import Person, eventually

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@dataclass
class Member:
    """One process. `wake_at`: when it is to go on, of one that is frozen."""

    role: str
    name: str
    process: subprocess.Popen[bytes]
    wake_at: float | None = None


@dataclass
class Crew:
    """Members by their names; each fate is noted in the driver's book and counted."""

    person: Person
    books: Path
    seed: int
    members: dict[str, Member] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        self.books.mkdir(parents=True, exist_ok=True)
        self.book = LockBook(self.books / "driver", "driver")

    def hire(self, role: str) -> Member:
        """One more member: `tasks`, `threads`, or `command`, which takes one turn."""
        self._number += 1
        name = f"{role}{self._number}"
        if role == "command":
            return self._command(name)
        return self._begin(
            role, name, ["-m", "tests.faults.lock_worker", role, str(self.books), name, str(self.seed)]
        )

    def _command(self, name: str) -> Member:
        """`cairn lock PATH -- COMMAND`, whose command increments a counter by its other name."""
        thing = random.Random(f"{name}/{self.seed}").choice(COUNTERS)
        child = ["-m", "tests.faults.lock_worker", "child", str(self.books), name, thing]
        self.book.asked(name, owner=f"{name}/1", things=[thing], process=name)
        return self._begin(
            "command", name, ["-m", "cairnfs.cli", "lock", names_of(thing)[0], "--", sys.executable, *child]
        )

    def _begin(self, role: str, name: str, arguments: list[str]) -> Member:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env=self.person.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.members[name] = Member(role, name, process)
        self.counts[role] += 1
        return self.members[name]

    # -- fates -------------------------------------------------------------------------------------------

    def kill(self, member: Member) -> None:
        """SIGKILL, awake or frozen; another takes its place."""
        self.book.befell(member.name, "killed")
        member.process.kill()
        _, complaint = member.process.communicate(timeout=PATIENCE_S)
        self._judge(member, complaint, -signal.SIGKILL)
        self.counts["killed"] += 1
        self.hire(member.role)

    def freeze(self, member: Member, seconds: float) -> None:
        """SIGSTOP for so long, unless it is frozen already."""
        if member.wake_at is not None:
            return
        self.book.befell(member.name, "frozen")
        member.process.send_signal(signal.SIGSTOP)
        member.wake_at = time.monotonic() + seconds
        self.counts["frozen"] += 1

    def wake(self, *, everybody: bool = False) -> None:
        """SIGCONT for whoever is to go on by now."""
        for member in self.members.values():
            if member.wake_at is not None and (everybody or time.monotonic() >= member.wake_at):
                member.process.send_signal(signal.SIGCONT)
                self.book.befell(member.name, "woken")
                member.wake_at = None

    def replace_ended(self) -> None:
        """A command that has had its turn is followed by another; nobody else may end."""
        for member in list(self.members.values()):
            if member.process.poll() is not None:
                _, complaint = member.process.communicate(timeout=PATIENCE_S)
                self._judge(member, complaint, 0)
                if member.role == "command":
                    self.hire("command")

    def _judge(self, member: Member, complaint: bytes, status: int) -> None:
        """One that ended as it should said nothing of a traceback."""
        del self.members[member.name]
        if member.role == "command":
            self.book.gave_up(member.name, f"ended with status {member.process.returncode}")
            self.counts[f"command {member.process.returncode}"] += 1
            ok = b"Traceback" not in complaint
        else:
            ok = member.process.returncode == status and not complaint
        if not ok:
            said = complaint.decode(errors="replace")
            self.failures.append(f"{member.name} ended with {member.process.returncode}: {said}")

    # -- the end -----------------------------------------------------------------------------------------

    def dismiss(self) -> None:
        """Everybody finishes their turn and goes."""
        self.wake(everybody=True)
        for member in self.members.values():
            assert member.process.stdin is not None
            with suppress(BrokenPipeError):
                member.process.stdin.close()
            member.process.stdin = None
        for member in list(self.members.values()):
            try:
                _, complaint = member.process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                member.process.send_signal(signal.SIGUSR1)
                time.sleep(1.0)  # to say where it stands
                member.process.kill()
                _, complaint = member.process.communicate(timeout=PATIENCE_S)
            self._judge(member, complaint, 0)

    def leave(self) -> None:
        """Whatever happened, leave nobody."""
        for member in self.members.values():
            if member.process.poll() is None:
                member.process.kill()
                member.process.communicate()

    def events(self) -> list[AnyEvent]:
        """What all books say by now."""
        return read_books(sorted(self.books.iterdir()))


@contextmanager
def crew(person: Person, books: Path, seed: int) -> Iterator[Crew]:
    """A crew without members yet, which is gone at the end of the body."""
    made = Crew(person, books, seed)
    try:
        yield made
    finally:
        made.leave()
        made.book.close()


class ControlPlane:
    """The control plane of a person's cluster: killed and started again at once, or frozen for a while."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._places = ClusterPlaces(person.data)
        self._process = Process(self._places, CONTROL)

    def kill(self) -> None:
        """SIGKILL; returns when it serves again."""
        os.kill(self._pid(), signal.SIGKILL)
        eventually(lambda: self._process.pid() is None, "the control plane to be gone")
        self.bury()
        cluster = cluster_file.load(self._places.cluster_file)
        assert cluster is not None
        self._process.start(members.serve_arguments(self._places, cluster, CONTROL))
        self._process.wait_until_ready()

    def bury(self) -> None:
        """See the end of the process that was started here, if one was, and has ended."""
        eventually(lambda: self._process.child_pid is None or self._process.died() is not None)

    def freeze(self, seconds: float) -> None:
        """SIGSTOP for so long."""
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    def _pid(self) -> int:
        pid = self.person.pid(CONTROL)
        assert pid is not None, "the control plane does not run"
        return pid


# -- what the cluster says -------------------------------------------------------------------------------


def locks_of(client: Client, *, timeout_s: float = 10.0) -> list[LockItem]:
    """All locks and requests that there are."""
    return client.ask(endpoints.LIST_LOCKS, ListLocksRequest(), timeout_s=timeout_s).locks


def look_on(client: Client, book: LockBook) -> None:
    """Note which sessions are seen to hold locks, unless the control plane is away."""
    with suppress(Unavailable):
        for item in locks_of(client, timeout_s=0.3):
            if item.state == "held":
                book.seen(item.lock, item.session)


def versions_of(client: Client) -> list[Version]:
    """Everything that counters and accounts ever were, by the cluster's own history."""
    found = []
    for thing in (*COUNTERS, *ACCOUNTS):
        path = names_of(thing)[0]
        written = [item.commit for item in client.history(path) if item.what in ("created", "written")]
        for commit in reversed(written):
            content = client.read_file(path, at=commit)
            found.append(Version(thing, commit, content.split()[1].decode(), read_value(content)))
    return found
