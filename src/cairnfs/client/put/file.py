"""Putting one local file into the cluster.

What belongs here: what a file keeps of its local one. What does not: writing (`writing.py`), trees
(`tree.py`). Used from one event loop.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from cairnfs.client.connection import Connection
from cairnfs.client.local.attributes import look_beside, process_umask
from cairnfs.client.local.files import LocalPath, local_errors, look, open_to_read
from cairnfs.client.progress import Meter
from cairnfs.client.put.plan import attributes_of
from cairnfs.client.results import OnProgress, Tree
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.client.writing import Target, write_file
from cairnfs.errors import IsADirectory
from cairnfs.wire import names


async def put_file(
    connection: Connection, local: LocalPath, target: Target, *, preserve: bool, tell: OnProgress | None
) -> Tree:
    """One local file, to which symlinks are followed, becomes the file at the target's path."""
    found = await on_disk(look, local)
    if found.directory:
        raise IsADirectory("local: it is a directory, not a file", path=names.printable(found.path))
    beside = await on_disk(partial(look_beside, found, follow=True)) if preserve else None
    target = replace(
        target,
        mode=found.mode & 0o777 & ~process_umask(),
        mtime_ns=None if beside is None else beside.mtime_ns,
        attributes=None if beside is None else attributes_of(found, beside),
    )
    meter = Meter(connection.clock, tell)
    meter.files_total, meter.bytes_total = 1, found.size
    stream = await on_disk(open_to_read, local)
    with stream, local_errors(local):
        written = await write_file(connection, target, stream, moved=meter.moved)
    meter.done()
    meter.finish()
    skips = Skips()
    skips.add(found.path, () if beside is None else beside.lost)
    return Tree(
        files=1,
        bytes=written.size,
        sent_bytes=written.sent_bytes,
        commit=written.commit,
        commits=1,
        skipped=tuple(skips.listed),
        skipped_count=skips.count,
    )
