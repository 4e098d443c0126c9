"""`cairn login`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cairnfs.cli import connection, known_admin
from cairnfs.cli.options import Data, PasswordStdin, Profile, Url
from cairnfs.cli.output import show
from cairnfs.cli.passwords import VARIABLE, password


def command(
    user: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Who; without it, who was logged in last.")
    ] = None,
    password_stdin: PasswordStdin = False,
    profile: Profile = None,
    url: Url = None,
    data: Data = None,
) -> int:
    """Log in, and stay logged in.

    Later commands use this login. Asks for the password, unless CAIRN_PASSWORD is set. The
    administrator whom the first `cairn up` made logs in on the same machine without a question.
    """
    from cairnfs.client import account

    where = connection.url_to_log_in_at(url, profile)
    name = user or _last_user(profile)
    secret = None
    if not password_stdin and VARIABLE not in os.environ:
        secret = known_admin.password_of(name, where, data)
    secret = secret or password(from_stdin=password_stdin, prompt=f"Password of {name}: ")
    made = account.login(where, name, secret, profile=connection.profile_name(profile))
    show(f"logged in as {made.user} at {made.url}")
    return 0


def _last_user(profile: str | None) -> str:
    from cairnfs.errors import BadRequest

    saved = connection.last_login(profile)
    if saved is None:
        raise BadRequest("nobody was logged in before", hint="say who: cairn login NAME")
    return saved.user
