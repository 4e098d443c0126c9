"""`cairn put`."""

from __future__ import annotations

import os
import stat
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cairnfs.cli import connection, exits
from cairnfs.cli.copying import Copy, Kind, Source, Target, plan
from cairnfs.cli.options import Archive, Json, Lines, Preserve, Profile, Quiet, Recursive, Url, Wait
from cairnfs.cli.output import shown
from cairnfs.cli.progress import Progress
from cairnfs.cli.report import Report
from cairnfs.cli.seeing import remote
from cairnfs.client.results import Durability, Tree
from cairnfs.errors import BadRequest, CairnError, IsADirectory, NotFound

if TYPE_CHECKING:
    from cairnfs.client.sync import Client

STDIN = "-"


def command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="What to copy; - is standard input."),
    ],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where to, in Cairn.")],
    recursive: Recursive = False,
    preserve: Preserve = False,
    archive: Archive = False,
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
    """Copy files and directories into Cairn.

    The rules are those of cp: a TARGET that is a directory takes the sources below it; else TARGET is
    what the one source becomes. Each tree appears whole, in one commit; what Cairn has of it already is not
    sent, and a put that was interrupted goes on when it is repeated within an hour. Symlinks that are named
    are followed; those in a tree are kept, as are several names of one file.
    """
    recursive, preserve = recursive or archive, preserve or archive
    durability: Durability | None = "all" if everywhere else None
    report = Report("put", json, quiet)
    with connection.writing(url, profile, wait) as client:
        if STDIN in sources:
            path = _target_of_stdin(client, sources, target)
            report.make(b"-", path, lambda: _put_stream(client, sys.stdin.buffer, path, durability))
        else:
            for copy in _planned(client, sources, target, recursive):
                with Progress("put", copy.source, lines=verbose, quiet=quiet or json) as progress:
                    report.make(
                        copy.source,
                        copy.target,
                        partial(_put, client, copy, progress, durability, preserve),
                    )
    return exits.DIFFERENCE if report.finish() else exits.OK


def _planned(client: Client, sources: list[str], target: str, recursive: bool) -> list[Copy]:
    """What goes where, once every rule is met."""
    path = remote(target)
    return plan(
        [local_source(source) for source in sources],
        Target(path, kinds_in_cairn(client, [path])[0], target.endswith("/")),
        recursive=recursive,
        kinds=lambda places: kinds_in_cairn(client, places),
    )


def _put(
    client: Client, copy: Copy, progress: Progress, durability: Durability | None, preserve: bool
) -> Tree:
    if copy.kind == "directory":
        return client.put_tree(
            copy.source, copy.target, progress=progress.of_transfer, durability=durability, preserve=preserve
        )
    return client.put_file(
        copy.source, copy.target, progress=progress.of_transfer, durability=durability, preserve=preserve
    )


def _put_stream(client: Client, stream: BinaryIO, path: bytes, durability: Durability | None) -> Tree:
    written = client.write_file(path, stream, durability=durability)
    return Tree(1, 0, written.size, written.sent_bytes, 0, written.commit, 1)


def _target_of_stdin(client: Client, sources: list[str], target: str) -> bytes:
    if len(sources) > 1:
        raise BadRequest("standard input goes alone", path=STDIN)
    path = remote(target)
    if target.endswith("/") or kinds_in_cairn(client, [path])[0] == "directory":
        raise IsADirectory("is a directory", path=shown(target), hint="name the file that it is to become")
    return path


def local_source(argument: str) -> Source:
    """A source of this machine. Links are followed."""
    path = os.fsencode(argument)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Source(path, None, b"")
    kind: Kind = "directory" if stat.S_ISDIR(mode) else "file"
    name = os.path.basename(os.path.normpath(path))
    ends_in_dots = path.rstrip(b"/").endswith((b"/.", b"/..")) or name in (b".", b"..")
    return Source(path, kind, b"" if ends_in_dots else name)


def kinds_in_cairn(client: Client, paths: list[bytes], *, follow: bool = True) -> list[Kind | None]:
    """What these paths lead to. Raises what the cluster answers other than that nothing is there."""
    kinds: list[Kind | None] = []
    for path, found in zip(paths, client.stat_many(paths, follow=follow), strict=True):
        if isinstance(found, NotFound):
            kinds.append(None)
        elif isinstance(found, CairnError):
            found.path = shown(path)
            raise found
        else:
            kinds.append(found.kind)
    return kinds
