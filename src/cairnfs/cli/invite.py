"""`cairn invite`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli.exits import one_line
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import moment, moment_rfc3339, note, show, show_json, table
from cairnfs.cli.people import ask
from cairnfs.errors import BadRequest

if TYPE_CHECKING:
    from cairnfs.wire.people import InvitationInfo

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}


def command(
    fileserver: Annotated[
        bool, typer.Option("--fileserver", help="For a fileserver to join, instead of a person to sign up.")
    ] = False,
    admin: Annotated[bool, typer.Option("--admin", help="Who signs up with it is an administrator.")] = False,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="GROUP", help="Who signs up with it is in this user group; may repeat."
        ),
    ] = None,
    remark: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="What the list of invitations says of it.")
    ] = "",
    ttl: Annotated[
        str, typer.Option("--ttl", "--for", metavar="AGE", help="How long it is good: 30m, 12h, 7d at most.")
    ] = "",
    listed: Annotated[bool, typer.Option("--list", help="Say which still work, instead.")] = False,
    revoke: Annotated[
        str | None,
        typer.Option("--revoke", metavar="ID", help="Let one from the list work no more, instead."),
    ] = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make an invitation for one person or one fileserver.

    It is a secret by which one can sign up, or join, once. Only administrators can make one, and it works
    while they are. The secret is all that stands on standard output; nobody can show it again.
    """
    granting = bool(fileserver or admin or groups or remark or ttl)
    if (listed, revoke is not None, granting).count(True) > 1:
        raise BadRequest("make one, list them, or revoke one", hint="see: cairn invite --help")
    if fileserver and (admin or groups or remark):
        raise BadRequest("--admin, --group and --note are for people", hint="see: cairn invite --help")
    if listed:
        return _list(json, profile, url)
    if revoke is not None:
        ask(url, profile, lambda people: people.revoke(revoke))
        show(f"revoked {revoke}")
        return 0
    ttl_ms = _milliseconds(ttl or ("10m" if fileserver else "7d"))
    if fileserver:
        made = ask(url, profile, lambda people: people.join_token(ttl_ms=ttl_ms))
    else:
        made = ask(
            url,
            profile,
            lambda people: people.invite(
                role="admin" if admin else "user", user_groups=groups or [], note=remark, ttl_ms=ttl_ms
            ),
        )
    if json:
        show_json({"secret": made.secret, "id": made.id, "expires_at": moment_rfc3339(made.expires_at_us)})
        return 0
    show(made.secret)
    note(
        f"{made.id}: good for one fileserver: CAIRN_JOIN_TOKEN=... cairn serve fileserver ..."
        if fileserver
        else f"{made.id}: good for one person: CAIRN_INVITATION=... cairn signup NAME"
    )
    return 0


def _list(json: bool, profile: str | None, url: str | None) -> int:
    found = ask(url, profile, lambda people: people.invitations())
    if json:
        show_json(
            {
                "invitations": [
                    {
                        "id": one.id,
                        "purpose": one.purpose,
                        "role": one.role if one.purpose == "person" else None,
                        "user_groups": one.user_groups,
                        "note": one.note,
                        "issuer": one.issuer,
                        "expires_at": moment_rfc3339(one.expires_at_us),
                    }
                    for one in found
                ]
            }
        )
        return 0
    for line in table(
        (one.id, one.issuer, f"until {moment(one.expires_at_us)}", _grants(one), one_line(one.note))
        for one in found
    ):
        show(line)
    return 0


def _grants(one: InvitationInfo) -> str:
    if one.purpose == "fileserver":
        return "fileserver"
    return ",".join([one.role, *one.user_groups])


def _milliseconds(text: str) -> int:
    count, unit = text[:-1], text[-1:]
    if not (count.isascii() and count.isdigit() and len(count) <= 6 and unit in _UNIT_MS and int(count)):
        raise BadRequest(f"cannot read {text[:40]!r} as a time", hint="give 30m, 12h or 7d")
    ttl_ms = int(count) * _UNIT_MS[unit]
    if ttl_ms > _UNIT_MS["w"]:
        raise BadRequest(f"{text} is too long", hint="7d at most")
    return ttl_ms
