"""`cairn chown`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.changes import Changes
from cairnfs.cli.options import Itself, Profile, RecursiveR, Url, Verbose, Wait
from cairnfs.cli.seeing import remote
from cairnfs.errors import BadRequest
from cairnfs.wire.commits import Attributes
from cairnfs.wire.directory import Entry


def command(
    owners: Annotated[
        str, typer.Argument(metavar="[OWNER][:GROUP]", help="Like ann, ann:staff or :staff; ann: is ann:ann.")
    ],
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="What is to be theirs.")],
    recursive: RecursiveR = False,
    itself: Itself = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Change owners and user groups.

    Up to 1,000 paths are one commit. Administrators may give anything to anyone; an owner only to a user
    group that they are in. With -R symlinks are changed themselves, and never followed.
    """
    owner, group = _read(owners)

    def wanted(entry: Entry) -> Attributes | None:
        alike = owner in (None, entry.owner) and group in (None, entry.group)
        return None if alike else Attributes(owner=owner, group=group)

    places = [remote(path) for path in paths]
    with connection.writing(url, profile, wait) as client:
        changes = Changes(client, wanted, follow=not (itself or recursive))
        changes.add(places, recursive=recursive)
    return changes.tell(verbose=verbose)


def _read(owners: str) -> tuple[str | None, str | None]:
    """(owner, user group), of which one may be missing. Raises BadRequest."""
    owner, colon, group = owners.partition(":")
    if not owner and not group:
        raise BadRequest(
            f"cannot read {owners[:80]!r} as an owner", hint="owners are like ann, ann:staff or :staff"
        )
    return owner or None, group or (owner if colon else None) or None
