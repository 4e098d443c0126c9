"""The HTTP door's entrance: one ASGI application, mounted at /files.

It acts as the caller and decides nothing: what may be read and written is the cluster's matter. What
belongs here: from a request to its verb, and errors to answers. Used from one event loop.
"""

from __future__ import annotations

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, MethodNotAllowed, OutcomeUnknown, Unauthenticated
from cairnfs.gateways.http import locks, reading, writing
from cairnfs.gateways.http.asking import PARAMETERS, read
from cairnfs.gateways.http.clients import Clients
from cairnfs.net import asgi
from cairnfs.net.asgi import ClientGone, Headers, Message, RawHeaders, Receive, Scope, Send
from cairnfs.net.deadlines import within
from cairnfs.net.transport import Transport

_ALLOW = ", ".join(PARAMETERS)
#: An answer of which the caller takes nothing for so long is cut off.
SEND_IDLE_S = 60.0


class Door:
    """The application. Close it when the server has stopped."""

    def __init__(self, clients: Clients, clock: Clock, prefix: str) -> None:
        self._clients = clients
        self._clock = clock
        self._prefix = prefix.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            raise RuntimeError(f"the door serves http, not {scope['type']}")
        begun = False

        async def timely(message: Message) -> None:
            nonlocal begun
            begun = True
            async with within(self._clock, SEND_IDLE_S):
                await send(message)

        try:
            await self._serve(scope, receive, timely)
        except ClientGone:
            return
        except (CairnError, TimeoutError) as error:
            if begun or not isinstance(error, CairnError):
                _cut(scope)
                return
            request_id = Headers(scope["headers"]).request_id()
            await asgi.answer_problem(send, error, request_id, _extra(error))

    async def close(self) -> None:
        """Close the callers' clients."""
        await self._clients.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in PARAMETERS:
            raise MethodNotAllowed(f"{scope['method']} is not served here, only {_ALLOW}")
        asked = read(scope, receive, send, self._prefix)
        async with self._clients.of(scope, asked.headers) as files:
            match asked.method:
                case "PUT":
                    with locks.as_asked(files, asked):
                        await writing.put(files, asked, self._clock)
                case "DELETE":
                    with locks.as_asked(files, asked):
                        await writing.delete(files, asked)
                case _:
                    await reading.get(files, asked)


def door(*, control: str, transport: Transport, clock: Clock, prefix: str = "/files") -> Door:
    """A door to the cluster whose control plane is at the origin `control`, mounted at `prefix`.

    `transport` reaches the control plane and the fileservers, and stays the caller's to close.
    """
    return Door(Clients(control, transport, clock), clock, prefix)


def _cut(scope: Scope) -> None:
    """The head is out: only a broken connection tells that the answer is not whole."""
    peer = asgi.peer_of(scope)
    if peer is None:
        raise OutcomeUnknown("the answer broke off")
    peer.cut()


def _extra(error: CairnError) -> RawHeaders:
    """Headers that go with an error in HTTP."""
    if isinstance(error, MethodNotAllowed):
        return [(b"allow", _ALLOW.encode())]
    if isinstance(error, Unauthenticated):
        return [(b"www-authenticate", b'Basic realm="cairn", charset="UTF-8"')]
    if isinstance(error, reading.UnsatisfiedRange):
        return [(b"content-range", b"bytes */%d" % error.size)]
    return []
