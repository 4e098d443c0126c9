"""`cairn get`."""

from __future__ import annotations

import os
import stat
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli import connection, exits
from cairnfs.cli.copying import Copy, Kind, Source, Target, plan
from cairnfs.cli.moments import checked
from cairnfs.cli.options import Archive, At, Json, Lines, Preserve, Profile, Quiet, Recursive, Url
from cairnfs.cli.output import shown
from cairnfs.cli.progress import Progress
from cairnfs.cli.report import Report
from cairnfs.cli.seeing import Seen, look
from cairnfs.client.results import Tree
from cairnfs.errors import BadRequest, IsADirectory, NotADirectory

if TYPE_CHECKING:
    from cairnfs.client.sync import Client
    from cairnfs.wire.directory import Entry

STDOUT = "-"


def command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help="What to copy, in Cairn.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Where to, on this machine; - is standard output.")
    ],
    recursive: Recursive = False,
    preserve: Preserve = False,
    archive: Archive = False,
    at: At = None,
    verbose: Lines = False,
    quiet: Quiet = False,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Copy files and directories out of Cairn.

    All is as of one commit. The rules are those of cp: a TARGET that is a directory takes the sources
    below it; else TARGET is what the one source becomes. A SOURCE that ends in /. gives what is in it. Each
    file appears whole under its name, or not at all; what is here already and equal is left alone. Symlinks
    that are named are followed; those in a tree are kept, as are several names of one file.
    """
    checked(at)
    if target == STDOUT and json:
        raise BadRequest("standard output cannot hold both the file and a JSON document", path=STDOUT)
    recursive, preserve = recursive or archive, preserve or archive
    report = Report("get", json, quiet)
    with connection.client(url, profile) as client:
        seen = look(client, [_named(source) for source in sources], at, strict=True, follow=True)
        if target == STDOUT:
            _to_stdout(client, seen)
            return exits.OK
        for copy in _planned(seen, sources, target, recursive):
            with Progress("get", copy.source, lines=verbose, quiet=quiet or json) as progress:
                report.make(
                    copy.source,
                    copy.target,
                    partial(_get, client, copy, seen.commit, progress, preserve),
                )
    return exits.DIFFERENCE if report.finish() else exits.OK


def _named(source: str) -> str:
    """The directory whose contents `DIRECTORY/.` means; else the source itself."""
    bare = source.rstrip("/")
    return bare[:-1] if bare.endswith("/.") else source


def _source(argument: str, path: bytes, entry: Entry) -> Source:
    contents = _named(argument) != argument
    if contents and entry.kind != "directory":
        raise NotADirectory("is not a directory", path=shown(argument))
    return Source(path, entry.kind, b"" if contents else entry.raw_name())


def _planned(seen: Seen, sources: list[str], target: str, recursive: bool) -> list[Copy]:
    """What goes where, once every rule is met."""
    path = os.fsencode(target)
    return plan(
        [_source(source, *found) for source, found in zip(sources, seen.entries, strict=True)],
        Target(path.rstrip(b"/") or b"/", _kinds_here([path])[0], target.endswith("/")),
        recursive=recursive,
        kinds=_kinds_here,
    )


def _get(client: Client, copy: Copy, at: int, progress: Progress, preserve: bool) -> Tree:
    if copy.kind == "directory":
        return client.get_tree(
            copy.source, copy.target, at=at, progress=progress.of_transfer, preserve=preserve
        )
    return client.get_file(copy.source, copy.target, at=at, progress=progress.of_transfer, preserve=preserve)


def _to_stdout(client: Client, seen: Seen) -> None:
    for path, entry in seen.entries:
        if entry.kind == "directory":
            raise IsADirectory("is a directory", path=shown(path), hint="give a directory to get it into")
    for path, _ in seen.entries:
        for piece in client.read_stream(path, at=seen.commit):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _kinds_here(paths: list[bytes]) -> list[Kind | None]:
    kinds: list[Kind | None] = []
    for path in paths:
        try:
            kinds.append("directory" if stat.S_ISDIR(os.stat(path).st_mode) else "file")
        except (FileNotFoundError, NotADirectoryError):
            kinds.append(None)
    return kinds
