"""`cairn publish`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cairnfs.cli import actions, connection, exits
from cairnfs.cli.options import Checksum, DryRun, Json, Lines, Profile, Quiet, Url, Wait
from cairnfs.cli.output import note, number, path_fields, seconds, show, show_json, shown, size
from cairnfs.cli.progress import Progress
from cairnfs.cli.seeing import remote
from cairnfs.client.results import ACTIONS_MAX, Published
from cairnfs.clock import SystemClock


def command(
    local: Annotated[str, typer.Argument(metavar="LOCALDIR", help="The directory as it is to be.")],
    target: Annotated[str, typer.Argument(metavar="REMOTEDIR", help="What is to become like it, in Cairn.")],
    message: Annotated[
        str, typer.Option("-m", "--message", metavar="TEXT", help="What the log says of the commit.")
    ] = "",
    dry_run: DryRun = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Even if over half of what is in REMOTEDIR is removed by it.")
    ] = False,
    checksum: Checksum = False,
    archive: Annotated[
        bool, typer.Option("-a", "--archive", help="Times, owners and extended attributes too.")
    ] = False,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--all-copies", help="Return only once every copy is on disk, whatever the directory asks for."
        ),
    ] = False,
    verbose: Lines = False,
    quiet: Quiet = False,
    json: Json = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make REMOTEDIR exactly what LOCALDIR is, in one commit.

    What is not in LOCALDIR is removed. Readers see all of it or nothing, and if others change REMOTEDIR
    meanwhile it is looked at again. Only what differs is sent, and nothing that REMOTEDIR has under another
    name. The next time, unchanged files are known by their size, times and inode.
    """
    path = remote(target)
    clock = SystemClock()
    begun = clock.monotonic()
    with (
        connection.writing(url, profile, wait) as client,
        Progress("publish", os.fsencode(local), lines=verbose, quiet=quiet or json) as progress,
    ):
        done = client.publish(
            local,
            path,
            message=message,
            dry_run=dry_run,
            yes=yes,
            checksum=checksum,
            preserve=archive,
            durability="all" if everywhere else None,
            progress=progress.of_transfer,
        )
    for skipped in done.skipped:
        note(f"cairn: {shown(skipped.path)}: {skipped.reason}")
    if done.skipped_count > len(done.skipped):
        note(f"cairn: {number(done.skipped_count - len(done.skipped), 'more')} left out")
    if json:
        show_json(_document(path, done, clock.monotonic() - begun))
    elif not quiet or dry_run:
        for line in _lines(local, path, done, clock.monotonic() - begun):
            show(line)
    return exits.DIFFERENCE if done.skipped_count else exits.OK


def _lines(local: str, path: bytes, done: Published, took_s: float) -> Iterator[str]:
    """What was done, or would be, for people."""
    for action in done.actions:
        yield actions.line(action)
    counts = _counts(done)
    where = f"{shown(local)} -> {shown(path)}"
    if done.dry:
        unlisted = (
            f", of which the first {ACTIONS_MAX:,} are listed" if len(done.actions) == ACTIONS_MAX else ""
        )
        what = f"would be one commit: {counts}{unlisted}" if counts else "nothing to do"
        yield f"{where}: {what}; at most {size(done.bytes)} to send"
    elif not done.made:
        yield f"{where}: nothing to do, equal as of commit {done.commit} ({seconds(took_s)})"
    else:
        again = f", looked at {done.rounds} times" if done.rounds > 1 else ""
        sent = f"(sent {size(done.sent_bytes)}) in {seconds(took_s)}"
        yield f"{where}: {counts} {sent}, commit {done.commit}{again}"


def _counts(done: Published) -> str:
    counts = ((done.added, "added"), (done.changed, "changed"), (done.removed, "removed"))
    return ", ".join(f"{count:,} {what}" for count, what in counts if count)


def _document(path: bytes, done: Published, took_s: float) -> dict[str, Any]:
    document: dict[str, Any] = {
        **path_fields(path),
        "commit": done.commit,
        "made": done.made,
        "dry_run": done.dry,
        "there": done.there,
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
        "bytes": done.bytes,
        "sent_bytes": done.sent_bytes,
        "rounds": done.rounds,
        "walked": done.walked,
        "seconds": round(took_s, 6),
        "left_out": done.skipped_count,
    }
    if done.dry:
        document["actions"] = [actions.fields(action) for action in done.actions]
    return document
