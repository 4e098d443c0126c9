"""`cairn lock`."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection, exits, running
from cairnfs.cli.attention import Attention
from cairnfs.cli.commands import behind
from cairnfs.cli.holding import Held, holding
from cairnfs.cli.locks import mode, ordinal
from cairnfs.cli.options import Itself, Json, Profile, Url, checked_wait
from cairnfs.cli.output import moment, note, number, path_fields, show, show_json, shown
from cairnfs.cli.seeing import remote
from cairnfs.clock import SystemClock
from cairnfs.core import names
from cairnfs.errors import BadRequest
from cairnfs.wire.locks import proofs_to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cairnfs.client.locks.asked import Asked
    from cairnfs.wire.locks import LockReply

BEHIND = "COMMAND ARGUMENT..."
#: What ends the holding of a lock, well and truly.
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
#: A machine that slept notices by then.
_LOOK_S = 0.5


def command(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="What to lock, all at once; it need not be there yet."),
    ],
    shared: Annotated[
        bool, typer.Option("--shared", help="Beside others that share it; nobody can write meanwhile.")
    ] = False,
    subtree: Annotated[bool, typer.Option("--subtree", help="Directories with all below them.")] = False,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait", metavar="SECONDS", help="So long at most; 0 is not at all. Else as long as it takes."
        ),
    ] = None,
    itself: Itself = False,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Hold a lock until Ctrl-C, or while a command runs.

    Nobody else can change what is locked; their writes are refused, or wait with --wait. Whoever asks first
    has it first. With -- COMMAND it is held as long as COMMAND runs, whose cairn commands write under it
    (CAIRN_LOCK tells them). The exit status is COMMAND's own; 124 where the lock was lost, after COMMAND was
    ended. While it is stopped by Ctrl-Z nobody renews the lock.
    """
    from cairnfs.client.locks.asked import Asked

    arguments = behind(context)
    if arguments is not None:
        _check(arguments, json=json)
    asked = Asked(
        list(dict.fromkeys(names.path(remote(path)) for path in paths)),
        "shared" if shared else "exclusive",
        subtree,
        follow=not itself,
        wait_s=checked_wait(wait),
        tell=_tell_of_waiting,
    )
    if arguments is None:
        return _until_told(asked, profile, url, json=json)
    try:
        running.check(arguments)
        return _while_it_runs(asked, arguments, profile, url)
    except running.NotRun as error:
        note(f"cairn: {shown(arguments[0])}: {exits.one_line(error.what)}")
        return error.status


def _check(arguments: Sequence[str], *, json: bool) -> None:
    if not arguments or not arguments[0]:
        raise BadRequest("no command stands behind --", hint="cairn lock PATH -- COMMAND ARGUMENT...")
    if json:
        raise BadRequest("--json tells of a lock that is just held; with -- the output is COMMAND's own")


def _until_told(asked: Asked, profile: str | None, url: str | None, *, json: bool) -> int:
    """Hold it until a signal says to stop. Raises LockLost where it is lost before."""
    with connection.client(url, profile) as client:
        with holding(client, asked) as held, Attention(_ENDING) as attention:
            held.when_lost(attention.call)
            if json:
                show_json(_document(held))
            else:
                show(_line(held))
            sys.stdout.flush()
            while not held.is_lost and not attention.wait(_LOOK_S):
                pass
            if held.is_lost:
                held.error = held.lost()
        if held.error is not None:
            raise held.error
    return exits.OK


def _while_it_runs(asked: Asked, arguments: Sequence[str], profile: str | None, url: str | None) -> int:
    """Hold it while the command runs. The command's status, or that the lock was lost. Raises NotRun."""
    with connection.client(url, profile) as client:
        with holding(client, asked) as held, Attention(running.SIGNALS) as attention:
            held.when_lost(attention.call)
            environ = _environ(profile, url) | {"CAIRN_LOCK": held.proofs}
            ended = running.run(arguments, environ, held, attention, SystemClock())
            if held.is_lost:
                held.error = held.lost()
        if held.error is None and not ended.told:
            return ended.status
        why = "the lease could not be renewed in time" if held.error is None else exits.line_of(held.error)
        what = f"; {shown(arguments[0])} was ended" if ended.told else ""
        note(f"cairn: {why}{what}")
    return exits.LOST


def _environ(profile: str | None, url: str | None) -> dict[str, str]:
    """What the command inherits: cairn commands in it reach the same cluster as the same person."""
    named = connection.profile_name(profile)
    return {
        **os.environ,
        "CAIRN_URL": connection.address(url, profile),
        **({} if named is None else {"CAIRN_PROFILE": named}),
    }


def _line(held: Held) -> str:
    asked, proof = held.asked, held.proof
    others = len(asked.paths) - 1
    what = shown(asked.paths[0]) + (f" and {number(others, 'other', 'others')}" if others else "")
    how = mode(asked.mode, subtree=asked.subtree)
    return f"locked {what}: {how}, lock {proof.lock}, fence {proof.fence}"


def _document(held: Held) -> dict[str, Any]:
    asked, proof = held.asked, held.proof
    return {
        "lock": proof.lock,
        "fence": proof.fence,
        "incarnation": proof.incarnation,
        "mode": asked.mode,
        "subtree": asked.subtree,
        "paths": [path_fields(path) for path in asked.paths],
        "proof": proofs_to_text([proof]),
    }


def _tell_of_waiting(reply: LockReply) -> None:
    """A line for whoever sits and waits. The client's loop."""
    holder = reply.holder
    whose = ""
    if holder is not None:
        who = f"{holder.user} ({shown(holder.label)})" if holder.label else holder.user
        whose = f"; {who} is before, {holder.mode}, since {moment(holder.since_us)}"
    note(f"cairn: waiting for lock {reply.lock}, {ordinal(reply.place)} in line{whose}")
