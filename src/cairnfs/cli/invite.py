"""`cairn invite`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Profile, Url
from cairnfs.cli.output import note, show
from cairnfs.errors import BadRequest

_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def command(
    fileserver: Annotated[
        bool, typer.Option("--fileserver", help="For a fileserver to join, instead of a person to sign up.")
    ] = False,
    valid: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long it is good: 30m, 12h, 7d.")
    ] = "",
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make an invitation for one person or one fileserver.

    It is a secret by which one can sign up, or join, once. Only administrators can make one. The secret
    is all that stands on standard output.
    """
    from cairnfs.wire import auth, endpoints

    ttl_ms = _milliseconds(valid or ("10m" if fileserver else "7d"))
    endpoint = endpoints.JOIN_TOKEN if fileserver else endpoints.INVITATION
    with connection.client(url, profile) as client:
        reply = client.ask(endpoint, auth.OneTimeRequest(ttl_ms=ttl_ms))
    show(reply.secret)
    note(
        "good for one fileserver: CAIRN_JOIN_TOKEN=... cairn serve fileserver ..."
        if fileserver
        else "good for one person: CAIRN_INVITATION=... cairn signup NAME"
    )
    return 0


def _milliseconds(text: str) -> int:
    count, unit = text[:-1], text[-1:]
    if not (count.isascii() and count.isdigit() and len(count) <= 6 and unit in _UNIT_MS and int(count)):
        raise BadRequest(f"cannot read {text[:40]!r} as a time", hint="give 30m, 12h or 7d")
    return int(count) * _UNIT_MS[unit]
