"""Threads for what would hold up the event loop: local files, hashing and cutting, the cache, each apart.

Few and no more: neither the disk nor the hash function gains from others, and each thread brings an
allocator's arena of its own, which large chunks fragment. A local file that blocks for ever (a pipe
without a reader) does not hold up hashing. Used from any event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = {"disk": 2, "bytes": 1, "cache": 1}
_pools: dict[str, ThreadPoolExecutor] = {}


async def on_disk(work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work on local files beside the loop, and wait for its result."""
    assert not kwargs, "executors pass positional arguments only"
    return await asyncio.get_running_loop().run_in_executor(_pool("disk"), work, *args)


async def on_bytes(work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work on bytes in memory beside the loop, and wait for its result."""
    assert not kwargs, "executors pass positional arguments only"
    return await asyncio.get_running_loop().run_in_executor(_pool("bytes"), work, *args)


async def on_cache(work: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run work on the chunk cache beside the loop, and wait for its result."""
    assert not kwargs, "executors pass positional arguments only"
    return await asyncio.get_running_loop().run_in_executor(_pool("cache"), work, *args)


def _pool(name: str) -> ThreadPoolExecutor:
    if name not in _pools:
        _pools[name] = ThreadPoolExecutor(_THREADS[name], thread_name_prefix=f"cairn {name}")
    return _pools[name]


if hasattr(os, "register_at_fork"):
    # The threads stayed with the parent.
    os.register_at_fork(after_in_child=_pools.clear)
