"""`cairn ln`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Profile, Url, Verbose, Wait
from cairnfs.cli.output import show, shown
from cairnfs.cli.put import kinds_in_cairn
from cairnfs.cli.seeing import remote
from cairnfs.errors import NotADirectory, NotFound

if TYPE_CHECKING:
    from cairnfs.client.sync import Client


def command(
    targets: Annotated[list[str], typer.Argument(metavar="TARGET", help="What the new name leads to.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The new name, or the directory that is to hold it.")
    ],
    symbolic: Annotated[
        bool, typer.Option("-s", "--symbolic", help="Make symlinks; TARGET is taken as it is given.")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="A file or symlink that has the name gives way.")
    ] = False,
    no_dereference: Annotated[
        bool, typer.Option("-n", "--no-dereference", help="NAME is itself, even if it leads to a directory.")
    ] = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Give files further names, or make symlinks.

    Without -s all names of a file are equal: it goes with the last of them. A symlink's target may be
    relative to where the symlink is, absolute from Cairn's root, or not there at all.
    """
    place = remote(name)
    sources = [os.fsencode(target) if symbolic else remote(target) for target in targets]
    with connection.writing(url, profile, wait) as client:
        inside = _is_directory(client, place, name.endswith("/"), len(targets), follow=not no_dereference)
        for source in sources:
            new = remote(os.fsdecode(_below(place, source))) if inside else place
            if symbolic:
                done = client.symlink(source, new, replace=force)
            else:
                done = client.link(source, new, follow=False, replace=force)
            if verbose:
                show(f"{shown(new)} {'->' if symbolic else '='} {shown(source)} (commit {done.commit})")
    return 0


def _is_directory(client: Client, place: bytes, slash: bool, targets: int, *, follow: bool) -> bool:
    """Whether the names go below the place. Raises NotFound, NotADirectory where they have to and cannot."""
    [kind] = kinds_in_cairn(client, [place], follow=follow or slash)
    if kind == "directory":
        return True
    if slash or targets > 1:
        if kind is None:
            raise NotFound("no such directory", path=shown(place))
        raise NotADirectory("is not a directory", path=shown(place))
    return False


def _below(directory: bytes, source: bytes) -> bytes:
    return directory.rstrip(b"/") + b"/" + os.path.basename(source.rstrip(b"/"))
