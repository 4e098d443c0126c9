"""`cairn xattr`.

List, show, set and remove extended attributes.

A NAME begins with user., trusted. or security.; whoever may write a file sets the user. ones.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Itself, Json, Profile, Url, Wait
from cairnfs.cli.output import path_fields, show, show_json, shown, size, table
from cairnfs.cli.seeing import remote
from cairnfs.client.local.files import local_errors
from cairnfs.core.xattrs import VALUE_MAX_BYTES
from cairnfs.errors import BadRequest, NoSuchXattr

Place = Annotated[str, typer.Argument(metavar="PATH", help="Whose attributes.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Which attribute, like user.color.")]
Hexadecimal = Annotated[bool, typer.Option("--hex", help="The value is written in hexadecimal digits.")]

_SHOWN_BYTES = 60


def list_all(
    path: Place,
    long: Annotated[bool, typer.Option("-l", "--long", help="Sizes and values beside the names.")] = False,
    hexadecimal: Hexadecimal = False,
    itself: Itself = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """List the attributes that one may see."""
    checked(at)
    place = remote(path)
    with connection.client(url, profile) as client:
        found = sorted(client.get_xattrs(place, at, follow=not itself).items())
    if json:
        show_json({**path_fields(place), "xattrs": [_document(*one) for one in found]})
    elif long and found:
        rows = [(shown(name), size(len(value)), _short(value, hexadecimal)) for name, value in found]
        for line in table(rows, right=frozenset({1})):
            show(line)
    else:
        for name, _ in found:
            show(shown(name))
    return 0


def show_one(
    path: Place,
    name: Name,
    hexadecimal: Hexadecimal = False,
    itself: Itself = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Write an attribute's value as it is; at a terminal, with escapes."""
    checked(at)
    place, wanted = remote(path), os.fsencode(name)
    with connection.client(url, profile) as client:
        found = client.get_xattrs(place, at, follow=not itself)
    if wanted not in found:
        raise NoSuchXattr(f"no attribute {shown(wanted)}", path=shown(place))
    value = found[wanted]
    if json:
        show_json(_document(wanted, value))
    elif hexadecimal:
        show(value.hex())
    elif sys.stdout.isatty():
        show(shown(value))
    else:
        sys.stdout.buffer.write(value)
    return 0


def set_one(
    path: Place,
    name: Name,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="The value; else it comes from standard input.")
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from-file", metavar="FILE", help="Take what is in a file of this machine."),
    ] = None,
    hexadecimal: Hexadecimal = False,
    create: Annotated[bool, typer.Option("--create", help="Only if it is not there.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Only if it is there.")] = False,
    itself: Itself = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Set an attribute."""
    place, wanted = remote(path), os.fsencode(name)
    if value is not None and from_file is not None:
        raise BadRequest("give VALUE or --from-file, not both")
    raw = os.fsencode(value) if value is not None else _read(from_file)
    if hexadecimal:
        raw = _unhex(raw)
    with connection.writing(url, profile, wait) as client:
        client.set_xattr(place, wanted, raw, create=create, replace=replace, follow=not itself)
    return 0


def remove_one(
    path: Place,
    name: Name,
    itself: Itself = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Remove an attribute."""
    place = remote(path)
    with connection.writing(url, profile, wait) as client:
        client.remove_xattr(place, os.fsencode(name), follow=not itself)
    return 0


def _read(from_file: str | None) -> bytes:
    """What the file, or standard input, holds; of what is too long, enough for that to be seen."""
    most = 2 * VALUE_MAX_BYTES + 2
    if from_file in (None, "-"):
        return sys.stdin.buffer.read(most)
    with local_errors(str(from_file)), open(str(from_file), "rb") as stream:
        return stream.read(most)


def _unhex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        raise BadRequest("the value is not hexadecimal: two digits for each byte") from error


def _short(value: bytes, hexadecimal: bool) -> str:
    text = value[:_SHOWN_BYTES].hex() if hexadecimal else shown(value[:_SHOWN_BYTES])
    return text + ("..." if len(value) > _SHOWN_BYTES else "")


def _document(name: bytes, value: bytes) -> dict[str, str]:
    return {**path_fields(name, "name"), **path_fields(value, "value")}


VERBS = {"list": list_all, "get": show_one, "set": set_one, "remove": remove_one}
