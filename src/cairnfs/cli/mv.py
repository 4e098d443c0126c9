"""`cairn mv`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.copying import Source, Target, plan
from cairnfs.cli.options import Profile, Url, Verbose, Wait
from cairnfs.cli.output import show, shown
from cairnfs.cli.put import kinds_in_cairn
from cairnfs.cli.seeing import remote


def command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help="What to move or rename.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Its new name, or the directory to hold it.")
    ],
    no_replace: Annotated[
        bool, typer.Option("-n", "--no-replace", help="Refuse to replace a file that is there.")
    ] = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Rename or move files and directories.

    Each takes one commit, whatever its size. Symlinks are moved and replaced themselves; as TARGET, one
    that leads to a directory takes the sources below it.
    """
    paths = [remote(source) for source in sources]
    place = remote(target)
    with connection.writing(url, profile, wait) as client:
        kinds = kinds_in_cairn(client, paths, follow=False)
        [target_kind] = kinds_in_cairn(client, [place])
        moves = plan(
            [Source(path, kind, path.rpartition(b"/")[2]) for path, kind in zip(paths, kinds, strict=True)],
            Target(place, target_kind, target.endswith("/")),
            recursive=True,
            kinds=lambda places: kinds_in_cairn(client, places, follow=False),
        )
        for move in moves:
            done = client.rename(move.source, move.target, replace=not no_replace)
            if verbose:
                show(f"{shown(move.source)} -> {shown(move.target)} (commit {done.commit})")
    return 0
