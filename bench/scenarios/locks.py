"""Locks: taking and giving back, handing over, many waiters, many held, and a client that dies.

All on the bench's own cluster, the main ones on PostgreSQL too. Beside them stand the disk's own fsyncs, for
a lock is durable when it is taken and when it is given back, and a request of Cairn's that changes nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence

from bench import turns
from bench.bursts import Burst, parse, rate
from bench.crew import Member
from bench.figures import MARKS, Figure
from bench.postgres_cluster import PostgresCluster
from bench.samples import Runs, latency, percentile
from bench.site import Outcome, Site
from bench.turns import Turn

_HOME = "/bench/locks"
_CLIENTS = (1, 8)
#: Paths that each client takes in turn; those of one request.
_NAMES, _AT_ONCE, _MANY_AT_ONCE = 50, 100, 1_000
#: Long enough for the other one to be waiting again, surely.
_HOLD_S = 0.02
_WITHIN_S = 120.0
_LOOK_S = 0.01
_HEAD_START_S = 0.1
_APART_S = 0.8


def locks(site: Site) -> list[Figure]:
    """All of them."""
    return [*_main(site, "python"), *_held(site, "python"), *_dead(site)]


def on_postgresql(site: Site) -> list[Figure]:
    """The main ones, with a control plane alone on a PostgreSQL of its own."""
    directory = site.directory / "postgresql"
    with Site(directory, site.scale, cluster=PostgresCluster(directory)) as other:
        return [*_main(other, "PostgreSQL"), *_held(other, "PostgreSQL")]


def _main(site: Site, by: str) -> list[Figure]:
    site.connected(max(_CLIENTS))
    directories = [f"{_HOME}/{client}" for client in range(max(_CLIENTS))]
    site.crew.each("locks.make_empty", [{"directory": each, "count": _NAMES} for each in directories])
    site.crew.ask("locks.make_empty", directory=f"{_HOME}/many", count=_AT_ONCE)
    figures = []
    for clients in _CLIENTS:
        figures += _pairs(site, by, directories[:clients])
    figures.append(_many(site, by))
    for way in ("events", "long poll"):
        figures.append(_hand_over(site, by, way))
        figures += _queue(site, by, way)
    return figures


def _pairs(site: Site, by: str, directories: Sequence[str]) -> list[Figure]:
    """Nobody else wants them: what the lock itself costs."""
    seconds = site.scale.seconds
    clients = len(directories)
    given = [{"paths": _paths(each, _NAMES), "seconds": seconds} for each in directories]
    who = f"{clients} client{'s' if clients > 1 else ''}"
    return [
        site.figure(
            f"lock and unlock, {who}",
            "locks/s",
            lambda _: site.run("locks.pairs", given),
            beside=site.limits.fsyncs(clients),
            by=by,
            note="two requests, each durable before its answer",
        ),
        site.figure(
            f"a request that changes nothing, {who}",
            "requests/s",
            lambda _: site.run("locks.nothing", [{"seconds": seconds}] * clients),
            beside=site.limits.questions(clients),
            by=by,
        ),
    ]


def _many(site: Site, by: str) -> Figure:
    given = [{"paths": _paths(f"{_HOME}/many", _AT_ONCE), "seconds": site.scale.seconds}]
    return site.figure(
        f"lock and unlock {_AT_ONCE} paths at once",
        "times/s",
        lambda _: site.run("locks.many", given),
        beside=site.limits.fsyncs(1),
        by=by,
    )


def _hand_over(site: Site, by: str, way: str) -> Figure:
    """Two clients that want one lock all the time."""
    given = {"path": f"{_HOME}/0/0", "by": way, "hold_s": _HOLD_S, "seconds": site.scale.seconds}
    times: list[list[float]] = []
    for number in range(site.scale.repeats):
        site.say(f"hand-over by {way}: run {number + 1}")
        times.append(turns.hand_overs_us(turns.parse(site.crew.together("locks.alternate", [given, given]))))
    return _times(f"hand-over to one waiter, by {way}", by, times)


def _queue(site: Site, by: str, way: str) -> list[Figure]:
    """Many that want one lock at the same moment, in a few processes."""
    queued, runs = [], []
    for number in range(site.scale.repeats):
        site.say(f"{site.scale.waiters:,} waiters by {way}: run {number + 1}")
        queued_s, run = _queue_once(site, way)
        queued.append(queued_s)
        runs.append(run)
    name = f"{site.scale.waiters:,} waiters, by {way}"
    return [
        _figure(f"{name}: to queue all", by, "s", queued),
        _times(f"{name}: each hand-over", by, [turns.hand_overs_us(run) for run in runs]),
        _figure(f"{name}: all through", by, "s", [turns.through_s(run) for run in runs]),
    ]


def _queue_once(site: Site, way: str) -> tuple[float, list[Turn]]:
    path, clients, count = f"{_HOME}/0/1", max(_CLIENTS), site.scale.waiters
    ready, go = site.directory / "ready", site.directory / "go"
    holder, *members = site.crew.first(clients + 1)
    before = site.cluster.locks()
    holder.order("locks.hold", path=path, ready=str(ready), until=str(go))
    try:
        _await(ready.exists)
        began = time.monotonic() + _HEAD_START_S
        for member in members:
            member.order("locks.queue", path=path, count=count // clients, by=way, start_at=began)
        _await(lambda: site.cluster.locks() - before > count)
        queued_s = time.monotonic() - began
    finally:
        go.touch()
        replies = [member.reply() for member in (holder, *members)]
        for mark in (go, ready):
            mark.unlink(missing_ok=True)
    found = turns.parse(replies)
    assert len(found) == count + 1, f"{len(found)} turns"
    return queued_s, found


def _held(site: Site, by: str) -> list[Figure]:
    """One session holds a great many; what another client takes and commits before and meanwhile."""
    count = site.scale.held
    site.connected(1)
    directory = _make_many(site, count)
    taker = Member(site.cluster.environment, site.directory / "clients.log")
    try:
        figures = _aside(site, by, "none held")
        before = site.cluster.database_bytes()
        site.say(f"taking {count:,} locks")
        given = {"directory": directory, "first": 0, "count": count, "at_once": _MANY_AT_ONCE}
        taken = _ask(taker, "locks.take", **given)
        grown = site.cluster.database_bytes() - before
        figures += _aside(site, by, f"{count:,} held")
        dropped = _ask(taker, "locks.drop")
    finally:
        taker.end()
    return [
        *figures,
        Figure(
            f"take {count:,} locks, {_MANY_AT_ONCE:,} a request",
            by,
            "locks/s",
            Runs((rate([taken]),)),
            latency(taken.times_us),
        ),
        _figure(f"database for {count:,} locks", by, "bytes each", [grown / count]),
        _figure(f"give {count:,} locks back", by, "s", [dropped.ended - dropped.began]),
    ]


def _aside(site: Site, by: str, said: str) -> list[Figure]:
    """What somebody else's locks and commits take meanwhile."""
    seconds = site.scale.seconds
    names = [str(number) for number in range(_NAMES)]

    def rename(number: int) -> Outcome:
        directory = f"{_HOME}/{said}-{number}"
        site.crew.ask("locks.make_empty", directory=directory, count=_NAMES)
        return site.run("rename", [{"directory": directory, "names": names, "seconds": seconds}])

    pairs = [{"paths": _paths(f"{_HOME}/1", _NAMES), "seconds": seconds}]
    beside = site.limits.fsyncs(1)
    return [
        site.figure(
            f"lock and unlock, {said}",
            "locks/s",
            lambda _: site.run("locks.pairs", pairs),
            by=by,
            beside=beside,
        ),
        site.figure(f"rename, {said}", "commits/s", rename, by=by, beside=beside),
    ]


