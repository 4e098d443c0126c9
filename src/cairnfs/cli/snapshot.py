"""`cairn snapshot`.

Give commits names by which they can be read for good.

--at takes a snapshot's name wherever it takes a commit, a time or an age. However far the horizon of
history moves (see cairn retention), what a snapshot names can be read. It costs next to nothing to make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection
from cairnfs.cli.moments import checked
from cairnfs.cli.options import Json, Profile, Url, Verbose
from cairnfs.cli.output import moment, moment_rfc3339, show, show_json, table

if TYPE_CHECKING:
    from cairnfs.wire.snapshots import SnapshotReply

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="1 to 64 letters, digits, '.', '_' and '-', a letter first."),
]


def create(
    name: Name,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="MOMENT",
            help="Which: a commit (41), a time (2026-11-22T10:00Z) or so long ago (10m); else the newest.",
        ),
    ] = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Name a commit: the newest, unless --at says another."""
    checked(at)
    with connection.client(url, profile) as client:
        made = client.create_snapshot(name, at)
    if json:
        show_json(_document(made))
    else:
        show(f"{made.name} is commit {made.commit} of {moment(made.at_us)}")
    return 0


def list_all(json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say which snapshots there are."""
    with connection.client(url, profile) as client:
        found = client.list_snapshots()
    if json:
        show_json({"snapshots": [_document(one) for one in found]})
    elif found:
        for line in table((one.name, f"commit {one.commit}", moment(one.at_us), one.user) for one in found):
            show(line)
    return 0


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="The snapshots' names.")],
    verbose: Verbose = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Take names away: your own, or as an administrator anybody's.

    What they named stays in history as long as cairn retention says.
    """
    with connection.client(url, profile) as client:
        for name in names:
            client.remove_snapshot(name)
            if verbose:
                show(f"removed {name}")
    return 0


VERBS = {
    "create": create,
    "list": list_all,
    "remove": remove,
}


def _document(one: SnapshotReply) -> dict[str, Any]:
    return {
        "name": one.name,
        "commit": one.commit,
        "at": moment_rfc3339(one.at_us),
        "user": one.user,
        "created_at": moment_rfc3339(one.created_us),
    }
