"""What must be true of a history of locks, whatever was killed or frozen in it.

    findings = broken(read_books(books), versions)       each a sentence; none where all is well

The laws, a function each: fences grow and are nobody's twice; whoever asked earlier is granted earlier, where
one excludes the other; of two that exclude each other, the earlier one's commits all come before the later
one's; nobody is told of a grant while another surely holds; nothing is done with what one gave up or lost;
nobody is forgotten in a queue; what was acknowledged is there, what was refused is not, and each change was
made of what the change before it left. What belongs here: the laws. What does not: the events
(`lock_history.py`) and what they come to (`lock_story.py`). Pure; any thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

from cairnfs.core.leases import LeadTimes
from cairnfs.testing.lock_history import AnyEvent
from cairnfs.testing.lock_story import NEVER_S, SLACK_S, Grant, Story, Version

#: So many findings are told.
TOLD_MAX = 20
#: So long it takes until somebody leads again, where the leader went.
TAKEOVER_S = LeadTimes().lease_ms / 1000


def broken(events: Iterable[AnyEvent], versions: Iterable[Version], *, lease_s: float = 15.0) -> list[str]:
    """The laws that this history breaks, a sentence each; `versions` is what the cluster says it came to.

    `versions` has, for each thing that was changed, first the one that was there at the beginning. `lease_s`
    is after how long a dead client's session ends.
    """
    told = list(versions)
    story = Story(events)
    story.settle(told)
    laws = (
        fences_grow(story),
        order_of_arrival(story),
        order_of_commits(story),
        one_at_a_time(story),
        nothing_afterwards(story),
        nobody_is_forgotten(story),
        the_dead_hold_nothing(story, lease_s),
        acknowledged_is_there(story, told),
        nothing_is_lost(story, told),
    )
    return list(dict.fromkeys(chain.from_iterable(laws)))[:TOLD_MAX]


def fences_grow(story: Story) -> Iterator[str]:
    """A fence is one grant's; one that was seen before another was asked for is the lower of the two."""
    for one, other in pairwise(story.grants()):
        if one.fence == other.fence:
            yield f"one fence was given twice: {one}; {other}"
    seen = sorted(story.grants(), key=lambda grant: grant.at_s)
    highest: Grant | None = None
    place = 0
    for later in sorted(story.grants(), key=lambda grant: grant.of.asked_s):
        while place < len(seen) and seen[place].at_s < later.of.asked_s:
            if highest is None or seen[place].fence > highest.fence:
                highest = seen[place]
            place += 1
        if highest is not None and later.fence < highest.fence:
            yield f"fences went back: {later} was asked for after {highest} was granted"


def order_of_arrival(story: Story) -> Iterator[str]:
    """Of two that exclude each other, the one with the lower number is granted first."""
    first = [grant for grant in story.grants() if grant.is_first]
    yield from _compare(
        first,
        mark=lambda grant: grant.of.lock,
        holds=lambda earlier, later: earlier < later.of.lock,
        says="overtaken: {later} was granted after {earlier}, whose number is higher",
    )


def order_of_commits(story: Story) -> Iterator[str]:
    """Of two that exclude each other, all commits of the earlier come before those of the later."""
    commits: dict[tuple[str, int], list[int]] = defaultdict(list)
    for attempt in story.attempts.values():
        if attempt.settled is not None:
            commits[attempt.of.name, attempt.fence].append(attempt.settled)
    made = [grant for grant in story.grants() if commits[grant.of.name, grant.fence]]
    yield from _compare(
        made,
        mark=lambda grant: max(commits[grant.of.name, grant.fence]),
        holds=lambda earlier, later: earlier < min(commits[later.of.name, later.fence]),
        says="a stale holder wrote: {earlier} made commit {mark}, after one of {later}",
    )


def one_at_a_time(story: Story) -> Iterator[str]:
    """Nobody is told of a grant before an earlier one that excludes it can have ended."""
    yield from _compare(
        story.grants(),
        mark=lambda grant: grant.of.may_end_s,
        holds=lambda earlier, later: earlier <= later.at_s,
        says="two at once: {later} was granted while {earlier} was held",
    )


def nothing_afterwards(story: Story) -> Iterator[str]:
    """Nobody is granted what they gave up or lost; nothing is committed with it."""
    for grant in story.grants():
        if grant.at_s > grant.of.over_s:
            yield f"granted after its end: {grant}"
    for attempt in story.attempts.values():
        if attempt.acknowledged is None or not attempt.of.things:
            continue
        if attempt.fence == 0:
            yield f"{attempt} was made without a lock: {attempt.of}"
        elif attempt.at_s > attempt.of.over_s:
            yield f"{attempt} was begun after its lock had ended: {attempt.of}"


