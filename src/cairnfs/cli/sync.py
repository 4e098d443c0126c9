"""`cairn sync`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cairnfs.cli import actions, connection, exits
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Checksum, DryRun, Json, Profile, Quiet, Url, Verbose
from cairnfs.cli.output import note, number, path_fields, seconds, show, show_json, shown, size
from cairnfs.cli.progress import Progress
from cairnfs.cli.report import received
from cairnfs.cli.seeing import remote
from cairnfs.client.results import ACTIONS_MAX, Synced
from cairnfs.clock import SystemClock


def command(
    source: Annotated[
        str, typer.Argument(metavar="REMOTEDIR", help="The directory as it is to be, in Cairn.")
    ],
    local: Annotated[str, typer.Argument(metavar="LOCALDIR", help="What is to become like it, here.")],
    at: At = None,
    dry_run: DryRun = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Even if over half of what is in LOCALDIR is removed by it.")
    ] = False,
    checksum: Checksum = False,
    archive: Annotated[
        bool, typer.Option("-a", "--archive", help="Modes, times, owners and extended attributes too.")
    ] = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make LOCALDIR exactly what REMOTEDIR is, as of one commit.

    What is not in REMOTEDIR is removed, at the end. Only what differs is fetched; each file changes as a
    whole, and if the command is interrupted it continues where it was. The next time, unchanged files are
    known by their size, times and inode.
    """
    checked(at)
    path = remote(source)
    clock = SystemClock()
    begun = clock.monotonic()
    with (
        connection.client(url, profile) as client,
        Progress("sync", path, lines=verbose, quiet=quiet or json) as progress,
    ):
        done = client.sync_tree(
            path,
            local,
            at=at,
            preserve=archive,
            dry_run=dry_run,
            yes=yes,
            checksum=checksum,
            progress=progress.of_transfer,
        )
    for skipped in done.skipped:
        note(f"cairn: {shown(skipped.path)}: left out: {skipped.reason}")
    if done.skipped_count > len(done.skipped):
        note(f"cairn: {number(done.skipped_count - len(done.skipped), 'more')} left out")
    if json:
        show_json(_document(path, local, done, clock.monotonic() - begun))
    elif not quiet or dry_run:
        for line in _lines(path, local, done, clock.monotonic() - begun):
            show(line)
    return exits.DIFFERENCE if done.skipped_count else exits.OK


def _lines(path: bytes, local: str, done: Synced, took_s: float) -> Iterator[str]:
    """What was done, or would be, for people."""
    for action in done.actions:
        yield actions.line(action)
    counts = ((done.added, "added"), (done.changed, "changed"), (done.removed, "removed"))
    words = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"
    where = f"{shown(path)} -> {shown(local)}"
    if done.dry:
        listed = (
            f", of which the first {ACTIONS_MAX:,} are listed" if len(done.actions) == ACTIONS_MAX else ""
        )
        yield f"{where}: would be {words}{listed}; at most {size(done.bytes)} to fetch"
    else:
        moved = received(done.received_bytes, done.cached_bytes)
        yield f"{where}: {words} ({moved}) in {seconds(took_s)}, as of commit {done.commit}"


def _document(path: bytes, local: str, done: Synced, took_s: float) -> dict[str, Any]:
    document: dict[str, Any] = {
        **path_fields(path, "source"),
        **path_fields(os.fsencode(local), "target"),
        "commit": done.commit,
        "dry_run": done.dry,
        "here": done.here,
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
        "files": done.files,
        "bytes": done.bytes,
        "received_bytes": done.received_bytes,
        "cached_bytes": done.cached_bytes,
        "seconds": round(took_s, 6),
        "left_out": done.skipped_count,
    }
    if done.dry:
        document["actions"] = [actions.fields(action) for action in done.actions]
    return document
