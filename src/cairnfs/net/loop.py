"""Starting an event loop: uvloop where it is installed, asyncio's own elsewhere. Once per process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes a loop here."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def run(main: Coroutine[Any, Any, R]) -> R:
    """Run `main` to its end on a new loop and give its result."""
    with asyncio.Runner(loop_factory=new_loop()) as runner:
        return runner.run(main)