def nobody_is_forgotten(story: Story) -> Iterator[str]:
    """Whoever lives to the end was granted what they asked for, or told why not."""
    for one in story.holdings.values():
        if one.things and not one.grants and one.over_s == one.died_s == NEVER_S:
            yield f"forgotten: {one}"


def the_dead_hold_nothing(story: Story, lease_s: float) -> Iterator[str]:
    """Two leases after a process died, nobody sees a lock of its session: none was kept, and none granted.

    A renewal is judged a lease after it was seen, and looked at every now and then. A control plane that
    begins anew, or goes on after it hung, takes the lead first, and then gives everybody a lease more.
    """
    for seen in story.seen:
        died_s = story.died_s(seen.session)
        began_s = max((at_s for at_s in story.began_s if at_s < seen.at_s), default=0.0)
        limit_s = max(died_s, began_s + TAKEOVER_S) + 2 * lease_s + SLACK_S
        if seen.at_s > limit_s:
            yield f"held by the dead: lock {seen.lock} of {seen.session}, {seen.at_s - died_s:.1f} s later"


def acknowledged_is_there(story: Story, versions: Sequence[Version]) -> Iterator[str]:
    """What was acknowledged is in the cluster's history, at that commit; what was refused is not."""
    there = {(one.thing, one.attempt): one for one in versions}
    if len(there) < len(versions):
        yield "a commit took effect twice"
    for attempt in story.attempts.values():
        found = [there[thing, attempt.name] for thing in attempt.changes if (thing, attempt.name) in there]
        if found and attempt.refused:
            yield f"{attempt} was refused, and took effect"
        if found and (len(found) < len(attempt.changes) or len({one.commit for one in found}) > 1):
            yield f"{attempt} is there in part"
        if attempt.acknowledged is not None and not found:
            yield f"{attempt} was acknowledged, and is not there"
        if attempt.acknowledged is not None and any(one.commit != attempt.acknowledged for one in found):
            yield f"{attempt} took effect at another commit than was acknowledged"


def nothing_is_lost(story: Story, versions: Sequence[Version]) -> Iterator[str]:
    """Each change was made of what the change before it left."""
    of: dict[str, list[Version]] = defaultdict(list)
    for version in sorted(versions, key=lambda one: one.commit):
        of[version.thing].append(version)
    for thing, changes in of.items():
        for before, after in pairwise(changes):
            attempt = story.attempts.get(after.attempt)
            if attempt is None or thing not in attempt.changes:
                yield f"nobody tried what {thing} has since commit {after.commit}"
                continue
            change = attempt.changes[thing]
            if change.read != before.value:
                yield (
                    f"a lost update of {thing}: {attempt} had read {change.read}, where commit"
                    f" {before.commit} had left {before.value}: {attempt.of}"
                )
            if change.wrote != after.value:
                yield f"{attempt} left {after.value} in {thing}, not {change.wrote}"


# -- pairs that exclude each other -------------------------------------------------------------------


class _Top:
    """The grant with the highest mark, and the highest one of any other owner."""

    def __init__(self) -> None:
        self._best: list[tuple[Any, Grant]] = []

    def add(self, mark: Any, grant: Grant) -> None:
        owners: dict[str, tuple[Any, Grant]] = {}
        for candidate in sorted([*self._best, (mark, grant)], key=lambda pair: pair[0], reverse=True):
            owners.setdefault(candidate[1].of.owner, candidate)
        self._best = list(owners.values())[:2]

    def besides(self, owner: str) -> tuple[Any, Grant] | None:
        return next((pair for pair in self._best if pair[1].of.owner != owner), None)


def _compare(
    grants: Iterable[Grant],
    *,
    mark: Callable[[Grant], Any],
    holds: Callable[[Any, Grant], bool],
    says: str,
) -> Iterator[str]:
    """Compare each grant with the earlier one of highest mark among those that exclude it, thing by thing."""
    exclusive: dict[str, _Top] = defaultdict(_Top)
    every: dict[str, _Top] = defaultdict(_Top)
    for later in grants:
        for thing in later.of.things:
            earlier = (every if later.mode == "exclusive" else exclusive)[thing].besides(later.of.owner)
            if earlier is not None and not holds(earlier[0], later):
                yield says.format(later=later, earlier=earlier[1], mark=earlier[0])
        for thing in later.of.things:
            every[thing].add(mark(later), later)
            if later.mode == "exclusive":
                exclusive[thing].add(mark(later), later)
