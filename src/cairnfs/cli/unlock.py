"""`cairn unlock`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Profile, Url
from cairnfs.cli.output import show
from cairnfs.errors import BadRequest, Forbidden
from cairnfs.wire.endpoints.locks import RELEASE_LOCKS
from cairnfs.wire.locks import LockProof, LockToken, ReleaseRequest, proofs_from_text

_VARIABLE = "CAIRN_LOCK"


def command(
    number: Annotated[int, typer.Argument(metavar="LOCK", help="Its number, as cairn locks tells it.")],
    breaking: Annotated[
        bool,
        typer.Option("--break", help="Take it away: your own, or as an administrator anybody's."),
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, for cairn locks --broken.")
    ] = "",
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Give a lock back, or take it away.

    Without --break only a lock that CAIRN_LOCK shows, as it does to what cairn lock PATH -- COMMAND runs. A
    lock that is broken goes to the next in the queue at once; whoever held it can write nothing more under
    it, their command is ended, and it is recorded: see cairn locks --broken.
    """
    if number < 1:
        raise BadRequest("locks have numbers from 1 on", hint="see: cairn locks")
    if reason and not breaking:
        raise BadRequest("--reason tells why a lock is broken: give --break too")
    proof = None if breaking else shown_in_environment(number)
    with connection.client(url, profile) as client:
        if proof is None:
            client.break_lock(number, reason)
            show(f"lock {number} is broken")
        else:
            client.ask(RELEASE_LOCKS, ReleaseRequest(locks=[LockToken(lock=proof.lock, token=proof.token)]))
            show(f"lock {number} is given back")
    return 0


def shown_in_environment(number: int) -> LockProof:
    """The proof of this lock in CAIRN_LOCK. Raises Forbidden where there is none."""
    for proof in proofs_from_text(os.environ.get(_VARIABLE, "")):
        if proof.lock == number:
            return proof
    raise Forbidden(
        f"{_VARIABLE} does not show lock {number}",
        hint=f"end the command that holds it, or take it away: cairn unlock {number} --break",
    )
