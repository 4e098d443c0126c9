"""Known ways to get publishing wrong, planted on purpose: the tests must find each of them.

What belongs here: one context manager a bug; within it every client in this process has the bug. What does
not: the stories that find them (`tests/model/test_publish_exactly.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from cairnfs.client.publish.send import Sending
from cairnfs.client.record import record


@contextmanager
def publishing_without_expectation() -> Iterator[None]:
    """What others change between the look and the commit is not noticed."""
    with patch.object(Sending, "expected", lambda sending: []):
        yield


@contextmanager
def trusting_files_that_changed_just_now() -> Iterator[None]:
    """A file counts as known however shortly before it was read it had changed."""

    def always(status: os.stat_result, now_ns: int) -> bool:
        return True

    with patch.object(record, "is_settled", always):
        yield
