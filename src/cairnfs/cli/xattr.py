"""`cairn xattr`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Itself, Json, Profile, Url
from cairnfs.cli.output import path_fields, show, show_json, shown, size, table
from cairnfs.cli.seeing import remote
from cairnfs.client.local_files import local_errors
from cairnfs.core.xattrs import VALUE_MAX_BYTES
from cairnfs.errors import BadRequest, NoSuchXattr

#: (fewest, most) arguments after PATH of each verb.
_ARGUMENTS = {"list": (0, 0), "get": (1, 1), "set": (1, 2), "remove": (1, 1)}
_SHOWN_BYTES = 60


def command(
    verb: Annotated[str, typer.Argument(metavar="list|get|set|remove", help="What to do.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="Whose attributes.")],
    rest: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME] [VALUE]", help="A name begins with user., trusted. or security."),
    ] = None,
    long: Annotated[bool, typer.Option("-l", "--long", help="List values beside the names.")] = False,
    hexadecimal: Annotated[
        bool, typer.Option("--hex", help="The value is written in hexadecimal digits.")
    ] = False,
    from_file: Annotated[
        str | None, typer.Option("--from-file", metavar="FILE", help="Set what is in a file of this machine.")
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Set only what is not there.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Set only what is there.")] = False,
    itself: Itself = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """List, show, set and remove extended attributes.

    A value to be set is VALUE, or what --from-file names, or else comes from standard input. A value that
    is shown is written as it is, but at a terminal, with escapes.
    """
    checked(at)
    if verb not in _ARGUMENTS:
        raise BadRequest(f"no such verb: {verb[:80]}", hint="verbs are list, get, set and remove")
    given = rest or []
    least, most = _ARGUMENTS[verb]
    if not least <= len(given) <= most:
        raise BadRequest(f"xattr {verb} takes PATH{['', ' NAME'][least]}{' [VALUE]' * (most - least)}")
    place, name = remote(path), os.fsencode(given[0]) if given else b""
    value = _value(given[1:], hexadecimal, from_file) if verb == "set" else b""
    with connection.client(url, profile) as client:
        if verb == "set":
            client.set_xattr(place, name, value, create=create, replace=replace, follow=not itself)
        elif verb == "remove":
            client.remove_xattr(place, name, follow=not itself)
        else:
            found = client.get_xattrs(place, at, follow=not itself)
    if verb == "list":
        _list(place, found, long=long, hexadecimal=hexadecimal, json=json)
    elif verb == "get":
        if name not in found:
            raise NoSuchXattr(f"no attribute {shown(name)}", path=shown(place))
        _show(name, found[name], hexadecimal=hexadecimal, json=json)
    return 0


def _value(given: list[str], hexadecimal: bool, from_file: str | None) -> bytes:
    """The value to be set. Raises BadRequest, and what reading a file does."""
    if given and from_file is not None:
        raise BadRequest("give a value or --from-file, not both")
    if given:
        raw = os.fsencode(given[0])
    elif from_file is None or from_file == "-":
        raw = sys.stdin.buffer.read(2 * VALUE_MAX_BYTES + 2)
    else:
        with local_errors(from_file), open(from_file, "rb") as stream:
            raw = stream.read(2 * VALUE_MAX_BYTES + 2)
    if not hexadecimal:
        return raw
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except ValueError as error:
        raise BadRequest("the value is not hexadecimal: two digits for each byte") from error


def _list(place: bytes, found: dict[bytes, bytes], *, long: bool, hexadecimal: bool, json: bool) -> None:
    if json:
        show_json({**path_fields(place), "xattrs": [_document(*one) for one in sorted(found.items())]})
    elif not long:
        for name in sorted(found):
            show(shown(name))
    elif found:
        rows = [
            (shown(name), size(len(value)), _short(value, hexadecimal))
            for name, value in sorted(found.items())
        ]
        for line in table(rows, right=frozenset({1})):
            show(line)


def _show(name: bytes, value: bytes, *, hexadecimal: bool, json: bool) -> None:
    if json:
        show_json(_document(name, value))
    elif hexadecimal:
        show(value.hex())
    elif sys.stdout.isatty():
        show(shown(value))
    else:
        sys.stdout.buffer.write(value)


def _short(value: bytes, hexadecimal: bool) -> str:
    text = value[:_SHOWN_BYTES].hex() if hexadecimal else shown(value[:_SHOWN_BYTES])
    return text + ("..." if len(value) > _SHOWN_BYTES else "")


def _document(name: bytes, value: bytes) -> dict[str, str]:
    return {**path_fields(name, "name"), **path_fields(value, "value")}
