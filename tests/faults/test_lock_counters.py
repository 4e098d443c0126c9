"""Counters in files, incremented under locks by many processes, while these and the control plane are killed
and frozen at random moments: what was acknowledged is there, once, and no lock stays behind.

CAIRN_LOCK_SECONDS asks for a longer run than the usual one.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnfs.client.sync import Client
from cairnfs.core.leases import LeadTimes, LeaseTimes
from cairnfs.testing.lock_laws import broken
from cairnfs.testing.lock_story import CONTROL, Story, Version
from tests.faults import lock_deeds
from tests.faults.lock_crew import ControlPlane, Crew, crew, locks_of, look_on, versions_of
from tests.faults.lock_deeds import ACCOUNTS, CAPITAL, COUNTERS
from tests.faults.test_kill_loop import client_of
from tests.scenarios.people import Person, eventually, kill_what_is_left

RUN_S = float(os.environ.get("CAIRN_LOCK_SECONDS") or 20)
LEASE = LeaseTimes(400, 1_000, 2_000)
LEASE_S = LEASE.lease_ms / 1000
ROLES = ("tasks", "tasks", "tasks", "threads", "threads", "command")
#: Something befalls somebody so often, on average, and the control plane; somebody looks at the locks.
FATE_EVERY_S, CONTROL_EVERY_S, LOOK_EVERY_S = 0.8, 7.0, 0.3
FATES = ("killed", "frozen", "control killed", "control frozen", "command 0")
#: After how long nobody has a lock, where everybody has gone: those of the dead end with their leases, which
#: may be judged by a control plane that has just taken over.
FREE_WITHIN_S = 2 * LEASE_S + LeadTimes().lease_ms / 1000 + 1.0


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlPlane]:
    person = Person(tmp_path / "home", tmp_path / "data")
    try:
        person.does("up", "--detach", "--port", "0", "--fileservers", "1", "--lease", str(LEASE))
        plane = ControlPlane(person)
        yield plane
        assert person.does("verify", "--deep").text.startswith("verify: ok")
        person.does("down")
        plane.bury()
    finally:
        kill_what_is_left(person)


def befall(here: Crew, dice: random.Random) -> None:
    """One fate for one member: the end, or some sleep, shorter or longer than its lease."""
    member = dice.choice(list(here.members.values()))
    if dice.random() < 0.3:
        here.kill(member)
    else:
        here.freeze(member, dice.choice((dice.uniform(0.05, LEASE_S), dice.uniform(LEASE_S, 2 * LEASE_S))))


def befall_control(here: Crew, control: ControlPlane, dice: random.Random) -> None:
    """SIGKILL for the control plane, and its return; or it hangs for a while."""
    if here.counts["control killed"] <= here.counts["control frozen"]:
        here.book.befell(CONTROL, "killed")
        control.kill()
        here.counts["control killed"] += 1
    else:
        here.book.befell(CONTROL, "frozen")
        control.freeze(dice.uniform(0.1, 1.2 * LEASE_S))
        here.counts["control frozen"] += 1
    here.book.befell(CONTROL, "woken")


def run(here: Crew, control: ControlPlane, client: Client, dice: random.Random) -> None:
    """Let the crew work, and let things happen to it, until all that is to happen has."""
    for role in ROLES:
        here.hire(role)
    end = time.monotonic() + RUN_S
    next_fate, next_control, next_look = (time.monotonic() + pause for pause in (3.0, 5.0, 1.0))
    while (now := time.monotonic()) < end or (now < end + RUN_S and missing(here)):
        here.wake()
        here.replace_ended()
        if now >= next_fate:
            befall(here, dice)
            next_fate = now + dice.expovariate(1 / FATE_EVERY_S)
        if now >= next_control:
            befall_control(here, control, dice)
            next_control = now + CONTROL_EVERY_S * dice.uniform(0.5, 1.5)
        if now >= next_look:
            look_on(client, here.book)
            next_look = now + LOOK_EVERY_S
        time.sleep(0.02)


@pytest.mark.timeout(RUN_S * 4 + 200)
def test_counts_are_what_was_acknowledged(control: ControlPlane, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with client_of(control.person) as client, crew(control.person, tmp_path / "books", seed) as here:
        through, files = client.inside()
        through.call(lock_deeds.found(files))
        run(here, control, client, dice)
        here.dismiss()
        assert not here.failures, "\n".join(here.failures)
        ended = time.monotonic()
        eventually(lambda: not locks_of(client), "no lock to be there")
        assert time.monotonic() - ended < FREE_WITHIN_S, "a lock stayed for long"
        events, versions = here.events(), versions_of(client)
    story = Story(events)
    story.settle(versions)
    print(dict(here.counts), tell(story))
    findings = broken(events, versions, lease_s=LEASE_S)
    assert not findings, "\n".join(findings)
    settle(story, versions)
    assert not missing(here)


def tell(story: Story) -> dict[str, int]:
    """What happened to requests and commits, counted."""
    attempts = list(story.attempts.values())
    return {
        "granted": len(story.grants()),
        "lost": sum(1 for one in story.holdings.values() if one.grants and one.lost),
        "acknowledged": sum(one.acknowledged is not None for one in attempts),
        "refused": sum(one.refused for one in attempts),
        "unknown": sum(one.acknowledged is None and not one.refused for one in attempts),
        "unknown, but happened": sum(
            one.acknowledged is None and one.settled is not None for one in attempts
        ),
        "seen": len(story.seen),
    }


def settle(story: Story, versions: list[Version]) -> None:
    """Counts are what was acknowledged, or happened without an answer; money is moved, not made."""
    final = {one.thing: one.value for one in sorted(versions, key=lambda one: one.commit)}
    for counter in COUNTERS:
        done = [one for one in story.attempts.values() if counter in one.changes and one.settled is not None]
        unanswered = sum(one.acknowledged is None for one in done)
        print(f"{counter}: {final[counter]}, of which {unanswered} were not answered")
        assert final[counter] == len(done)
    assert sum(final[account] for account in ACCOUNTS) == CAPITAL * len(ACCOUNTS)


def missing(here: Crew) -> list[str]:
    """What has not happened yet of all that is to."""
    told = here.counts + Counter(tell(Story(here.events())))
    least = dict.fromkeys((*FATES, "lost", "seen"), 1) | {"acknowledged": int(RUN_S)}
    return [f"{what}: {told[what]}" for what, count in least.items() if told[what] < count]
