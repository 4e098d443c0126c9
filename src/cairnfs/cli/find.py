"""`cairn find`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cairnfs.cli import connection, entries, exits
from cairnfs.cli.long_answers import JsonEntries, closed, passed_by
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Null, Profile, Url
from cairnfs.cli.output import show, shown
from cairnfs.cli.seeing import remote
from cairnfs.core import patterns
from cairnfs.errors import BadRequest, CairnError

if TYPE_CHECKING:
    from cairnfs.client.sync import Client
    from cairnfs.wire.search import FoundEntry, Kind

_KINDS: dict[str, Kind] = {"f": "file", "d": "directory", "l": "symlink"}
_SIZE_MAX = 2**62
_UNITS = {"": 1, "c": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def command(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Where to look; / by itself.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="GLOB", help="Names like this: *, ?, [a-z], [!a-z], and \\ before those."
        ),
    ] = None,
    iname: Annotated[
        str | None, typer.Option("--iname", metavar="GLOB", help="As --name, ASCII letters in either case.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="f|d|l", help="Files, directories, symlinks; several as f,l."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", metavar="[+-]N[kMGT]", help="More, less (-) or just as many bytes; may be repeated."
        ),
    ] = None,
    newer: Annotated[
        str | None,
        typer.Option(
            "--newer", metavar="MOMENT|PATH", help="Changed after a moment as for --at, or after that path."
        ),
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="What a user owns.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="What a user group owns.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Stop after so many.")] = None,
    null: Null = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Find files, directories and symlinks by name, size, time and owner.

    What is found at and below each path meets all that is asked; ? and [...] are for one byte of a name.
    Everything below a path is as of one commit. Names of which there are few are looked up wherever they
    are, all else is walked, so the order is that of directories or of names. Directories that may not be
    read are passed by; where a walk met some, they are counted and the exit status is 4. --json tells the
    addresses of fileservers that hold a file, too.
    """
    checked(at)
    if name is not None and iname is not None:
        raise BadRequest("either --name or --iname")
    asked = _Asked(size or [], kind)
    wanted = {
        **_name(name if iname is None else iname, ignore_case=iname is not None),
        "kinds": asked.kinds(),
        **asked.sizes(),
        "owner": owner,
        "group": group,
    }
    with connection.client(url, profile) as client:
        return _find(
            client, paths or ["/"], {**wanted, **_newer(client, newer, at)}, at, limit, _Form(null, json)
        )


class _Form(NamedTuple):
    null: bool
    json: bool


def _find(
    client: Client, paths: list[str], wanted: dict[str, Any], at: str | None, limit: int | None, form: _Form
) -> int:
    from cairnfs.client.search import Remarks

    remarks, status, left = Remarks(), exits.OK, limit
    document = JsonEntries()
    for path in [remote(one) for one in paths]:
        if left == 0:
            break
        try:
            for found in client.find(path, at=at, limit=left, remarks=remarks, **wanted):
                _show(found, form, document)
                left = left if left is None else left - 1
        except CairnError as error:
            status = passed_by(path, error, status, only=len(paths) == 1)
        at = str(remarks.commit) if remarks.commit else at
    if form.json:
        document.end({"commit": remarks.commit, "closed": remarks.closed})
    return closed(remarks.closed, status)


def _show(found: FoundEntry, form: _Form, document: JsonEntries) -> None:
    path = found.raw_path()
    if form.json:
        document.add({**entries.document(path, found.entry), "replicas": found.replicas})
    elif form.null:
        sys.stdout.buffer.write(path + b"\0")
    else:
        show(shown(path))


def _name(pattern: str | None, *, ignore_case: bool) -> dict[str, Any]:
    if pattern is None:
        return {}
    raw = os.fsencode(pattern)
    patterns.parse(raw, ignore_case=ignore_case)
    return {"name": raw, "ignore_case": ignore_case}


def _newer(client: Client, newer: str | None, at: str | None) -> dict[str, Any]:
    if newer is None:
        return {}
    if newer.startswith("/"):
        return {"newer_ns": client.stat(remote(newer), at).mtime_ns}
    return {"newer_than": checked(newer)}


class _Asked(NamedTuple):
    """What --size and --type say."""

    size: list[str]
    kind: str | None

    def kinds(self) -> list[Kind]:
        """Raises BadRequest."""
        if self.kind is None:
            return []
        letters = self.kind.split(",")
        if not set(letters) <= _KINDS.keys():
            raise BadRequest(f"--type is f, d or l, not {self.kind[:80]!r}")
        return [_KINDS[letter] for letter in dict.fromkeys(letters)]

    def sizes(self) -> dict[str, int]:
        """The bounds of sizes, both included. Raises BadRequest."""
        least, most = [], []
        for text in self.size:
            sign, bytes_ = _size(text)
            if sign != "-":
                least.append(bytes_ + (sign == "+"))
            if sign != "+":
                most.append(bytes_ - (sign == "-"))
        if most and min(most) < 0:
            raise BadRequest("nothing is smaller than 0 bytes")
        return {
            **({"size_min": max(least)} if least else {}),
            **({"size_max": min(most)} if most else {}),
        }


def _size(text: str) -> tuple[str, int]:
    """The sign, if there is one, and the number of bytes."""
    sign = text[:1] if text[:1] in ("+", "-") else ""
    digits = text[len(sign) :].rstrip("ckMGT")
    unit = text[len(sign) + len(digits) :]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15 and unit in _UNITS):
        raise BadRequest(f"cannot read {text[:80]!r} as a size", hint="sizes are like 512, +10k, -1M")
    return sign, min(int(digits) * _UNITS[unit], _SIZE_MAX)
