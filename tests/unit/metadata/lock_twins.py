"""A database and the law of locks side by side: the same happens to both, and both must come to the same.

What is compared is everything: who holds and waits, in what order and under which fences, the keys of all
requests as the tree is now, and the counters of the clock. What belongs here: telling both the same. Not for
use by two threads.
"""

from __future__ import annotations

import random
import secrets
from typing import Any, NamedTuple

from cairnfs.core.locks.request import INODE, NAME, Key, Request, Spot, keys_of
from cairnfs.core.locks.table import Table
from cairnfs.errors import CairnError
from cairnfs.ids import ROOT, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.locks.acquire import Acquire
from cairnfs.metadata.ops.locks.breaking import Break
from cairnfs.metadata.ops.locks.release import Release
from cairnfs.metadata.ops.locks.upgrade import Upgrade
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.metadata.rows import clock, locks
from cairnfs.testing.ledger import NEVER_LATE, Ledger, link, mkdir, remove, rename, write
from cairnfs.wire.locks import (
    AcquireRequest,
    BreakRequest,
    LockPath,
    LockProof,
    LockToken,
    ReleaseRequest,
    TokenRequest,
)

TREE = ("/d/", "/d/e/", "/o/", "/d/f", "/d/e/h", "/o/g=/d/f", "/x")
#: Paths that may lead to something, and directories that may be there.
PATHS = ("/", "/d", "/d/e", "/o", "/d/f", "/d/e/h", "/o/g", "/x", "/n", "/d/n", "/o/e", "/o/e/h", "/d/e/f")


class Happens(NamedTuple):
    """One operation for the database, and the same for the law: given the error, if the database refused."""

    what: str
    operation: Any
    law: Any


