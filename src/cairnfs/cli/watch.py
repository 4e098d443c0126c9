"""`cairn watch`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli import connection, exits
from cairnfs.cli.looking_back import change_document, items, words
from cairnfs.cli.options import Profile, Url
from cairnfs.cli.output import moment_rfc3339, note, show, show_json
from cairnfs.cli.seeing import remote
from cairnfs.errors import BadRequest

if TYPE_CHECKING:
    from cairnfs.errors import CairnError
    from cairnfs.wire.history import Changes

#: How long a cluster may be away before watching it ends.
_PATIENCE_S = 24 * 3600.0


def command(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="What to watch, with all below it; it need not be there yet."),
    ],
    since: Annotated[
        int | None, typer.Option("--since", metavar="N", help="Begin after this commit instead of now.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="A JSON document a line, for each commit (large ones: several).")
    ] = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say what changes, as it is committed, until Ctrl-C.

    A line is a change: the commit's number, who made it, what it did. What happens to the directories that
    hold PATH counts too. When the cluster cannot be reached, watching goes on once it can, and nothing is
    left out or said twice.
    """
    from cairnfs.client import history

    raw = remote(path)
    if since is not None and since < 0:
        raise BadRequest("--since is a commit's number")
    try:
        with connection.client(url, profile) as client:
            # An address where nothing is, or a login that is over, is told at once.
            client.whoami()
            for event in items(
                client,
                lambda to: history.changes(to, raw, since, lost=_lost, found=_found, patience_s=_PATIENCE_S),
            ):
                _tell(event, json=json)
    except KeyboardInterrupt:
        # This is how watching ends: nothing to complain of.
        return exits.INTERRUPTED
    return exits.OK


def _tell(event: Changes, *, json: bool) -> None:
    if json:
        show_json(
            {
                "commit": event.commit,
                "time": moment_rfc3339(event.at_us or 0),
                "user": event.user,
                "message": event.message,
                "changes": [change_document(change) for change in event.changes],
                "more": event.more,
            }
        )
    else:
        for change in event.changes:
            show("{}  {}  {:<8} {}".format(event.commit, event.user, *words(change)))
    sys.stdout.flush()


def _lost(error: CairnError) -> None:
    note(f"cairn: {exits.line_of(error)}; trying again")


def _found() -> None:
    note("cairn: watching again")
