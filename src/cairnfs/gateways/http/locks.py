"""Headers about locks: what the caller holds, and how long a change waits for what others hold.

    Cairn-Lock: LOCK.FENCE.INCARNATION.TOKEN, ...     proofs, as `cairn lock --json` and CAIRN_LOCK have them
    Cairn-Wait: SECONDS                               0 to 60, at most three digits behind the point

What belongs here: reading both, and changing something under them. What does not: judging proofs, which the
cluster does. Used from one event loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import BadRequest
from cairnfs.gateways.http.asking import Asked
from cairnfs.wire.locks import LockProof, proofs_from_text

#: A request that waits holds one of the places that all callers of the door share.
WAIT_MAX_S = 60
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_LOCK = b"cairn-lock"


@contextmanager
def as_asked(files: Filesystem, asked: Asked) -> Iterator[None]:
    """In the body, changes show the caller's proofs, and wait as long as told. Raises BadRequest."""
    proofs, seconds = _proofs(asked), _seconds(asked)
    with ExitStack() as around:
        if proofs:
            around.enter_context(files.showing(proofs))
        if seconds:
            around.enter_context(files.waiting(seconds))
        yield


def _proofs(asked: Asked) -> list[LockProof]:
    # A list may come as several headers.
    written = b",".join(value for name, value in asked.scope["headers"] if name == _LOCK)
    try:
        return proofs_from_text(written.decode("latin-1"))
    except BadRequest as error:
        raise BadRequest(f"Cairn-Lock: {error.detail}") from None


def _seconds(asked: Asked) -> float:
    written = asked.headers.get("cairn-wait")
    if written is None:
        return 0.0
    if not _SECONDS.fullmatch(written) or float(written) > WAIT_MAX_S:
        raise BadRequest(f"Cairn-Wait is 0 to {WAIT_MAX_S} seconds")
    return float(written)
