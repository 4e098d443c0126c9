"""`cairn status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection, exits
from cairnfs.cli.options import Data, Json, Profile, Url, data_directory
from cairnfs.cli.output import note, number, show, show_json, size, table
from cairnfs.errors import BadRequest, CairnError, Unavailable
from cairnfs.local import cluster_file, members
from cairnfs.local.members import Running
from cairnfs.local.paths import ClusterPlaces
from cairnfs.local.waiting import until

if TYPE_CHECKING:
    from cairnfs.client.sync import Client
    from cairnfs.wire.cluster import FileserverStatus, StatusReply

_POLL_S = 0.1
_NUMBERS = frozenset({2, 3, 4})


def command(
    wait: Annotated[
        str | None,
        typer.Option(
            "--wait",
            metavar="ready|clean",
            help="Return only once the cluster is ready for writes; or clean, every copy made.",
        ),
    ] = None,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for it.")
    ] = 60,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
    data: Data = None,
) -> int:
    """Say how the cluster is.

    Whether it is ready, its fileservers, and what of it runs on this machine.
    """
    if wait not in (None, "ready", "clean"):
        raise BadRequest(f"--wait waits for ready or clean, not {wait!r}")
    where = connection.address(url, profile)
    here = _running_here(data, where)
    try:
        with connection.client(url, profile) as client:
            found = client.status() if wait is None else _wait_until(client, wait, timeout)
    except Unavailable as error:
        if not json:
            for line in _process_lines(here):
                note(line)
        if here and not any(one.pid for one in here):
            error.hint = "start it: cairn up"
        raise
    if json:
        show_json(_document(found, where, here))
    else:
        for line in _lines(found, where, here):
            show(line)
    return exits.OK


def _wait_until(client: Client, what: str, timeout_s: int) -> StatusReply:
    last: list[CairnError] = []

    def reached() -> StatusReply | None:
        try:
            found = client.status()
        except Unavailable as error:
            last[:] = [error]
            return None
        return found if found.ready and (what == "ready" or not found.groups_dirty) else None

    found = until(reached, timeout_s, poll_s=_POLL_S)
    if found is None:
        if last:
            raise last[0]
        raise Unavailable(
            f"the cluster is not {what} after {timeout_s} s", hint="see: cairn status; cairn logs"
        )
    return found


def _running_here(data: str | None, url: str) -> list[Running]:
    """What of the cluster at this address runs on this machine; nothing where it is another's."""
    places = ClusterPlaces(data_directory(data))
    try:
        cluster = cluster_file.load(places.cluster_file)
    except OSError:
        return []  # another user's
    return members.running(places, cluster) if cluster and url in (cluster.url, "") else []


def _lines(found: StatusReply, url: str, here: list[Running]) -> list[str]:
    facts = (
        f"commit {found.commit:,}",
        f"{number(found.copies, 'copy', 'copies')} of each chunk",
        _groups(found),
        number(found.sessions, "session"),
        found.database,
        f"cairn {found.version}",
    )
    state = "ready" if found.ready else "not ready"
    lines = [f"cluster {found.cluster_id[:8]} at {url}: {state}", ", ".join(facts)]
    if found.fileservers:
        rows = [("FILESERVER", "STATE", "USED", "FREE", "CHUNKS", "ADDRESS")]
        rows += [_row(one) for one in found.fileservers]
        lines += ["", *table(rows, right=_NUMBERS)]
    return lines + ([""] if here else []) + _process_lines(here)


def _row(one: FileserverStatus) -> tuple[str, str, str, str, str, str]:
    return str(one.id), one.state, size(one.used_bytes), size(one.free_bytes), f"{one.chunks:,}", one.address


def _groups(found: StatusReply) -> str:
    if not found.groups_dirty:
        return f"{number(found.groups_clean, 'group')} clean"
    return f"{found.groups_clean:,} groups clean, {found.groups_dirty:,} dirty"


def _process_lines(here: list[Running]) -> list[str]:
    if not here:
        return []
    rows = [("PROCESS", "PID", "ADDRESS")]
    rows += [(one.name, str(one.pid) if one.pid else "not running", one.address) for one in here]
    return table(rows)


def _document(found: StatusReply, url: str, here: list[Running]) -> dict[str, Any]:
    import msgspec

    return {
        "url": url,
        "ready": found.ready,
        **msgspec.to_builtins(found),
        "processes": [{"name": one.name, "pid": one.pid, "address": one.address} for one in here],
    }
