"""`cairn policy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Json, Profile, Url, Wait
from cairnfs.cli.output import path_fields, show, show_json, shown
from cairnfs.cli.realpath import resolved
from cairnfs.cli.seeing import remote
from cairnfs.client.policies import DEFAULT
from cairnfs.core import names
from cairnfs.errors import BadRequest, CairnError

if TYPE_CHECKING:
    from cairnfs.client.results import Durability
    from cairnfs.client.sync import Client

_POLICIES: dict[str, Durability | None] = {
    "async": "async",
    "majority": "majority",
    "all": "all",
    "none": None,
}


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="Which directory.")],
    policy: Annotated[
        str | None,
        typer.Argument(
            metavar="async|majority|all|none", help="What it is to ask for; none: what is asked above it."
        ),
    ] = None,
    json: Json = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Show or set what a directory asks of writes below it.

    A write is answered when one disk holds it (async; the copies follow), most of its copies are on disk
    (majority), or all of them. The nearest directory above a file that says something counts, else it is
    majority. A single write may ask for more, never for less.
    """
    place = remote(path)
    if policy is not None and policy not in _POLICIES:
        raise BadRequest(f"no such policy: {policy[:80]}", hint="policies are async, majority, all and none")
    with connection.writing(url, profile, wait) as client:
        if policy is not None:
            client.set_policy(place, _POLICIES[policy])
        said, where = _in_force(client, resolved(client, place))
    if json:
        source = {} if where is None else path_fields(where, "from")
        show_json({**path_fields(place), "policy": said, **source})
    elif where is None:
        show(f"{said} (nothing is set here or above)")
    else:
        show(f"{said} (set at {shown(where)})")
    return 0


def _in_force(client: Client, place: bytes) -> tuple[str, bytes | None]:
    """(the policy, the directory that sets it or None) of a path without symlinks."""
    parts = names.split(names.path(place))
    chain = [names.join(parts[:length]) for length in range(len(parts), -1, -1)]
    for above, entry in zip(chain, client.stat_many(chain, follow=False), strict=True):
        if isinstance(entry, CairnError):
            entry.path = shown(above)
            raise entry
        if entry.policy is not None:
            return entry.policy, above
    return DEFAULT, None
