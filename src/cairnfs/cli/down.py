"""`cairn down`."""

from __future__ import annotations

from cairnfs.cli.options import Data, data_directory
from cairnfs.cli.output import note, show
from cairnfs.local.down import down


def command(data: Data = None) -> int:
    """Stop the cluster on this machine.

    All that it holds stays, and the next `cairn up` continues with it.
    """
    ran = down(data_directory(data), note)
    show(f"stopped {', '.join(ran)}" if ran else "nothing was running")
    return 0