class Twins:
    """Both, and whoever asks: two owners each of three sessions, which come back under new names."""

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self.ledger = ledger
        self.table = Table()
        self.chance = chance
        self.sessions = [ledger.begin(ledger.admin) for _ in range(3)]
        self.tokens: dict[int, str] = {}
        self.did: dict[str, int] = {}
        for name in TREE:
            path, _, same = name.partition("=")
            if path.endswith("/"):
                ledger.commit(mkdir(path[:-1]))
            else:
                ledger.commit(link(same, path) if same else write(path, b"x"))

    def step(self) -> None:
        """Something happens, or several things in one tx, the first of them perhaps a commit."""
        commit = self.commit() if self.chance.random() < 0.35 else None
        batch = [commit] if commit is not None else []
        batch += [self.one() for _ in range(self.chance.randint(not batch, 2))]
        answers = self.ledger.batch([one.operation for one in batch])
        self.names = self.tree()
        for one, answer in zip(batch, answers, strict=True):
            error = answer if isinstance(answer, CairnError) else None
            self.count(one.what, error)
            one.law(error, answer)
        self.compare()

    def one(self) -> Happens:
        """Something that concerns locks."""
        number = self.chance.choice([*self.table.requests, 0]) if self.table.requests else 0
        dice = self.chance.random()
        if number and dice < 0.25:
            return self.release(number)
        if number and dice < 0.3:
            return self.upgrade(number)
        if number and dice < 0.33:
            return self.break_it(number)
        if dice < 0.36:
            return self.end()
        return self.ask()

    def ask(self) -> Happens:
        session, owner = self.chance.choice(self.sessions), self.chance.choice("ab") * 32
        paths = self.chance.sample(PATHS, self.chance.choice((1, 1, 1, 1, 2, 3)))
        token, exclusive = secrets.token_hex(16), self.chance.random() < 0.6
        subtree, wait = self.chance.random() < 0.25, self.chance.random() < 0.8
        request = AcquireRequest(
            request_id=secrets.token_hex(16),
            session=session,
            owner=owner,
            token=token,
            paths=[LockPath(path=path) for path in paths],
            mode="exclusive" if exclusive else "shared",
            subtree=subtree,
            wait=wait,
        )

        def law(error: CairnError | None, answer: Any) -> None:
            if session not in self.sessions or (error is not None and error.code == "session_ended"):
                assert session not in self.sessions, f"a session was not ended: {error!r}"
                return
            spots = [self.spot(path) for path in paths]
            if None in spots:
                assert error is not None, f"some of {paths} cannot be"
                assert error.code in ("not_found", "not_a_directory"), error
                return
            known = [spot for spot in spots if spot]
            who = locks.owner_of(session, owner)
            made = self.alike(
                error,
                lambda: self.table.ask(who, known, exclusive=exclusive, subtree=subtree, wait=wait),
            )
            if made is None:
                return
            self.tokens[made.number] = token
            assert (answer.lock, answer.fence) == (made.number, made.fence)
            if not made.held:
                before = [one for one in self.table.blockers(made) if not one.held]
                assert answer.place == 1 + len(before)

        return Happens("ask", Acquire(self.ledger.admin, request, deadline=NEVER_LATE), law)

    def release(self, number: int) -> Happens:
        own = self.table.requests[number].owner
        numbers = {number, *(n for n, r in self.table.requests.items() if r.owner == own and n % 3 == 0)}
        named = [LockToken(lock=one, token=self.tokens[one]) for one in numbers]
        operation = Release(self.ledger.admin, ReleaseRequest(locks=named), deadline=NEVER_LATE)
        return self.same("release", operation, lambda: self.table.release(numbers))

    def upgrade(self, number: int) -> Happens:
        operation = Upgrade(
            self.ledger.admin, number, TokenRequest(token=self.tokens[number]), deadline=NEVER_LATE
        )
        return self.same("upgrade", operation, lambda: self.table.upgrade(number))

    def break_it(self, number: int) -> Happens:
        operation = Break(self.ledger.admin, number, BreakRequest(), deadline=NEVER_LATE)
        return self.same("break", operation, lambda: self.table.release([number]))

    def end(self) -> Happens:
        at = self.chance.randrange(len(self.sessions))
        session = self.sessions[at]

        def law() -> None:
            if session in self.sessions:
                self.sessions.remove(session)
            owners = {one.owner for one in self.table.requests.values() if one.owner.startswith(session)}
            self.table.end(owners)

        operation = EndSession(session, self.ledger.admin.user_id, deadline=NEVER_LATE)
        return self.same("end", operation, law)

    def commit(self) -> Happens:
        """A change to names, by somebody who shows what one owner holds, or nothing."""
        one, other = self.chance.sample(PATHS[1:], 2)
        tree = self.tree()
        files = [path for path, (_, kind) in tree.items() if kind == "file"] or [one]
        free = [path for path in PATHS if path not in tree] or [other]
        operation: Any = self.chance.choice(
            [rename(one, other), rename(one, other),
             link(self.chance.choice(files), self.chance.choice(free)), remove(one, recursive=True),
             write(one, b"new"), mkdir(self.chance.choice(free)), mkdir("/d/e"), mkdir("/d"), mkdir("/o"),
             write("/d/f", b"new")]
        )  # fmt: skip
        owners = sorted({one.owner for one in self.table.requests.values()})
        owner = self.chance.choice([*owners, None])
        proofs = [
            LockProof(lock=one.number, fence=one.fence, incarnation=1, token=self.tokens[one.number])
            for one in self.table.requests.values()
            if one.held and one.owner == owner
        ]
        prepared = self.ledger.prepared(operation, locks=proofs)

        def law(error: CairnError | None, _answer: Any) -> None:
            now = {number: self.keys_now(one) for number, one in self.table.requests.items()}
            if error is not None:
                assert all(now[number] == one.keys for number, one in self.table.requests.items())
                return
            self.table.rekey({n: keys for n, keys in now.items() if keys != self.table.requests[n].keys})
            owners = {one.owner for one in self.table.requests.values() if not one.held}
            for who in owners:
                waiting = [one for one in self.table.requests.values() if one.owner == who and not one.held]
                assert self.table.circle(waiting) is None, "a change let people wait in a circle"

        return Happens(type(operation).__name__, prepared, law)

    def same(self, what: str, operation: Any, law: Any) -> Happens:
        """An operation that the law allows or refuses alike."""

        return Happens(what, operation, lambda error, _answer: self.alike(error, law))

    def alike(self, error: CairnError | None, law: Any) -> Any:
        """What the law gives, or None where it refuses: it refuses as the database did."""
        refused, made = None, None
        try:
            made = law()
        except CairnError as one:
            refused = one
        said = [None if one is None else one.code for one in (error, refused)]
        assert said[0] == said[1], f"{refused!r} by law, but {error!r}"
        return made

    def compare(self) -> None:
        """Everything is the same on both sides."""

        def look(tx: Tx) -> tuple[Any, ...]:
            numbers = [row[0] for row in tx.rows("SELECT id FROM lock")]
            held = tx.rows("SELECT lock, min(held), max(held) FROM lock_key GROUP BY lock")
            return locks.requests(tx, numbers), clock.read(tx), held

        stored, now, held = self.ledger.read(look)
        assert {one.number: one for one in stored} == self.table.requests
        assert (now.locks, now.fence) == (len(stored), self.table.fence)
        assert {row[0]: row[1:] for row in held} == {
            one.number: (int(one.held), int(one.held)) for one in stored
        }
        while len(self.sessions) < 3:
            self.sessions.append(self.ledger.begin(self.ledger.admin))

    def count(self, what: str, error: CairnError | None) -> None:
        """Remember what came of it: a run in which nothing is refused tests little."""
        said = what if error is None else f"{what}: {error.code}"
        self.did[said] = self.did.get(said, 0) + 1

    def tree(self) -> dict[str, tuple[int, str]]:
        """All paths: the inode and its kind."""
        entries = self.ledger.everything().items()
        return {path.decode(): (int(entry.inode), entry.kind) for path, entry in entries}

    def spot(self, path: str) -> Spot | None:
        """The keys of a path; None where its directory is not there."""
        if path == "/":
            return Spot(None, Key(ROOT, INODE))
        above = self.above(path)
        if above is None:
            return None
        here = self.names.get(path)
        name = Key(above[-1], NAME, path.rpartition("/")[2].encode())
        if here is None:
            return Spot(name, None, above)
        around = {
            one
            for other, (inode, _) in self.names.items()
            if inode == here[0]
            for one in self.above(other) or ()
            if here[1] != "directory"
        }
        return Spot(name, Key(InodeId(here[0]), INODE), above, frozenset(around))

    def above(self, path: str) -> tuple[InodeId, ...] | None:
        """The directories above a path."""
        parts = path.split("/")[1:-1]
        ways = ["/", *("/" + "/".join(parts[:n]) for n in range(1, len(parts) + 1))]
        found = [self.names.get(way, (0, "")) for way in ways]
        if any(kind != "directory" for _, kind in found):
            return None
        return tuple(InodeId(inode) for inode, _ in found)

    def keys_now(self, request: Request) -> frozenset[Key]:
        """What the names of a request come to in the tree as it is."""
        where = {inode: path for path, (inode, kind) in self.names.items() if kind == "directory"}
        spots: list[Spot] = []
        for key in request.keys:
            if key.kind == NAME and key.inode in where:
                spot = self.spot(where[key.inode].rstrip("/") + "/" + key.name.decode())
                assert spot is not None
                spots.append(spot)
            elif key.kind == NAME:
                spots.append(Spot(key, None))
            elif key == Key(ROOT, INODE):
                spots.append(Spot(None, key))
        return keys_of(spots)
