"""Bringing a cluster up on this machine: choosing, starting what is missing, making it ready.

What belongs here: the order of the steps, each of which may have been done by an earlier `up` that
was killed anywhere in between: what is there is kept, what is missing is made. What does not: how a
process lives (`processes.py`), printing (`cli/up.py`). One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cairnfs.errors import Conflict, Exists, Unauthenticated, Unavailable, VersionChanged
from cairnfs.local import administrator, cluster_file, greeting, members, ports
from cairnfs.local.cluster_file import ClusterFile, Wish
from cairnfs.local.enrolment import administrators_client, enrol
from cairnfs.local.paths import CONTROL, ClusterPlaces
from cairnfs.local.processes import Process
from cairnfs.local.starting import starting
from cairnfs.local.waiting import until
from cairnfs.wire import auth, cluster, endpoints

if TYPE_CHECKING:
    from cairnfs.client.sync import Client

READY_WITHIN_S = 60.0
_JOIN_TTL_MS = 600_000
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Up:
    """A cluster that is ready. `started` are the processes that this call started."""

    places: ClusterPlaces
    cluster: ClusterFile
    processes: list[Process]
    started: list[str]
    user: str | None

    @property
    def is_ours(self) -> bool:
        """Whether nothing of the cluster ran before."""
        return len(self.started) == len(self.processes)


def up(data: Path, wish: Wish, tell: Tell) -> Up:
    """Bring the cluster in this directory up; returns when it is ready. What runs already stays.

    Raises Conflict (a port is taken, a wish that cannot be met), BadRequest (a file or number that
    makes no sense), Unavailable (a process that does not start or does not get ready). What this call
    started is stopped again then.
    """
    places = ClusterPlaces(data)
    _make_data_directory(data)
    with starting(places, tell):
        settled = _settle(places, wish)
        processes = members.processes(places, settled)
        missing = [process for process in processes if process.pid() is None]
        for member in settled.members:
            if member.name in {process.name for process in missing}:
                cluster_file.require_free(settled.host, member.port, member.name)
        try:
            for process in missing:
                process.start(members.serve_arguments(places, settled, process.name))
            user, settled = _make_ready(places, settled, processes, tell)
        except BaseException:
            members.stop(missing)
            raise
    return Up(places, settled, processes, [process.name for process in missing], user)


def _make_ready(
    places: ClusterPlaces, settled: ClusterFile, processes: list[Process], tell: Tell
) -> tuple[str | None, ClusterFile]:
    """See everything that was started serve, join and hold what a new cluster holds."""
    control, *fileservers = processes
    control.wait_until_ready()
    _wait_until(lambda: ports.answers(settled.host, settled.control.port), control, "does not answer")
    user = enrol(places, settled, tell)
    with administrators_client(places, settled.url) or nullcontext() as client:
        for process in fileservers:
            if not places.joined(process.name):
                # One after the other, so that the cluster numbers them as they are named here.
                _give_join_token(places, process, client)
                _wait_until(partial(places.joined, process.name), process, "does not join")
        for process in fileservers:
            process.wait_until_ready()
        if client is not None:
            _wait_until_ready(settled, processes, client)
            if not settled.welcomed:
                settled = _welcome(places, settled, client)
    return user, settled


def _make_data_directory(data: Path) -> None:
    try:
        data.mkdir(mode=0o755, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise Conflict("is not a directory", path=str(data), hint="choose another with --data") from error


def _settle(places: ClusterPlaces, wish: Wish) -> ClusterFile:
    """What the cluster is to be, on disk before anything acts on it."""
    found = cluster_file.load(places.cluster_file)
    if found is None:
        settled = cluster_file.choose(wish)
    else:
        settled = cluster_file.revise(found, wish)
        control = Process(places, CONTROL)
        if control.pid() is not None:
            if settled.url != found.url:
                raise Conflict(f"the cluster is up at {found.url}", hint="stop it first: cairn down")
            if settled.lease != found.lease:
                raise Conflict(
                    "the cluster is up with other times of leases", hint="stop it first: cairn down"
                )
    if settled != found:
        cluster_file.save(places.cluster_file, settled)
    return settled


def _wait_until(condition: Callable[[], bool], process: Process, otherwise: str) -> None:
    """Wait for something that the process is to do, also where an earlier `up` started it."""

    def done() -> bool:
        process.require_alive()
        return condition()

    if not until(done, READY_WITHIN_S):
        raise Unavailable(f"{process.name} {otherwise}", hint=f"see: cairn logs {process.name}")


def _give_join_token(places: ClusterPlaces, process: Process, client: Client | None) -> None:
    """A fileserver that has not joined yet finds a token in its directory."""
    if client is None:
        raise Unauthenticated(
            f"only an administrator can let {process.name} join", hint="log in as one with: cairn login"
        )
    reply = client.ask(endpoints.JOIN_TOKEN, auth.OneTimeRequest(ttl_ms=_JOIN_TTL_MS))
    administrator.keep_secret(places.join_token(process.name), reply.secret)


def _wait_until_ready(settled: ClusterFile, processes: list[Process], client: Client) -> None:
    """Every fileserver is up and every group has its members. Raises Unavailable."""

    def ready() -> bool:
        for process in processes:
            process.require_alive()
        status = client.status()
        up_count = sum(server.state in ("up", "full") for server in status.fileservers)
        return (
            status.ready
            and up_count >= len(settled.fileservers)
            and _groups_are_full(client.ask(endpoints.CLUSTER_MAP), settled.replicas)
        )

    if not until(ready, READY_WITHIN_S, poll_s=0.05):
        raise Unavailable(
            f"the cluster is not ready after {READY_WITHIN_S:.0f} s", hint="see: cairn status; cairn logs"
        )


def _groups_are_full(found: cluster.ClusterMap, replicas: int) -> bool:
    return all(len(group) >= replicas for group in found.groups)


def _welcome(places: ClusterPlaces, settled: ClusterFile, client: Client) -> ClusterFile:
    # An earlier `up` may have written it and been killed before it could say so.
    with suppress(Exists, VersionChanged):
        client.write_file(greeting.PATH, greeting.TEXT, expected="none", mode=0o644)
    welcomed = msgspec.structs.replace(settled, welcomed=True)
    cluster_file.save(places.cluster_file, welcomed)
    return welcomed
