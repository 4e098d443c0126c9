"""From what a caller has (a profile, a URL, a password, a token) to a connected filesystem.

What belongs here: which of these counts when several are there. `CAIRN_URL` and `CAIRN_TOKEN` in the
environment stand before the profile, arguments before both. `CAIRN_LOCK` is shown with every commit. Used
from one event loop.
"""

from __future__ import annotations

import os
import re
import socket
import sys

from cairnfs.client import credentials, profile, saved
from cairnfs.client.cache import directory as cache_directory
from cairnfs.client.connection import Connection
from cairnfs.client.credentials import GivenToken, RefreshedToken, TokenSource
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks.here import VARIABLE as LOCKS_VARIABLE
from cairnfs.client.locks.here import inherited
from cairnfs.client.record.record import state_dir
from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import BadRequest, Unauthenticated
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.transport import Transport

_URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_PORT_MAX = 65_535
#: How the command line is called when Python runs it as a module.
_COMMAND_LINE = os.path.join("cairnfs", "cli", "__main__.py")


def checked_url(url: str) -> str:
    """The origin, without a trailing slash. Raises BadRequest."""
    trimmed = url.strip().rstrip("/")
    if "://" not in trimmed:
        trimmed = f"http://{trimmed}"
    found = _URL.fullmatch(trimmed)
    if found is None or not 1 <= int(found[3] or 1) <= _PORT_MAX:
        raise BadRequest(f"not an address of a cluster: {url!r}", hint="give http://HOST:PORT")
    return trimmed.lower()


def label() -> str:
    """What this process is called where people look at sessions and locks: host, program, number.

    Of `cairn` its command stands there too; no arguments, which may be secret.
    """
    called = sys.argv[0] if sys.argv else ""
    program = os.path.basename(called) or "python"
    if program == "cairn" or called.endswith(_COMMAND_LINE):
        program = " ".join(["cairn", *(word for word in sys.argv[1:2] if word.isalpha())])
    return f"{socket.gethostname()} {program} {os.getpid()}"[:200]


async def connect(
    name: str | None = None,
    *,
    url: str | None = None,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
    clock: Clock | None = None,
    transport: Transport | None = None,
) -> Filesystem:
    """A connected filesystem; see `cairnfs.connect`. Raises Unauthenticated, BadCredentials, BadRequest."""
    clock = clock or SystemClock()
    token = token or (None if user is not None else os.environ.get("CAIRN_TOKEN")) or None
    url = url or os.environ.get("CAIRN_URL") or None
    known = profile.load(name)
    if name is not None and known is None:
        raise Unauthenticated(f"no profile is saved under {name!r}")
    if url is None and known is None:
        raise Unauthenticated("no cluster is known here", hint="start one: cairn up; or log in: cairn login")
    origin = checked_url(url or (known.url if known is not None else ""))
    locks = inherited(os.environ.get(LOCKS_VARIABLE))
    cache = cache_directory.settings(known)
    far = transport or HttpTransport(clock=clock)
    cluster_id = None
    tokens: TokenSource
    try:
        if user is not None:
            if password is None:
                raise BadRequest("a user needs a password")
            tokens = await _logged_in(far, origin, clock, user, password)
        elif token is not None:
            tokens = GivenToken(token)
        elif known is not None and known.url == origin:
            tokens = saved.tokens(far, clock, known, name)
            cluster_id = known.cluster_id
        else:
            raise Unauthenticated(
                f"nobody is logged in at {origin}", hint=f"log in: cairn login --url {origin}"
            )
    except BaseException:
        if transport is None:
            await far.close()
        raise
    connection = Connection(
        far, origin, clock=clock, tokens=tokens, cluster_id=cluster_id, label=label(), cache=cache
    )
    connection.control.locks.inherited = locks
    if cluster_id is not None:
        # Commands are repeated; a login that is saved nowhere is of a program that lives on.
        connection.notes = state_dir() / "puts"
    return Filesystem(connection, owns_transport=transport is None)


async def _logged_in(
    transport: Transport, origin: str, clock: Clock, user: str, password: str
) -> RefreshedToken:
    """Tokens of a login that is saved nowhere."""
    reply = await credentials.login(transport, origin, clock, user, password)
    refresh_token = reply.refresh_token

    async def renew(refused: str | None) -> tuple[str, int]:
        nonlocal refresh_token
        latest = await credentials.refresh(transport, origin, clock, refresh_token)
        refresh_token = latest.refresh_token
        return latest.token, latest.expires_at_us

    return RefreshedToken(clock, renew, (reply.token, reply.expires_at_us))
