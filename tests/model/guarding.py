"""Commits at random beside locks at random, each held against two pictures of the tree (`lock_oracle`).

    guard(ledger, rng)       many steps; raises AssertionError where Cairn and the oracle differ

What belongs here: the steps: asking for locks, giving them back, commits of all verbs with the right proofs,
with stale and stolen ones or none, trees that are attached and copied, several operations in one tx. After
each step the whole store is verified. What does not: single rules (`unit/metadata/guard_stories`).
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from typing import Any

from cairnfs.errors import CairnError, Deadlock, Locked, LockLost, LockTokenWrong
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State
from cairnfs.metadata.state.locks import Shown
from cairnfs.testing.ledger import (
    Ledger,
    chattr,
    copy,
    link,
    mkdir,
    remove,
    rename,
    setxattr,
    symlink,
    write,
)
from cairnfs.wire.commits import Operation
from cairnfs.wire.locks import LockProof
from tests.model.lock_oracle import Lock, Picture, Spot, exclude, in_a_circle, touches, two_hold
from tests.unit.metadata.building import Building
from tests.unit.metadata.copying import Copying
from tests.unit.metadata.holders import Holder

STEPS = 60
NAMES = "abc"


class _Tried(Exception):
    """Carries what a trial found out of the tx that is rolled back."""

    def __init__(self, before: Picture, after: Picture | None, error: CairnError | None) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self.error = error


class Story:
    """The locks that were asked for, by number: which names each is for."""

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self.ledger = ledger
        self.rng = rng
        self.holders = [Holder(ledger) for _ in range(3)]
        self.spots: dict[int, tuple[Spot, ...]] = {}
        self.lost: list[LockProof] = []
        self.ann = ledger.person("ann")
        self.told: Counter[str] = Counter()
        ledger.commit(
            *[mkdir(f"/{one}/{two}", parents=True) for one in NAMES for two in NAMES[:2]],
            *[write(f"/{one}/{two}/f", b"x") for one in NAMES for two in NAMES[:2]],
            link("/a/a/f", "/b/c"),
            link("/b/b/f", "/c/c"),
            symlink("/s", "a"),
        )

    # -- locks ---------------------------------------------------------------------------------------

    def locks(self) -> list[Lock]:
        """As the tables have them."""
        rows = self.ledger.read(
            lambda tx: tx.rows(
                "SELECT id, session || '/' || owner, exclusive, subtree, fence FROM lock ORDER BY id"
            )
        )
        return [
            Lock(number, owner, exclusive == 1, subtree == 1, self.spots[number], fence)
            for number, owner, exclusive, subtree, fence in rows
        ]

    def picture(self) -> Picture:
        return self.ledger.read(Picture)

    def ask(self) -> None:
        holder, rng = self.rng.choice(self.holders), self.rng
        tree = self.picture()
        paths = {self.some_path(tree) for _ in range(rng.choice([1, 1, 1, 2]))}
        paths |= {"/"} if rng.random() < 0.04 else set()
        how = {"shared": rng.random() < 0.3, "subtree": rng.random() < 0.25, "wait": rng.random() < 0.6}
        try:
            spots = tuple(tree.at(path.encode()) for path in paths)
            reply = holder.ask(*paths, follow=False, **how)
        except (CairnError, KeyError) as error:
            self.told[f"ask {type(error).__name__}"] += 1
            return
        self.spots[reply.lock] = spots
        self.told[f"ask {reply.state}"] += 1

    def release(self) -> None:
        holder = self.rng.choice(self.holders)
        if holder.replies:
            number = self.rng.choice([*holder.replies])
            self.lost.append(self._proof(holder, number))
            holder.release(number)

    def _proof(self, holder: Holder, number: int) -> LockProof:
        row = self.ledger.read(lambda tx: tx.row("SELECT fence FROM lock WHERE id = ?", number))
        assert row is not None
        return holder.proof(number, fence=row[0])

    def proofs(self, holder: Holder) -> list[LockProof]:
        """What a holder shows: all that it holds, or less, or another's too, or what is no good."""
        rng = self.rng
        mine = [one for one in self.held(holder) if rng.random() < 0.9]
        chance = rng.random()
        if chance < 0.2:
            return []
        if chance < 0.3:
            return mine + self.held(rng.choice([one for one in self.holders if one is not holder]))
        if chance < 0.36 and self.lost:
            return [*mine, rng.choice(self.lost)]
        if chance < 0.4 and mine:
            one = rng.choice(mine)
            return [LockProof(lock=one.lock, fence=one.fence, incarnation=one.incarnation, token="0" * 32)]
        if chance < 0.43 and mine:
            one = rng.choice(mine)
            return [
                LockProof(lock=one.lock, fence=one.fence - 1, incarnation=one.incarnation, token=one.token)
            ]
        return mine

    def held(self, holder: Holder) -> list[LockProof]:
        return [one for number in holder.replies if (one := self._proof(holder, number)).fence]

    def no_good(self, holder: Holder, proofs: list[LockProof]) -> type[CairnError] | None:
        """What the first bad proof is refused by."""
        known = {one: self._proof(other, one) for other in self.holders for one in other.replies}
        for one in proofs:
            real = known.get(one.lock)
            if real is None:
                return LockLost
            if real.token != one.token:
                return LockTokenWrong
            if real.fence != one.fence:
                return LockLost
        return None

    # -- commits -------------------------------------------------------------------------------------

    def some_path(self, tree: Picture) -> str:
        known = [tree.path(spot).decode() for spot in tree.names]
        known = [path for path in known if not path.startswith("/home")]
        if known and self.rng.random() < 0.65:
            path = self.rng.choice(known)
            return path + f"/{self.rng.choice(NAMES)}" if self.rng.random() < 0.25 else path
        up = self.rng.choice(["", "", *(one for one in known if one.count("/") < 3)])
        return f"{up}/{self.rng.choice(NAMES)}"

    def operation(self, tree: Picture) -> Operation:
        path, other = self.some_path(tree), self.some_path(tree)
        rng, yes = self.rng, self.rng.random() < 0.5
        made: list[Operation] = [
            write(path, b"%d" % rng.randrange(4), parents=yes),
            write(path, b"%d" % rng.randrange(4)),
            mkdir(path, parents=True),
            mkdir(path),
            symlink(path, rng.choice([other, other[1:], ".."]), replace=yes),
            link(path, other, replace=yes),
            link(path, other),
            link(path, other, follow=yes),
            remove(path, recursive=yes),
            remove(path),
            rename(path, other, replace=yes),
            rename(path, other),
            rename(path, other),
            chattr(path if yes else rng.choice([path, "/"]), mode=rng.choice([0o700, 0o755]), follow=yes),
            setxattr(path, "user.a", b"%d" % rng.randrange(9)),
            copy(path, other, parents=yes),
        ]
        return rng.choice(made)

    def prepared(self, proofs: list[LockProof]) -> Any:
        """A commit, or the attaching of a tree."""
        tree = self.picture()
        chance = self.rng.random()
        directories = [path.decode() for path in tree.directories.values() if path and path[:5] != b"/home"]
        if chance < 0.06:
            target = self.some_path(tree)
            try:
                building = Building(self.ledger, target)
            except CairnError:
                building = Building(self.ledger, "/new")
            building.extend(write("/inside", b"x"))
            return self.ledger.prepared(building.attaching(target, replace=True), locks=proofs)
        if chance < 0.12 and directories:
            copying = Copying(self.ledger, self.rng.choice(directories), self.some_path(tree), replace=True)
            try:
                for _ in copying.steps():
                    pass
            except CairnError:
                return self.ledger.prepared(mkdir("/x/y/z", parents=True), locks=proofs)
            attach = copying.attach()
            attach.locks = Shown.of(self.ledger.admin, proofs)
            return attach
        operations = [self.operation(tree) for _ in range(self.rng.choice([1, 1, 1, 2, 3]))]
        return self.ledger.prepared(*operations, locks=proofs)

    def commit(self) -> None:
        holder = self.rng.choice(self.holders)
        proofs = self.proofs(holder)
        asked = self.prepared(proofs)
        locks = self.locks()
        tried = trial(self.ledger, asked)
        expected = self.expected(holder, proofs, locks, tried)
        try:
            self.ledger.do(asked)
            outcome: CairnError | None = None
        except CairnError as error:
            outcome = error
        got = None if outcome is None else type(outcome)
        self.told[f"commit {got.__name__ if got else 'done'}"] += 1
        shown = {one.lock for one in proofs}
        assert got is expected, (
            f"{got and got.__name__}: {outcome}, expected {expected and expected.__name__} of"
            f" {getattr(asked, '_steps', asked)} showing {shown} with {locks}"
        )
        if isinstance(outcome, Locked) and outcome.where is not None:
            self.check_where(outcome, locks, shown, tried.before)
        if outcome is None and tried.after is not None:
            now = self.picture()
            assert (now.names, now.states) == (tried.after.names, tried.after.states)

    def expected(
        self, holder: Holder, proofs: list[LockProof], locks: list[Lock], tried: _Tried
    ) -> type[CairnError] | None:
        bad = self.no_good(holder, proofs)
        if bad is not None:
            return bad
        if tried.after is None:
            return type(tried.error) if tried.error is not None else None
        shown = {one.lock for one in proofs}
        if any(
            one.fence and one.number not in shown and touches(one, tried.before, tried.after) for one in locks
        ):
            return Locked
        if two_hold(locks, tried.after):
            return Locked
        return Deadlock if in_a_circle(locks, tried.after) else None

    def check_where(self, error: Locked, locks: list[Lock], shown: set[int], tree: Picture) -> None:
        """Whoever asks for a lock there waits for one that was in the way."""
        assert error.where is not None
        turn = Lock(10**9, "whoever asks", True, error.subtree, (tree.at(error.where),), 0)
        assert any(exclude(turn, one, tree) for one in locks if one.fence and one.number not in shown), (
            f"nothing to wait for at {error.where!r}"
        )

    def batch(self) -> None:
        """Several in one tx leave what is locked as it was, by one before them in the same tx, too."""
        asked: list[Any] = []
        for _ in range(self.rng.randint(2, 4)):
            holder = self.rng.choice(self.holders)
            asked.append(self.prepared(self.held(holder) if self.rng.random() < 0.7 else []))
        locks, pictures = self.locks(), [self.picture()]
        holder, token, path = (
            self.rng.choice(self.holders),
            secrets.token_hex(16),
            self.some_path(pictures[0]),
        )
        try:
            spot = pictures[0].at(path.encode())
        except KeyError:
            return
        asked.insert(0, holder.asking(path, subtree=self.rng.random() < 0.3, follow=False, token=token))

        outcomes = self.ledger.batch(asked)
        pictures.append(self.picture())
        shown = {proof.lock for one in asked[1:] for proof in one.locks.proofs}
        if not isinstance(outcomes[0], CairnError):
            reply = holder.keep(outcomes[0], token)
            self.spots[reply.lock] = (spot,)
            locks = [one for one in self.locks() if one.number == reply.lock] + locks
        for one in locks:
            if one.fence and one.number not in shown:
                assert not touches(one, *pictures), f"{one} was touched by {[a.wants() for a in asked]}"
        self.told.update(f"batch {type(one).__name__}" for one in outcomes)

    def step(self) -> None:
        chance = self.rng.random()
        if chance < 0.25:
            self.ask()
        elif chance < 0.37:
            self.release()
        elif chance < 0.85:
            self.commit()
        elif chance < 0.95:
            self.batch()
        else:
            self.ledger.reap()


def trial(ledger: Ledger, asked: Any) -> _Tried:
    """What an operation would do if there were no locks."""

    def run(tx: Tx) -> None:
        state = State(tx, clock.lock(tx), ledger._places)
        before = Picture(tx)
        state.prefetch(asked.wants())
        try:
            asked.apply(state)
        except CairnError as error:
            raise _Tried(before, None, error) from error
        state.flush()
        raise _Tried(before, Picture(tx), None)

    try:
        ledger.database.write(run)
    except _Tried as found:
        return found
    raise AssertionError("a trial is rolled back")


def guard(ledger: Ledger, rng: random.Random, steps: int = STEPS) -> Counter[str]:
    """A story. Gives how often what came out."""
    story = Story(ledger, rng)
    for _ in range(steps):
        story.step()
        ledger.verify()
    return story.told
