"""`cairn locks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection
from cairnfs.cli.long_answers import JsonEntries
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import moment, moment_rfc3339, path_fields, show, shown, table
from cairnfs.cli.seeing import remote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cairnfs.wire.locks import BrokenItem, LockItem

_HEADER = ("LOCK", "STATE", "MODE", "USER", "SINCE", "FENCE", "WAITING", "PROCESS", "PATH")
_BROKEN_HEADER = ("LOCK", "FENCE", "USER", "BROKEN BY", "WHEN", "REASON")
#: Columns of numbers.
_NUMBERS, _BROKEN_NUMBERS = frozenset({0, 5, 6}), frozenset({0, 1})


def command(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Only those in the way there or below it; else all.")
    ] = "/",
    broken: Annotated[
        bool,
        typer.Option(
            "--broken",
            help="Those that were broken, the latest first: your own, or as an administrator everybody's.",
        ),
    ] = False,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say who holds locks, and who waits for them.

    In the order in which they were asked for. Who waits is told the place in the queue; WAITING counts those
    that wait for a lock. PROCESS is who asked: host, program and number. What one may not see is left out.
    """
    place = remote(path)
    with connection.client(url, profile) as client:
        if broken:
            _tell_broken(client.broken_locks(), json=json)
        else:
            _tell(client.locks(place), json=json)
    return 0


def _tell(found: Iterable[LockItem], *, json: bool) -> None:
    if json:
        document = JsonEntries("locks")
        for one in found:
            document.add(_document(one))
        document.end()
        return
    rows = [_row(one) for one in found]
    if rows:
        for line in table([_HEADER, *rows], right=_NUMBERS):
            show(line)


def _tell_broken(found: Iterable[BrokenItem], *, json: bool) -> None:
    if json:
        document = JsonEntries("broken")
        for one in found:
            document.add(_broken_document(one))
        document.end()
        return
    rows = [
        (str(one.lock), str(one.fence), one.user, one.by, moment(one.at_us), shown(one.reason))
        for one in found
    ]
    if rows:
        for line in table([_BROKEN_HEADER, *rows], right=_BROKEN_NUMBERS):
            show(line)


def _row(one: LockItem) -> tuple[str, ...]:
    held = one.state == "held"
    return (
        str(one.lock),
        "held" if held else f"waits, {ordinal(one.place)}",
        mode(one.mode, subtree=one.subtree),
        one.user,
        moment(one.granted_us if held else one.asked_us),
        str(one.fence) if held else "",
        str(one.waiting) if one.waiting else "",
        shown(one.label),
        _paths(one),
    )


def _paths(one: LockItem) -> str:
    """The first of its paths, and how many others there are."""
    if not one.paths:
        return "(removed)"
    others = len(one.paths) - 1 + one.more
    return shown(one.paths[0].raw_path()) + (f" and {others:,} more" if others else "")


def mode(kind: str, *, subtree: bool) -> str:
    """`exclusive`, `shared`, and whether with all below."""
    return f"{kind}, subtree" if subtree else kind


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{place:,}{'th' if place // 10 % 10 == 1 else ends.get(place % 10, 'th')}"


def _document(one: LockItem) -> dict[str, Any]:
    return {
        "lock": one.lock,
        "state": one.state,
        "place": one.place,
        "mode": one.mode,
        "subtree": one.subtree,
        "paths": [path_fields(path.raw_path()) for path in one.paths],
        "more_paths": one.more,
        "user": one.user,
        "label": one.label,
        "session": one.session,
        "mine": one.mine,
        "asked": moment_rfc3339(one.asked_us),
        "granted": moment_rfc3339(one.granted_us) if one.state == "held" else None,
        "fence": one.fence,
        "waiting": one.waiting,
    }


def _broken_document(one: BrokenItem) -> dict[str, Any]:
    return {
        "lock": one.lock,
        "fence": one.fence,
        "user": one.user,
        "by": one.by,
        "at": moment_rfc3339(one.at_us),
        "reason": one.reason,
    }
