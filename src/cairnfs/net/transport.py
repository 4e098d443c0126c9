"""The client's seam to the network: one method, real and in-process implementations behind it.

    Transport.request(Request) -> Response

The contract that every implementation keeps (`cairnfs.testing.contracts.transport` checks it):
- The request's body is sent as it is produced; the response's body is read as it is consumed; neither
  is held whole in memory. Backpressure goes through.
- `timeout_s` bounds the whole exchange until the response's head; `Response` reads are bounded by
  the same instant unless `read_timeout_s` gives each piece its own time (for long streams).
- Raises Unreachable where no connection was made (the server saw nothing), DeadlineExceeded where
  time ran out, OutcomeUnknown where the connection broke after bytes may have been seen.
- The raw path of the URL goes out byte for byte; nothing is normalised, folded or followed.
- A status is a result, not an exception.
Used from one event loop. After a fork, a new loop needs a new transport.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

#: What is sent from views of a buffer is not to change before the answer is there.
Body = bytes | AsyncIterator[bytes | memoryview]

#: For whom a door inside this process asks. Only the in-process transport heeds it, as the address that
#: the application sees; over a network it says nothing.
PEER_HEADER = "cairn-peer"


@dataclass(frozen=True, slots=True)
class Request:
    """One exchange to make. `origin` is `http://host:port`, `target` the raw path and query."""

    method: str
    origin: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = b""
    timeout_s: float = 30.0
    read_timeout_s: float | None = None


class Response(Protocol):
    """An answer whose head is here. Must be closed (`async with`), read or not."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece as it arrives (at most about 256 KiB each)."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge past `limit` bytes."""
        ...

    async def __aenter__(self) -> Response: ...

    async def __aexit__(self, *exc: object) -> None: ...


class Transport(Protocol):
    """Sends requests; holds connections open between them."""

    async def request(self, request: Request) -> Response:
        """Send one request and wait for the head of its answer."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
