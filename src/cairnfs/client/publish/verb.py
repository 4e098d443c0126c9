"""Publishing, as a verb of `Filesystem`.

What belongs here: what callers give and get. What does not: how it is done (`publish.py`). Used from one
event loop.
"""

from __future__ import annotations

from cairnfs.client.connection import Connected
from cairnfs.client.local.files import LocalPath
from cairnfs.client.naming import PathLike, as_path
from cairnfs.client.results import Durability, OnProgress, Published


async def publish(
    files: Connected,
    local: LocalPath,
    remote: PathLike,
    *,
    message: str = "",
    dry_run: bool = False,
    yes: bool = False,
    checksum: bool = False,
    preserve: bool = False,
    durability: Durability | None = None,
    progress: OnProgress | None = None,
) -> Published:
    """Make what is in a directory exactly what is in the local one, in one commit; sends only what differs.

    New, changed and removed files, symlinks, names of one file and directories, with their permission bits;
    with `preserve` also times, owners and extended attributes. `dry_run` tells what would be done
    (`actions`), `checksum` reads every local file instead of trusting the local record. A file that has
    further names elsewhere in Cairn stays one file with them. Raises RemovesMost unless `yes` where over half
    of the names there would go; VersionChanged where others never stop changing it, Busy where the local
    files never stop changing.
    """
    # Loaded where it is used: it takes longer than many a command.
    from cairnfs.client.publish.publish import Publish, Wanted

    wanted = Wanted(
        local=local,
        remote=as_path(remote),
        message=message,
        dry=dry_run,
        sure=yes,
        distrust=checksum,
        preserve=preserve,
        durability=durability,
    )
    return await Publish(files.connection, wanted, progress).run()
