"""`cairn retention`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import show, show_json
from cairnfs.core.moment import age_us
from cairnfs.errors import BadRequest

ALL = "all"
_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def command(
    age: Annotated[
        str | None,
        typer.Argument(metavar="AGE", help="How much to keep from now on: 30s, 10m, 2h, 7d, 4w, or all."),
    ] = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say how much history is kept, or as an administrator set it.

    Commits that are older can no longer be read, but for those that snapshots name or that somebody is
    reading. What was given up does not come back when more is kept again.
    """
    wanted = None if age is None else _read(age)
    with connection.client(url, profile) as client:
        told = client.retention() if wanted is None else client.set_retention(wanted)
    if json:
        show_json(
            {"retention_seconds": told.retention_us / 1e6, "horizon": told.horizon, "commit": told.commit}
        )
        return 0
    kept = f"the last {_said(told.retention_us)}" if told.retention_us else "everything"
    show(f"{kept} is kept; commits {told.horizon} to {told.commit} can be read")
    return 0


def _read(age: str) -> int:
    if age == ALL:
        return 0
    wanted = age_us(age)
    if not wanted:
        raise BadRequest(
            f"cannot read {age[:80]!r} as an age", hint="give one like 30s, 10m, 2h, 7d or 4w, or all"
        )
    return wanted


def _said(us: int) -> str:
    """An age as it would be given."""
    seconds = us / 1e6
    for unit, many in _UNITS:
        if seconds >= many and seconds % many == 0:
            return f"{int(seconds // many)}{unit}"
    return f"{seconds:g}s"
