"""`cairn du`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from cairnfs.cli import connection, exits
from cairnfs.cli.long_answers import JsonEntries, closed, passed_by
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Profile, Url
from cairnfs.cli.output import note, path_fields, show, shown, size
from cairnfs.cli.seeing import remote
from cairnfs.errors import BadRequest, CairnError


def command(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="What to measure; / by itself.")
    ] = None,
    summary: Annotated[bool, typer.Option("-s", "--summarize", help="One sum for each PATH.")] = False,
    depth: Annotated[
        int | None,
        typer.Option("-d", "--max-depth", metavar="N", help="Directories down to so many names below."),
    ] = None,
    human: Annotated[bool, typer.Option("-h", "--human", help="Sizes in kB, MB, ...")] = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Sum up the sizes of what is below directories.

    Sizes are apparent ones in bytes: what files hold, holes among it, whatever their copies take on
    fileservers. A file with several names counts once. Each directory comes after those in it, and
    everything below a path is as of one commit. Directories that may not be read are passed by and counted;
    the exit status is 4 then. --json tells numbers of files, directories and symlinks, too.
    """
    from cairnfs.client.search import LINKS_MAX, Remarks

    checked(at)
    if summary and depth is not None:
        raise BadRequest("either -s or -d")
    if depth is not None and depth < 0:
        raise BadRequest("a depth is 0 or more")
    wanted = [remote(path) for path in paths or ["/"]]
    remarks, status, document = Remarks(), exits.OK, JsonEntries()
    with connection.client(url, profile) as client:
        for path in wanted:
            try:
                for one in client.du(path, depth=0 if summary else depth, at=at, remarks=remarks):
                    if json:
                        document.add({**path_fields(one.path), **_numbers(one)})
                    else:
                        show(f"{size(one.size) if human else one.size}\t{shown(one.path)}")
            except CairnError as error:
                status = passed_by(path, error, status, only=len(wanted) == 1)
            at = str(remarks.commit) if remarks.commit else at
    if json:
        document.end({"commit": remarks.commit, "closed": remarks.closed})
    if remarks.links_forgotten:
        note(f"cairn: over {LINKS_MAX:,} files have several names: some may be counted more than once")
    return closed(remarks.closed, status)


def _numbers(one: object) -> dict[str, int]:
    fields = dataclasses.asdict(one)  # type: ignore[call-overload]
    return {name: value for name, value in fields.items() if name != "path"}
