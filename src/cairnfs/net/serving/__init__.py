"""The server's seam to the network: from the endpoint table and handlers to a listening socket.

    app = application(endpoints=CONTROL, handlers={"stat": stat, ...},
                      authenticate=checker, clock=clock, title="Cairn control")
    server = Server(app, host="127.0.0.1", port=0)
    await server.start()

Handlers, by the endpoint's `frames`:
- `""`: `async def handler(context: Context, request: Q) -> A`
- `"request"`: `async def handler(context: Context, pieces: AsyncIterator[bytes]) -> A`. The pieces are
  the body as it arrives (up to about 320 KiB each, none empty); feed them to `wire.chunks.Deframer`.
  Where `pieces.announced_bytes` is known, `pieces.into(buffer)` has them come straight into a buffer instead.
  They raise TooLarge past the endpoint's limit and LengthMismatch where the body is shorter or longer
  than announced or the client goes away. A handler may answer or raise before it has read everything.
- `"reply"`: `async def handler(context: Context, request: Q) -> Pieces | bytes`. Errors raised before it
  returns are answered as problems; an error from within the pieces cuts the connection, so that the client
  sees a broken body and never a short one. `Pieces(iterator, length=bytes)` announces Content-Length;
  `bytes` is a whole row.
- `"events"`: `async def handler(context: Context, request: Q) -> Events`. The request is read from the query
  string. `context.headers.get("last-event-id")` is where a reader goes on; the deadline is for the first
  item. Errors raised until then are answered as problems; see `Events`.

A handler is given its deadline and keeps it; 5 s later it is cancelled (the outcome is then unknown).
What belongs here: all that speaks ASGI as a server. The only place that imports uvicorn.
Used from one event loop.
"""

from cairnfs.net.serving.application import Application, application
from cairnfs.net.serving.context import (
    Authenticate,
    Caller,
    Context,
    Events,
    FramesHandler,
    GivesEvents,
    GivesPieces,
    Handler,
    Heartbeat,
    Pieces,
    TakesPieces,
)
from cairnfs.net.serving.server import Server
from cairnfs.net.tls import TlsFiles
from cairnfs.wire.events import Event

__all__ = [
    "Application",
    "Authenticate",
    "Caller",
    "Context",
    "Event",
    "Events",
    "FramesHandler",
    "GivesEvents",
    "GivesPieces",
    "Handler",
    "Heartbeat",
    "Pieces",
    "Server",
    "TakesPieces",
    "TlsFiles",
    "application",
]
