"""Whether anybody still waits for an answer that takes long: until the client leaves or the server stops.

What belongs here: noticing both, for streams of events and for requests that wait. What does not: what is
waited for. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cairnfs.errors import Unavailable
from cairnfs.net.asgi import ClientGone, Peer, Receive

T = TypeVar("T")


async def leaving(receive: Receive) -> None:
    """Raises ClientGone when the client has left. Only once the request's body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGone


async def stopping(peer: Peer) -> None:
    """Raises Unavailable when the server begins to stop."""
    await peer.stopping.wait()
    raise Unavailable("the server is stopping")


async def first_of(reasons: list[Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
    """Run all until one is done, cancel the others, and give that one; the earliest in the list counts."""
    tasks = [asyncio.ensure_future(reason) for reason in reasons]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def attended(work: Coroutine[Any, Any, Any], receive: Receive, peer: Peer | None) -> Any:
    """The result of `work` if somebody waits for it until then; else it is cancelled.

    Raises ClientGone, Unavailable.
    """
    reasons: list[Coroutine[Any, Any, Any]] = [work, leaving(receive)]
    if peer is not None:
        reasons.append(stopping(peer))
    return await (await first_of(reasons))
