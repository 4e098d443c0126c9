"""A transport made of two: one for the origins inside this process, one for all others.

Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.net.transport import Request, Response, Transport


class RoutingTransport:
    """Sends each request by its origin."""

    def __init__(self, near: Mapping[str, Transport], far: Transport) -> None:
        """`near` by origin; `far` for every other origin."""
        self._near = near
        self._far = far

    async def request(self, request: Request) -> Response:
        """Send one request by whom it concerns."""
        return await self._near.get(request.origin, self._far).request(request)

    async def close(self) -> None:
        """Close all of them."""
        for transport in (*self._near.values(), self._far):
            await transport.close()
