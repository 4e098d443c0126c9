"""`cairn ls`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli import connection, entries
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Profile, Url
from cairnfs.cli.output import moment, show, show_json, shown, size, table
from cairnfs.cli.seeing import Seen, look, remote
from cairnfs.errors import CairnError

if TYPE_CHECKING:
    from cairnfs.client.sync import Client
    from cairnfs.wire.directory import Entry

Found = tuple[bytes, "Entry"]
_NUMBERS = frozenset({1, 4})


def command(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="What to list; / by itself.")
    ] = None,
    long: Annotated[
        bool, typer.Option("-l", "--long", help="With mode, links, owner, group, size, time and target.")
    ] = False,
    human: Annotated[bool, typer.Option("-h", "--human", help="With -l, sizes in kB, MB, ...")] = False,
    directory: Annotated[
        bool, typer.Option("-d", "--directory", help="Directories themselves, not what is in them.")
    ] = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """List directories.

    Names come in the order of their bytes, and everything is as of one commit. A symlink that is named
    and leads to a directory is listed as that directory; with -l only where a / ends it. At a terminal a
    / behind a name marks a directory, an @ a symlink.
    """
    checked(at)
    asked = paths or ["/"]
    with connection.client(url, profile) as client:
        seen = look(client, asked, at)
        if not directory:
            _follow(client, seen, [path for path in asked if path.endswith("/") or not long])
        listings = list(_listings(client, seen, inside=not directory))
    if json:
        show_json(
            {
                "commit": seen.commit,
                "entries": [entries.document(path, entry) for _, found in listings for path, entry in found],
            }
        )
        return seen.status
    for at_place, (heading, found) in enumerate(listings):
        if heading is not None and len(seen.entries) > 1:
            show(f"{'' if at_place == 0 else chr(10)}{shown(heading)}:")
        for line in _lines(heading, found, long=long, human=human):
            show(line)
    return seen.status


def _follow(client: Client, seen: Seen, named: list[str]) -> None:
    """Put directories in the place of symlinks that were named so, and lead to some."""
    wanted = {remote(path) for path in named}
    links = [
        at for at, (path, entry) in enumerate(seen.entries) if entry.kind == "symlink" and path in wanted
    ]
    found = client.stat_many([seen.entries[at][0] for at in links], at=seen.commit)
    for at, entry in zip(links, found, strict=True):
        if not isinstance(entry, CairnError) and entry.kind == "directory":
            seen.entries[at] = (seen.entries[at][0], entry)


def _listings(client: Client, seen: Seen, *, inside: bool) -> Iterator[tuple[bytes | None, list[Found]]]:
    """First what is shown by itself (no heading), then each directory with what is in it."""
    alone = [(path, entry) for path, entry in seen.entries if not inside or entry.kind != "directory"]
    if alone:
        yield None, alone
    for path, entry in seen.entries:
        if inside and entry.kind == "directory":
            prefix = path.rstrip(b"/") + b"/"
            yield path, [(prefix + child.raw_name(), child) for child in client.list(path, at=seen.commit)]


def _lines(heading: bytes | None, found: list[Found], *, long: bool, human: bool) -> list[str]:
    if not found:
        return []
    marked = sys.stdout.isatty()
    names = [
        shown(path if heading is None else entry.raw_name()) + _behind(path, entry, long=long, marked=marked)
        for path, entry in found
    ]
    if not long:
        return names
    return table(
        (
            (
                entries.mode_text(entry),
                str(entry.links),
                entry.owner,
                entry.group,
                size(entry.size) if human else str(entry.size),
                moment(entry.mtime_us),
                name,
            )
            for name, (_, entry) in zip(names, found, strict=True)
        ),
        right=_NUMBERS,
    )


def _behind(path: bytes, entry: Entry, *, long: bool, marked: bool) -> str:
    """What stands behind a name: where it leads, or the mark of its kind."""
    if long and entry.kind == "symlink":
        return entries.arrow(entry)
    return entries.MARKS[entry.kind] if marked and path != b"/" else ""
