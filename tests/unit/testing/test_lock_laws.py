"""The checker of lock histories finds every known way to get it wrong, and nothing where all is well."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from cairnfs.testing.lock_history import (
    AnyEvent,
    Asked,
    Befell,
    Breaking,
    Change,
    Committed,
    Fate,
    Gave_up,
    Granted,
    Lost,
    Mode,
    Refused,
    Releasing,
    Seen,
    Sent,
)
from cairnfs.testing.lock_laws import broken
from cairnfs.testing.lock_story import Version

LEASE_S = 1.0


class Tale:
    """A history that is made by hand: each event one second after the one before it.

    Requests are told by one letter, their process and session as `p-LETTER` and `s-LETTER` unless told
    otherwise. Commits are truly made (`versions`) when they are `sent`, unless that is switched off.
    """

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.versions = [Version(thing, 1, "", 0) for thing in ("x", "y")]
        self.values = {"x": 0, "y": 0}
        self.commit = 1

    def asked(
        self, who: str, *things: str, mode: Mode = "exclusive", session: str = "", process: str = ""
    ) -> None:
        self._add(Asked, process or f"p-{who}", request=who, owner=f"{session or f's-{who}'}/1",
                  things=list(things) or ["x"], mode=mode)  # fmt: skip

    def granted(self, who: str, number: int, *, fence: int = 0, mode: Mode | None = None) -> None:
        self._add(Granted, who, request=who, lock=number, fence=fence or number, mode=mode)

    def sent(self, who: str, *, thing: str = "x", read: int | None = None, happens: bool = True) -> str:
        """One more in `thing`; `read`: what it was believed to be."""
        attempt = f"{who}.{len(self.events)}"
        found = self.values[thing] if read is None else read
        self._add(Sent, who, request=who, attempt=attempt, changes={thing: Change(found, found + 1)})
        if happens:
            self.commit += 1
            self.values[thing] = found + 1
            self.versions.append(Version(thing, self.commit, attempt, found + 1))
        return attempt

    def wrote(self, who: str, *, thing: str = "x", read: int | None = None) -> None:
        """Sent and acknowledged."""
        attempt = self.sent(who, thing=thing, read=read)
        self._add(Committed, who, attempt=attempt, commit=self.commit)

    def refused(self, who: str, attempt: str) -> None:
        self._add(Refused, who, attempt=attempt, error="LockLost", by="server")

    def released(self, who: str) -> None:
        self._add(Releasing, who, request=who)

    def lost(self, who: str) -> None:
        self._add(Lost, who, request=who, error="LockLost", by="client")

    def gave_up(self, who: str) -> None:
        self._add(Gave_up, who, request=who, error="Locked")

    def befell(self, process: str, fate: Fate) -> None:
        self._add(Befell, "driver", whom=process, fate=fate)

    def seen(self, session: str) -> None:
        self._add(Seen, "driver", lock=1, session=session)

    def breaking(self, lock: int) -> None:
        self._add(Breaking, "driver", lock=lock)

    def whole(self, who: str, number: int, *, thing: str = "x", mode: Mode = "exclusive") -> None:
        """One request from its beginning to its end."""
        self.asked(who, thing, mode=mode)
        self.granted(who, number)
        if mode == "exclusive":
            self.wrote(who, thing=thing)
        self.released(who)

    def findings(self) -> list[str]:
        return broken(self.events, self.versions, lease_s=LEASE_S)

    def _add(self, kind: Callable[..., AnyEvent], process: str, **told: object) -> None:
        process = process if process == "driver" or process.startswith("p-") else f"p-{process}"
        self.events.append(kind(at_s=float(len(self.events)), process=process, **told))


@pytest.fixture
def tale() -> Tale:
    return Tale()


# -- where all is well -------------------------------------------------------------------------------


def test_turns_are_taken(tale: Tale) -> None:
    for number, who in enumerate("abc", 1):
        tale.whole(who, number)
    tale.asked("d")
    tale.asked("e", mode="shared")
    tale.asked("f", mode="shared")
    tale.granted("d", 4)
    tale.wrote("d")
    tale.released("d")
    tale.granted("f", 6, fence=6)
    tale.granted("e", 5, fence=5)
    tale.released("e")
    tale.released("f")
    assert tale.findings() == []


def test_a_frozen_holder_awakes_and_is_refused(tale: Tale) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.wrote("a")
    tale.befell("p-a", "frozen")
    tale.whole("b", 2)
    tale.befell("p-a", "woken")
    tale.refused("a", tale.sent("a", happens=False))
    tale.lost("a")
    assert tale.findings() == []


def test_a_frozen_waiter_is_told_of_its_grant_when_it_is_long_over(tale: Tale) -> None:
    tale.asked("a")
    tale.asked("b")
    tale.granted("a", 1)
    tale.befell("p-b", "frozen")
    tale.released("a")
    tale.whole("c", 3)
    tale.befell("p-b", "woken")
    tale.granted("b", 2)
    tale.lost("b")
    assert tale.findings() == []


@pytest.mark.parametrize("happens", [True, False])
def test_a_commit_whose_sender_died_happened_or_not(tale: Tale, happens: bool) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.sent("a", happens=happens)
    tale.befell("p-a", "killed")
    tale.asked("b")
    tale.seen("s-a")
    tale.granted("b", 2)
    tale.wrote("b")
    tale.released("b")
    assert tale.findings() == []


def test_a_sole_holder_makes_it_exclusive(tale: Tale) -> None:
    tale.asked("a", mode="shared")
    tale.granted("a", 1)
    tale.whole("b", 2, mode="shared")
    tale.asked("c", mode="exclusive")
    tale.granted("a", 1, fence=3, mode="exclusive")
    tale.wrote("a")
    tale.released("a")
    tale.granted("c", 3, fence=4)
    tale.wrote("c")
    tale.released("c")
    assert tale.findings() == []


def test_owners_do_not_exclude_themselves(tale: Tale) -> None:
    tale.asked("a", session="s")
    tale.granted("a", 1)
    tale.asked("b", "x", "y", session="s")
    tale.granted("b", 2)
    tale.wrote("b", thing="y")
    tale.wrote("a")
    tale.released("b")
    tale.released("a")
    assert tale.findings() == []


def test_different_things_at_once(tale: Tale, seed: int) -> None:
    dice = random.Random(seed)
    for who, thing in (("a", "x"), ("b", "y")):
        tale.asked(who, thing)
        tale.granted(who, ord(who))
    for _ in range(20):
        who, thing = dice.choice((("a", "x"), ("b", "y")))
        tale.wrote(who, thing=thing)
    assert tale.findings() == []


def test_a_lock_is_broken_and_its_holder_hears_of_it_later(tale: Tale) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.breaking(1)
    tale.whole("b", 2)
    tale.refused("a", tale.sent("a", happens=False))
    tale.lost("a")
    assert tale.findings() == []


# -- planted bugs ------------------------------------------------------------------------------------


def finds(tale: Tale, *words: str) -> None:
    """Each of the findings begins with one of the words, and each word is found."""
    findings = tale.findings()
    assert findings
    for finding in findings:
        assert any(word in finding for word in words), findings
    for word in words:
        assert any(word in finding for finding in findings), findings


def test_a_fence_that_is_not_checked(tale: Tale) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.wrote("a")
    tale.befell("p-a", "frozen")
    tale.whole("b", 2)
    tale.befell("p-a", "woken")
    tale.wrote("a")
    finds(tale, "a stale holder wrote")


def test_a_fence_that_is_not_checked_and_nobody_heard_the_answer(tale: Tale) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.befell("p-a", "frozen")
    tale.whole("b", 2)
    tale.befell("p-a", "woken")
    tale.sent("a")
    finds(tale, "a stale holder wrote")


def test_a_lost_update_after_waiting_for_a_lock(tale: Tale) -> None:
    tale.asked("a")
    tale.asked("b")
    tale.granted("a", 1)
    tale.wrote("a")
    tale.released("a")
    tale.granted("b", 2)
    tale.wrote("b", read=0)
    finds(tale, "a lost update")


def test_two_hard_links_under_two_exclusive_locks(tale: Tale) -> None:
    """By name there are two of them; the file is one thing."""
    tale.asked("a")
    tale.granted("a", 1)
    tale.asked("b")
    tale.granted("b", 2)
    tale.wrote("a")
    tale.wrote("b")
    finds(tale, "two at once")
    tale.wrote("a")
    finds(tale, "two at once", "a stale holder wrote")


def test_a_reader_beside_a_writer(tale: Tale) -> None:
    tale.asked("a", mode="shared")
    tale.granted("a", 1)
    tale.whole("b", 2)
    tale.released("a")
    finds(tale, "two at once")


def test_a_reader_that_overtakes_a_waiting_writer(tale: Tale) -> None:
    for who, mode in (("a", "shared"), ("b", "exclusive"), ("c", "shared")):
        tale.asked(who, mode=mode)  # type: ignore[arg-type]
    tale.granted("a", 1, fence=1)
    tale.granted("c", 3, fence=2)
    tale.released("a")
    tale.released("c")
    tale.granted("b", 2, fence=3)
    finds(tale, "overtaken")


def test_a_grant_to_a_dead_session(tale: Tale) -> None:
    tale.asked("a")
    tale.asked("b")
    tale.granted("a", 1)
    tale.befell("p-b", "killed")
    tale.released("a")
    tale.asked("c")
    for _ in range(3):
        tale.seen("s-b")
    finds(tale, "held by the dead", "forgotten: c")


def test_a_grant_after_one_gave_up(tale: Tale) -> None:
    tale.asked("a")
    tale.gave_up("a")
    tale.granted("a", 1)
    finds(tale, "granted after its end")


def test_a_waiter_that_is_forgotten(tale: Tale) -> None:
    tale.whole("a", 1)
    tale.asked("b")
    finds(tale, "forgotten: b")


def test_fences_that_repeat_or_go_back(tale: Tale) -> None:
    tale.whole("a", 1, thing="x")
    tale.asked("b", "y")
    tale.granted("b", 2, fence=1)
    finds(tale, "given twice")
    other = Tale()
    other.asked("a", "x")
    other.granted("a", 1, fence=9)
    other.asked("b", "y")
    other.granted("b", 2, fence=8)
    finds(other, "fences went back")


def test_a_client_that_goes_on_after_its_lease(tale: Tale) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.lost("a")
    tale.wrote("a")
    finds(tale, "begun after its lock had ended")


def test_a_commit_without_a_lock(tale: Tale) -> None:
    tale.asked("a")
    tale.wrote("a")
    tale.gave_up("a")
    finds(tale, "without a lock")


def test_an_acknowledged_commit_that_is_gone_or_elsewhere(tale: Tale) -> None:
    tale.whole("a", 1)
    gone = tale.versions.pop()
    finds(tale, "is not there")
    tale.versions.append(gone._replace(commit=7))
    finds(tale, "another commit")


def test_a_refused_commit_that_took_effect(tale: Tale) -> None:
    tale.asked("a")
    tale.granted("a", 1)
    tale.refused("a", tale.sent("a"))
    finds(tale, "was refused, and took effect")


def test_a_commit_that_took_effect_twice(tale: Tale) -> None:
    tale.whole("a", 1)
    tale.versions.append(tale.versions[-1]._replace(commit=9))
    finds(tale, "took effect twice", "another commit", "a lost update")


def test_a_commit_that_is_there_in_part(tale: Tale) -> None:
    tale.asked("a", "x", "y")
    tale.granted("a", 1)
    attempt = tale.sent("a")
    moved = tale.events[-1]
    assert isinstance(moved, Sent)
    moved.changes["y"] = Change(0, -1)
    finds(tale, "is there in part")
    tale.versions.append(Version("y", tale.commit, attempt, -1))
    assert tale.findings() == []


def test_a_change_that_nobody_tried(tale: Tale) -> None:
    tale.whole("a", 1)
    tale.versions.append(Version("x", 9, "z.1", 2))
    finds(tale, "nobody tried")
