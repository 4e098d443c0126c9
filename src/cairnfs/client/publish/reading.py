"""What of the changes is read at one go, and reading it: short files on another thread, with proof.

What belongs here: cutting changes into pages and runs, reading files of one chunk. What does not: long files,
sending (`send.py`). Synchronous.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cairnfs.client.local.content import READS_MAX, holds_still, is_short, named
from cairnfs.client.local.files import local_errors, open_regular
from cairnfs.client.local.walk import Here
from cairnfs.client.publish.compare import Change
from cairnfs.core.chunking import CUT_AVERAGE_BYTES
from cairnfs.core.manifest import Chunk
from cairnfs.errors import NotFound
from cairnfs.wire.commits import OPERATIONS_MAX

#: Short files read at one go.
_RUN_FILES = 64
_RUN_BYTES = 4 * 1024 * 1024
#: Chunks in one page, roughly, and bytes of names as JSON at their worst.
_PAGE_CHUNKS = 200_000
_PAGE_BYTES = 24 * 1024 * 1024
_ESCAPED = 7
#: Operations of a page where directories have to be opened on the way.
_OPENING_MAX = 300


class Shifted(Exception):
    """What was found here is not there any more: it is to be looked for again."""


@dataclass(slots=True)
class Read:
    """A short local file as it was read: looked at before, whether it held still, and its one chunk."""

    status: os.stat_result
    still: bool
    chunk: Chunk | None
    content: bytes


def is_content(change: Change) -> bool:
    """Whether it gives a file its content."""
    return change.act in ("make", "write") and change.here is not None and change.here.kind == "file"


def windows(changes: Iterable[Change], opening: bool) -> Iterator[Sequence[Change]]:
    """The changes in order, in pages that fit into one request each; those of rows alone are left out.

    `opening`: directories may have to be opened.
    """
    most = _OPENING_MAX if opening else OPERATIONS_MAX
    page: list[Change] = []
    operations = chunks = weight = 0
    for change in changes:
        if change.act == "row":
            continue
        added = 1 + change.clear + len(change.shut)
        heavy = _ESCAPED * (added * (len(change.path) + 64) + len(change.first or change.content or b""))
        cut = 1 + change.here.status.st_size // CUT_AVERAGE_BYTES if change.here and is_content(change) else 0
        full = operations + added > most or chunks + cut > _PAGE_CHUNKS or weight + heavy > _PAGE_BYTES
        if page and full:
            yield page
            page, operations, chunks, weight = [], 0, 0, 0
        page.append(change)
        operations, chunks, weight = operations + added, chunks + cut, weight + heavy
    if page:
        yield page


def runs(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in order, cut into runs: files that are read at one go, or all else."""
    run: list[Change] = []
    size = 0
    for change in changes:
        content = is_content(change)
        added = change.here.status.st_size if content and change.here is not None else 0
        alike = run and is_content(run[0]) == content
        if run and not (alike and (not content or (len(run) < _RUN_FILES and size + added <= _RUN_BYTES))):
            yield run
            run, size = [], 0
        run.append(change)
        size += added
    if run:
        yield run


def read_all(run: Sequence[Change]) -> list[Read | None]:
    """What each of these files has; None for one that is long. Raises Shifted."""
    return [_read(change.here) for change in run if change.here is not None]


def _read(here: Here) -> Read | None:
    if not is_short(here.status):
        return None
    for left in reversed(range(READS_MAX)):
        try:
            with open_regular(here.place) as stream, local_errors(here.place):
                before = os.fstat(stream.fileno())
                if not is_short(before):
                    return None
                content = stream.read(before.st_size + 1)
        except NotFound as error:
            raise Shifted from error
        still = len(content) == before.st_size and is_still(before, here.place)
        if still or not left:
            return Read(before, still, named(content) if content else None, content)
    raise AssertionError("counted to the end")


def is_still(before: os.stat_result, place: bytes) -> bool:
    """Whether what lies there is the file that was looked at before, with the same times."""
    try:
        return holds_still(before, os.lstat(place))
    except OSError:
        return False
