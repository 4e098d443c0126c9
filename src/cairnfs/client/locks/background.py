"""Work that goes on whoever began it.

What belongs here: beginning a task that belongs to nobody's lock. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

R = TypeVar("R")


def in_background(work: Coroutine[Any, Any, R], name: str) -> asyncio.Task[R]:
    """Begin it in a context of its own: what is held where it begins is not held there."""
    return asyncio.create_task(work, name=name, context=Context())
