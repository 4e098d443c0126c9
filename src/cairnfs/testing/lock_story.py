"""What the events of a history of locks come to: who asked for what, was granted it when, and did what.

What belongs here: putting the lines of all books together. What does not: judging (`lock_laws.py`). Not for
use by two threads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cairnfs.testing.lock_history import (
    AnyEvent,
    Asked,
    Befell,
    Breaking,
    Change,
    Committed,
    Gave_up,
    Granted,
    Lost,
    Mode,
    Refused,
    Releasing,
    Seen,
    Sent,
)

NEVER_S = float("inf")
#: How books call the control plane.
CONTROL = "control"
#: So much later than its clock says a process may come to know that its lease is over, on a busy machine.
SLACK_S = 1.0


class Version(NamedTuple):
    """What the cluster's own history says of a thing: at this commit, this attempt gave it this value."""

    thing: str
    commit: int
    attempt: str
    value: int


@dataclass
class Holding:
    """One request from its beginning to its end.

    `may_end_s`: from then on it may be held no more, for all that others can know. `over_s`: from then on it
    is over, and its owner knows; `died_s`: from then on there is no owner. `lost`: it was not given back.
    """

    name: str
    process: str
    owner: str
    things: tuple[str, ...]
    mode: Mode
    asked_s: float
    lock: int = 0
    grants: list[Grant] = field(default_factory=list)
    may_end_s: float = NEVER_S
    over_s: float = NEVER_S
    died_s: float = NEVER_S
    lost: bool = False

    @property
    def session(self) -> str:
        """Its owner's session."""
        return self.owner.partition("/")[0]

    def __str__(self) -> str:
        fences = "/".join(str(grant.fence) for grant in self.grants) or "none"
        return f"{self.name} ({self.mode} on {', '.join(self.things)}; lock {self.lock}, fence {fences})"


@dataclass
class Grant:
    """One grant of a request, or its upgrade; `at_s` is when its owner was told."""

    of: Holding
    fence: int
    mode: Mode
    at_s: float

    @property
    def is_first(self) -> bool:
        """Whether it is no upgrade."""
        return self.of.grants[0] is self

    def __str__(self) -> str:
        return f"fence {self.fence} of {self.of}"


@dataclass
class Attempt:
    """One commit that was tried, at `at_s`, under a fence (0: none).

    `acknowledged` is the commit whose number came back; `settled` also one that the cluster's history shows.
    """

    name: str
    of: Holding
    fence: int
    changes: dict[str, Change]
    at_s: float
    acknowledged: int | None = None
    settled: int | None = None
    refused: bool = False

    def __str__(self) -> str:
        number = "a commit" if self.settled is None else f"commit {self.settled}"
        return f"{number} ({self.name} under fence {self.fence})"


class Story:
    """The events put together, which come in the order of time."""

    def __init__(self, events: Iterable[AnyEvent]) -> None:
        self.holdings: dict[str, Holding] = {}
        self.attempts: dict[str, Attempt] = {}
        self.seen: list[Seen] = []
        #: When the control plane began, or went on.
        self.began_s: list[float] = []
        self._of_process: dict[str, list[Holding]] = defaultdict(list)
        self._broken_s: dict[int, float] = {}
        for event in events:
            self._take(event)
        for one in self.holdings.values():
            one.may_end_s = min(one.may_end_s, self._broken_s.get(one.lock, NEVER_S))

    def grants(self) -> list[Grant]:
        """All grants, in the order of their fences."""
        every = (grant for one in self.holdings.values() for grant in one.grants)
        return sorted(every, key=lambda grant: grant.fence)

    def settle(self, versions: Sequence[Version]) -> None:
        """Learn from the cluster's history what became of the attempts that nobody answered."""
        for version in versions:
            attempt = self.attempts.get(version.attempt)
            if attempt is not None:
                attempt.settled = version.commit

    def died_s(self, session: str) -> float:
        """When the process of a session died."""
        return next((one.died_s for one in self.holdings.values() if one.session == session), NEVER_S)

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Asked():
                self._ask(event)
            case Granted():
                one = self.holdings[event.request]
                one.lock = event.lock
                one.grants.append(Grant(one, event.fence, event.mode or one.mode, event.at_s))
            case Gave_up():
                self._end(self.holdings[event.request], event.at_s, may_end_s=event.at_s)
            case Releasing():
                self._end(self.holdings[event.request], event.at_s, may_end_s=event.at_s)
            case Lost():
                self.holdings[event.request].lost = True
                self._end(self.holdings[event.request], event.at_s, may_end_s=event.at_s - SLACK_S)
            case Sent():
                self._try(event)
            case Committed():
                attempt = self.attempts[event.attempt]
                attempt.acknowledged = attempt.settled = event.commit
            case Refused():
                self.attempts[event.attempt].refused = True
            case Befell():
                self._befall(event)
            case Breaking():
                self._broken_s.setdefault(event.lock, event.at_s)
            case Seen():
                self.seen.append(event)

    def _ask(self, event: Asked) -> None:
        assert event.request not in self.holdings, f"{event.request} is in two books"
        one = Holding(event.request, event.process, event.owner, tuple(event.things), event.mode, event.at_s)
        self.holdings[event.request] = one
        self._of_process[event.process].append(one)

    def _end(self, one: Holding, over_s: float, *, may_end_s: float) -> None:
        one.over_s = min(one.over_s, over_s)
        one.may_end_s = min(one.may_end_s, may_end_s)

    def _try(self, event: Sent) -> None:
        assert event.attempt not in self.attempts, f"{event.attempt} is in two books"
        one = self.holdings[event.request]
        fence = one.grants[-1].fence if one.grants else 0
        self.attempts[event.attempt] = Attempt(event.attempt, one, fence, event.changes, event.at_s)

    def _befall(self, event: Befell) -> None:
        """A frozen process may lose everything that it has asked for by then, and know it only when awake."""
        if event.fate == "woken":
            if event.whom == CONTROL:
                self.began_s.append(event.at_s)
            return
        for one in self._of_process[event.whom]:
            one.may_end_s = min(one.may_end_s, event.at_s)
            if event.fate == "killed":
                one.died_s = min(one.died_s, event.at_s)
