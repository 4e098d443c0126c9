"""Reading a local tree for a put: what is found, in portions, and what short files hold.

What belongs here: work that is worth a thread's while. What does not: what becomes of it (`plan.py`),
long files, which are read as they are sent. Synchronous: callers run it on another thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from cairnfs.client.local.attributes import Beside, look_beside
from cairnfs.client.local.files import GONE, Found, LocalPath, read_short, scan
from cairnfs.client.put.plan import Step
from cairnfs.client.results import Skipped
from cairnfs.client.sources import Hashed, hashed
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.errors import NotFound

#: Short files read at one go.
_READ_FILES = 128
_READ_BYTES = 4 * 1024 * 1024
#: Things found at one go, and the bytes of extended attributes that may come with them.
_SCAN_ENTRIES = 512
_SCAN_XATTR_BYTES = 8 * 1024 * 1024

#: Something found, and what it has beside its content if that is kept.
Taken = tuple[Found, Beside | None]


def take(found: Iterator[Found | Skipped], preserve: bool) -> list[Taken | Skipped]:
    """The next things, with what they have beside their content."""
    taken: list[Taken | Skipped] = []
    room = _SCAN_XATTR_BYTES
    for entry in found:
        if isinstance(entry, Skipped):
            taken.append(entry)
        else:
            try:
                beside = look_beside(entry) if preserve else None
            except NotFound:
                taken.append(Skipped(entry.path, GONE))
                continue
            taken.append((entry, beside))
            xattrs = (beside.xattrs if beside else None) or {}
            room -= sum(len(name) + len(value) for name, value in xattrs.items())
        if len(taken) >= _SCAN_ENTRIES or room < 0:
            break
    return taken


def count(local: LocalPath) -> tuple[int, int]:
    """How many files there are below a directory, and how many bytes; two names of one file count once."""
    files, size = 0, 0
    twins: set[tuple[int, int]] = set()
    for found in scan(local):
        if isinstance(found, Skipped) or found.kind != "file" or found.twins in twins:
            continue
        if found.twins is not None:
            twins.add(found.twins)
        files, size = files + 1, size + found.size
    return files, size


def runs(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in order, cut into runs: files that are read at one go, or all else."""
    run: list[Step] = []
    size = 0
    for step in steps:
        alike = run and (run[0].act == "write") == (step.act == "write")
        if run and not (alike and len(run) < _READ_FILES and size + step.found.size <= _READ_BYTES):
            yield run
            run, size = [], 0
        run.append(step)
        size += step.found.size
    if run:
        yield run


def read_all(run: Sequence[Step]) -> list[list[Hashed] | None]:
    """The chunks of short files; None for one that is long or may have holes, or gone."""
    contents: list[list[Hashed] | None] = []
    for step in run:
        found, content = step.found, None
        if found.size <= SINGLE_MAX_BYTES and not found.sparse:
            with suppress(NotFound):
                content = read_short(found.path, SINGLE_MAX_BYTES)
        contents.append(None if content is None else [hashed(content)] if content else [])
    return contents
