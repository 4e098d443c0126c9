"""`cairn chmod`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection, modes
from cairnfs.cli.changes import Changes
from cairnfs.cli.options import Profile, RecursiveR, Url, Verbose, Wait
from cairnfs.cli.seeing import remote
from cairnfs.client.local.attributes import process_umask
from cairnfs.wire.commits import Attributes
from cairnfs.wire.directory import Entry

#: What is no option is a mode: -w, -rx.
SETTINGS = {"ignore_unknown_options": True}


def command(
    mode: Annotated[str, typer.Argument(metavar="MODE", help="Like 640, u+rwX, g-w,o=, a+t, u+s.")],
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="What is to have it.")],
    recursive: RecursiveR = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Change modes.

    Up to 1,000 paths are one commit: all of them get their mode, or none. Symlinks that are named are
    followed, those found with -R are not. Without u, g, o or a in it, MODE leaves alone what the umask holds.
    """
    change = modes.parse(mode, process_umask())

    def wanted(entry: Entry) -> Attributes | None:
        new = change(entry.mode, entry.kind == "directory")
        return None if entry.kind == "symlink" or new == entry.mode else Attributes(mode=new)

    places = [remote(path) for path in paths]
    with connection.writing(url, profile, wait) as client:
        changes = Changes(client, wanted, follow=True)
        changes.add(places, recursive=recursive)
    return changes.tell(verbose=verbose)
