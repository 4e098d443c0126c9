"""Looking several paths up at one commit, as `ls` and `stat` do first.

What belongs here: one consistent look, and how a path that is not there is told. What does not:
forms of output. One thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cairnfs.cli import exits
from cairnfs.cli.output import shown
from cairnfs.core import names
from cairnfs.errors import CairnError
from cairnfs.wire import endpoints
from cairnfs.wire.directory import STAT_PATHS_MAX, PathText, StatRequest
from cairnfs.wire.problems import to_error

if TYPE_CHECKING:
    from cairnfs.client.sync import Client
    from cairnfs.wire.directory import Entry


@dataclass(slots=True)
class Seen:
    """What was found at the paths, all at one commit; `status` is the exit status of the first failure."""

    commit: int
    entries: list[tuple[bytes, Entry]]
    status: int = exits.OK


def look(
    client: Client, paths: Sequence[str], at: str | None, *, strict: bool = False, follow: bool = False
) -> Seen:
    """Look these paths up, in their order; with `follow`, what symlinks lead to.

    A path that cannot be looked up is told of on stderr and left out, unless it is the only one or
    the look is `strict`: then its error is raised.
    """
    wanted = [remote(path) for path in paths]
    seen = Seen(0, [])
    for batch in _batches(wanted):
        request = StatRequest(paths=[PathText.of(path) for path in batch], at=at, follow=follow)
        reply = client.ask(endpoints.STAT, request)
        seen.commit, at = reply.commit, str(reply.commit)
        for path, result in zip(batch, reply.results, strict=True):
            if result.entry is not None:
                seen.entries.append((path, result.entry))
            elif result.error is not None:
                _tell(seen, path, to_error(result.error), strict=strict or len(wanted) == 1)
    return seen


def remote(path: str) -> bytes:
    """An argument as a path in Cairn. Raises BadName or PathTooLong, naming it."""
    try:
        return names.path(os.fsencode(path))
    except CairnError as error:
        error.path = shown(path)
        raise


def _batches(wanted: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(wanted), STAT_PATHS_MAX):
        yield wanted[start : start + STAT_PATHS_MAX]


def _tell(seen: Seen, path: bytes, error: CairnError, *, strict: bool) -> None:
    error.path = shown(path)
    if strict:
        raise error
    seen.status = seen.status or exits.status_of(error)
    print(f"cairn: {exits.line_of(error)}", file=sys.stderr, flush=True)
