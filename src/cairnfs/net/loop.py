"""Starting a process's event loop: uvloop where it is installed, asyncio's own elsewhere.

What belongs here: the loop, and room for its connections. Once per process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")

#: Descriptors that a busy process may need: connections, segments, the database.
OPEN_FILES = 16_384


def new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes a loop here."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run(main: Coroutine[Any, Any, R]) -> R:
    """Run `main` to its end on a new loop and give its result."""
    _allow_open_files()
    with asyncio.Runner(loop_factory=new_loop()) as runner:
        return runner.run(main)


def _allow_open_files() -> None:
    """Use what the administrator allows instead of the low default that shells start with."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
