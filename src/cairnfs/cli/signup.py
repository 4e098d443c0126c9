"""`cairn signup`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import PasswordStdin, Profile, Url
from cairnfs.cli.output import show
from cairnfs.cli.passwords import asked, password


def command(
    user: Annotated[str, typer.Argument(metavar="NAME", help="The new user's name.")],
    invited: Annotated[
        bool,
        typer.Option("--invited", help="Ask for the invitation (else CAIRN_INVITATION, if it is set)."),
    ] = False,
    password_stdin: PasswordStdin = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Become a user of the cluster, and log in.

    You get a home directory, /home/NAME. Signing up is open where the cluster listens on this machine
    only; elsewhere it takes an invitation from an administrator (cairn invite). Asks for the password,
    unless CAIRN_PASSWORD is set.
    """
    from cairnfs.client import account

    where = connection.url_to_log_in_at(url, profile)
    invitation = os.environ.get("CAIRN_INVITATION") or None
    if invited and invitation is None:
        invitation = asked("Invitation: ").strip()
    chosen = password(from_stdin=password_stdin, twice=True)
    made = account.signup(
        where, user, chosen, invitation=invitation, profile=connection.profile_name(profile)
    )
    show(f"signed up and logged in as {made.user} at {made.url}; home: /home/{made.user}")
    return 0
