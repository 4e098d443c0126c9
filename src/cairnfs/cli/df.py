"""`cairn df`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cairnfs.cli import connection
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import number, show, show_json, size, table

if TYPE_CHECKING:
    from cairnfs.client.search import Capacity

_NUMBERS = frozenset({2, 3, 4, 5})


def command(json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say how much room there is.

    What is available is for new data, each byte of it in all copies. Fileservers that share a disk each
    tell of all that is free on it: then less is available.
    """
    with connection.client(url, profile) as client:
        found = client.df()
    if json:
        show_json(_document(found))
        return 0
    for line in _lines(found):
        show(line)
    return 0


def _lines(found: Capacity) -> list[str]:
    rows = [("FILESERVER", "STATE", "SIZE", "USED", "FREE", "USE%", "ADDRESS")]
    for one in found.fileservers:
        whole = one.used_bytes + one.free_bytes
        rows.append(
            (
                str(one.id),
                one.state,
                size(whole),
                size(one.used_bytes),
                size(one.free_bytes),
                _percent(one.used_bytes, whole),
                one.address,
            )
        )
    return [
        f"{size(found.available)} available for new data, in {number(found.copies, 'copy', 'copies')} each",
        f"{size(found.used)} used of {size(found.size)} on {number(len(found.fileservers), 'fileserver')}",
        *(["", *table(rows, right=_NUMBERS)] if found.fileservers else []),
    ]


def _percent(part: int, whole: int) -> str:
    return f"{-(-100 * part // whole)}%" if whole else "-"


def _document(found: Capacity) -> dict[str, Any]:
    import msgspec

    return {
        "available_bytes": found.available,
        "used_bytes": found.used,
        "size_bytes": found.size,
        "copies": found.copies,
        "fileservers": msgspec.to_builtins(found.fileservers),
    }
