"""Our fault, or the disk's."""

from __future__ import annotations

from cairnfs.errors.kinds import CairnError


class ChunkLost(CairnError):
    """Every member answered and none has a good copy."""

    code, status, exit_status = "chunk_lost", 500, 1
    default_hint = "restore the fileserver that held it; see: cairn verify"


class Internal(CairnError):
    """A defect in Cairn: the server's log knows the cause under the request id."""

    code, status, exit_status = "internal", 500, 6
    default_hint = "the server's log knows more: cairn logs"
