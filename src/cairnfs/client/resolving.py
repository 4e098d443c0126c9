"""Where a path leads: the same place by a path without symlinks, by one question unless there are some.

What belongs here: that. What does not: following symlinks for reading and writing, which the cluster does.
Used from one event loop.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.client.connection import Connection
from cairnfs.core import names as rules
from cairnfs.errors import NotFound, SymlinkLoop
from cairnfs.ids import Name, Path
from cairnfs.wire import endpoints, names, problems
from cairnfs.wire.directory import Entry, PathText, StatRequest

_SYMLINKS_MAX = 40


class Resolved(NamedTuple):
    """A path without symlinks, and what is there as of the commit; None where nothing is."""

    path: Path
    entry: Entry | None
    commit: int
    incarnation: int


async def resolve(connection: Connection, path: Path) -> Resolved:
    """Follow the symlinks on the way to a path and at its end. The last names need not be there.

    Raises SymlinkLoop, NotADirectory, Forbidden.
    """
    for _ in range(_SYMLINKS_MAX + 1):
        parts = list(rules.split(path))
        ways = [Path(b"/" + b"/".join(parts[:length])) for length in range(len(parts) + 1)]
        request = StatRequest(paths=[PathText.of(way) for way in ways], follow=False)
        reply = await connection.control.ask(endpoints.STAT, request)
        for length, (way, found) in enumerate(zip(ways, reply.results, strict=True)):
            if found.entry is None:
                assert found.error is not None
                error = problems.to_error(found.error)
                if not isinstance(error, NotFound):
                    error.path = names.printable(way)
                    raise error
                return Resolved(path, None, reply.commit, reply.incarnation)
            connection.policies.see(way, found.entry)
            if found.entry.kind == "symlink":
                path = _led(parts[: length - 1], found.entry.raw_target(), parts[length:])
                break
        else:
            return Resolved(path, reply.results[-1].entry, reply.commit, reply.incarnation)
    raise SymlinkLoop(f"over {_SYMLINKS_MAX} symlinks in a row", path=names.printable(path))


def _led(before: list[Name], target: bytes, after: list[Name]) -> Path:
    """The path that a symlink in the directory `before` makes of itself and what comes after it."""
    led: list[bytes] = [] if target.startswith(b"/") else list(before)
    for part in target.split(b"/"):
        if part == b"..":
            led = led[:-1]
        elif part not in (b"", b"."):
            led.append(part)
    return rules.path(b"/" + b"/".join([*led, *after]))
