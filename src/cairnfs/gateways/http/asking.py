"""What a request asks: method, path, query, headers. Bad input stops here.

The path is taken from the raw bytes of the request line: split at `/` first, each name decoded
afterwards, so that an encoded slash stays inside its name (and is refused there). Any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from cairnfs.core import names as rules
from cairnfs.errors import BadName, BadRequest, UnknownField
from cairnfs.ids import Path
from cairnfs.net.asgi import Headers, Receive, Scope, Send
from cairnfs.wire.names import from_url

PARAMETERS = {
    "GET": frozenset({"at", "cursor", "limit", "stat", "follow"}),
    "HEAD": frozenset({"at", "cursor", "limit", "stat", "follow"}),
    "PUT": frozenset({"durability"}),
    "DELETE": frozenset({"recursive"}),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `as_directory`: the path ended in a slash."""

    method: str
    path: Path
    as_directory: bool
    query: Mapping[str, str]
    headers: Headers
    scope: Scope
    receive: Receive
    send: Send


def read(scope: Scope, receive: Receive, send: Send, prefix: bytes) -> Asked:
    """Understand a request whose method is known. Raises BadName, PathTooLong, BadRequest, UnknownField."""
    method: str = scope["method"]
    raw: bytes = scope["raw_path"].removeprefix(prefix) or b"/"
    return Asked(
        method,
        _path(raw),
        raw.endswith(b"/"),
        _query(scope.get("query_string", b""), PARAMETERS[method]),
        Headers(scope["headers"]),
        scope,
        receive,
        send,
    )


def _path(raw: bytes) -> Path:
    parts = raw.split(b"/")
    if parts[0]:
        raise BadName("a path starts with /")
    decoded = [from_url(part) for part in parts]
    for part in decoded:
        if b"/" in part:
            raise BadName("a name cannot hold /")
    return rules.path(b"/".join(decoded))


def _query(raw: bytes, known: frozenset[str]) -> dict[str, str]:
    """The parameters. A plus sign is a plus sign: times have them."""
    query: dict[str, str] = {}
    try:
        pairs = [part.partition("=") for part in raw.decode("ascii").split("&") if part]
        for name, _, value in pairs:
            if name in query:
                raise BadRequest(f"the parameter {name} came twice")
            query[name] = unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest("the query is not text") from error
    if unknown := query.keys() - known:
        raise UnknownField(f"no such parameter here: {', '.join(sorted(unknown))[:80]}")
    return query


def flag(asked: Asked, name: str) -> bool:
    """A parameter that is 0 or 1. Raises BadRequest."""
    value = asked.query.get(name, "0")
    if value not in ("0", "1"):
        raise BadRequest(f"{name} is 0 or 1")
    return value == "1"
