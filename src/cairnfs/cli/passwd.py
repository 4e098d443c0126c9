"""`cairn passwd`."""

from __future__ import annotations

import os

from cairnfs.cli import connection, known_admin
from cairnfs.cli.options import Data, PasswordStdin, Profile
from cairnfs.cli.output import show
from cairnfs.cli.passwords import NEW_VARIABLE, VARIABLE, password
from cairnfs.errors import Unauthenticated


def command(password_stdin: PasswordStdin = False, profile: Profile = None, data: Data = None) -> int:
    """Change your password.

    It ends your other logins. Asks for the present one and the new one. CAIRN_PASSWORD and
    CAIRN_NEW_PASSWORD answer for you, or with --password-stdin the first and the second line of
    standard input.
    """
    from cairnfs.client import account
    from cairnfs.client import profile as profiles

    name = connection.profile_name(profile)
    saved = profiles.load(name)
    if saved is None:
        raise Unauthenticated("you are not logged in")
    known = None
    if not password_stdin and VARIABLE not in os.environ:
        known = known_admin.password_of(saved.user, saved.url, data)
    present = known or password(from_stdin=password_stdin, prompt=f"Present password of {saved.user}: ")
    new = password(from_stdin=password_stdin, twice=True, prompt="New password: ", variable=NEW_VARIABLE)
    account.change_password(present, new, profile=name)
    if known:
        known_admin.forget(data)
    show(f"changed the password of {saved.user}")
    return 0