def _dead(site: Site) -> list[Figure]:
    """Clients that are killed while they hold a lock that somebody waits for; the default lease."""
    count = site.scale.dying
    waiters = site.crew.first(count)
    marks = [site.directory / f"dying-{number}" for number in range(count)]
    paths = [f"{_HOME}/3/{number}" for number in range(count)]
    killed, granted = [], []
    dying = [Member(site.cluster.environment, site.directory / "clients.log") for _ in range(count)]
    try:
        for member, path, mark in zip(dying, paths, marks, strict=True):
            member.order("locks.hold", path=path, ready=str(mark), until=str(site.directory / "never"))
        _await(lambda: all(mark.exists() for mark in marks))
        for waiter, path in zip(waiters, paths, strict=True):
            waiter.order("locks.queue", path=path, count=1, by="events")
        for member in dying:
            time.sleep(_APART_S)  # so that each dies at another moment between two renewals
            member.kill()
            killed.append(time.monotonic())
        site.say(f"{count} clients were killed")
        for waiter in waiters:
            (turn,) = turns.parse([waiter.reply()])
            granted.append(turn.granted)
    finally:
        for member in dying:
            member.kill()
    name = "a killed client's lock is the next one's, at the latest"
    spans = sorted(end - begin for begin, end in zip(killed, granted, strict=True))
    note = f"{count} clients killed {_APART_S} s apart, default lease: {spans[0]:.1f} to {spans[-1]:.1f} s"
    return [Figure(name, "python", "s", Runs((spans[-1],)), mark=MARKS[name], note=note)]


def _make_many(site: Site, count: int) -> str:
    site.say(f"preparing {count:,} files")
    local, remote = site.directory / "held", f"{_HOME}/held"
    site.crew.ask("make_tree", local=str(local), prefix="f", count=count, size=0)
    site.crew.ask("put_tree", local=str(local), remote=remote)
    shutil.rmtree(local)
    return remote


def _ask(member: Member, task: str, **given: object) -> Burst:
    member.order(task, **given)
    return parse(member.reply())


def _await(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _WITHIN_S
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("not everybody came to hold or to wait")
        time.sleep(_LOOK_S)


def _paths(directory: str, count: int) -> list[str]:
    return [f"{directory}/{number}" for number in range(count)]


def _times(name: str, by: str, runs: Sequence[Sequence[float]]) -> Figure:
    """A figure of single operations' times: the runs are their medians."""
    medians = tuple(percentile(sorted(run), 0.5) / 1e3 for run in runs)
    return Figure(name, by, "ms", Runs(medians), latency(time for run in runs for time in run))


def _figure(name: str, by: str, unit: str, values: Sequence[float]) -> Figure:
    return Figure(name, by, unit, Runs(tuple(values)), mark=MARKS.get(name))
