"""The options that several commands share, so that they are called and explained alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cairnfs.errors import BadRequest

Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="The cluster's address; else CAIRN_URL, else the saved login's."
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="Which saved login to use; else CAIRN_PROFILE."),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="MOMENT",
        help="Read the tree as it was: at a commit (41), a time (2026-11-22T10:00Z), so long ago (10m) "
        "or at a snapshot, by its name.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Say it as one JSON document.")]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="The cluster's directory; else CAIRN_DATA, see: cairn paths."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say what was done, and in which commit.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but what went wrong.")]
Lines = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say now and then how far it is, also where no terminal is.")
]
Recursive = Annotated[bool, typer.Option("-r", "-R", "--recursive", help="Directories with all in them.")]
RecursiveR = Annotated[bool, typer.Option("-R", "--recursive", help="Directories with all in them.")]
Preserve = Annotated[
    bool,
    typer.Option(
        "-p", "--preserve", help="Keep modes, times, extended attributes, and owners where that is permitted."
    ),
]
Archive = Annotated[bool, typer.Option("-a", "--archive", help="As -r -p.")]
Itself = Annotated[
    bool, typer.Option("-h", "--no-dereference", help="Symlinks themselves, not what they lead to.")
]
Null = Annotated[
    bool, typer.Option("-0", "--null", help="A NUL behind each instead of a line, and no escapes.")
]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Say what would be done, and do nothing.")]
Checksum = Annotated[
    bool,
    typer.Option(
        "--checksum",
        help="Read every local file, whatever its size and times say; otherwise only those "
        "that may have changed since the last time.",
    ),
]

Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        help="Where somebody else holds a lock, wait so long for one's turn; else it is refused at once.",
    ),
]
#: The longest that anything waits for a lock when told how long.
WAIT_MAX_S = 7 * 24 * 3600.0


def checked_wait(wait: float | None) -> float | None:
    """Seconds to wait. Raises BadRequest for what is none."""
    if wait is not None and not 0 <= wait <= WAIT_MAX_S:
        raise BadRequest(f"cannot wait {wait:g} seconds", hint=f"--wait takes 0 to {WAIT_MAX_S:.0f}")
    return wait


def data_directory(given: str | None) -> Path:
    """The data directory that was named, or this user's."""
    from cairnfs.local.paths import places

    return Path(given).absolute() if given else places().data
