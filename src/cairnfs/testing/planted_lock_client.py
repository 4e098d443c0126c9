"""Known ways for a client to get locks wrong, planted on purpose: the cluster must stand them, or the checker
of lock histories must find them.

What belongs here: one context manager a bug; within it every client of this process has the bug. Bugs of the
control plane are in `planted_locks`. May be switched while a client is at work, on its event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from cairnfs.client.locks.held import Holding
from cairnfs.client.session import _Live


@contextmanager
def never_looking() -> Iterator[None]:
    """A client whose clock stands still and that believes no word of its lease being over.

    Nothing of its own keeps it from committing under a lock that it lost long ago: only the cluster does.
    """
    with ExitStack() as planted:
        planted.enter_context(patch.object(_Live, "age_s", lambda _: 0.0))
        planted.enter_context(patch.object(_Live, "end", lambda *_: None))
        planted.enter_context(patch.object(Holding, "lose", lambda *_: None))
        yield
