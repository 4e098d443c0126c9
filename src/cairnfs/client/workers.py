"""Threads for what would hold up the event loop: local files, hashing, cutting.

Two per process and no more: the disk and the hash function gain nothing from others, and each thread
brings an allocator's arena of its own, which large chunks fragment. Used from any event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = 2
_pool: ThreadPoolExecutor | None = None


async def in_thread(work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `work` on one of the threads and wait for its result."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cairn worker")
    if kwargs:
        return await asyncio.get_running_loop().run_in_executor(_pool, lambda: work(*args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_pool, work, *args)


def _after_fork() -> None:
    """The threads stayed with the parent."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
