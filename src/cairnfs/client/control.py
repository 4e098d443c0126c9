"""Asking the control plane: one caller's token, and patience.

What belongs here: how a call is repeated after a refused token or an error that may pass. What does
not: commits, whose repeating has rules of its own (`commit.py`; `together.py` gathers them), and chunks
(`transfer.py`).
Used from one event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from cairnfs.client.credentials import TokenSource
from cairnfs.client.locks.here import LocksHere
from cairnfs.client.retry import Patience, persist
from cairnfs.client.together import Together
from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, CairnError, TokenExpired, TokenInvalid, Unavailable
from cairnfs.net.calls import Calls
from cairnfs.net.transport import Transport
from cairnfs.wire.endpoints import Endpoint

Q = TypeVar("Q")
A = TypeVar("A")

CLOSED = "the client is closed"


class Control:
    """The control plane at one origin, asked by one caller."""

    def __init__(
        self,
        transport: Transport,
        origin: str,
        *,
        clock: Clock,
        tokens: TokenSource,
        patience: Patience | None = None,
    ) -> None:
        self.origin = origin
        self.clock = clock
        self.tokens = tokens
        self.transport = transport
        self.patience = patience or Patience()
        self.met = False
        self.closed = False
        self.commits = Together(self.once)
        self.locks = LocksHere()
        self._calls = Calls(transport, origin, clock=clock, token=tokens.token)

    async def once(
        self,
        endpoint: Endpoint[Q, A],
        request: Q | None = None,
        *,
        params: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> A:
        """Ask one time; only a refused token is replaced and tried once more, since nothing happened.

        Raises BadRequest once `closed` is set: nobody is asked any more.
        """
        if self.closed:
            raise BadRequest(CLOSED)
        token = await self.tokens.token() if endpoint.access != "anyone" else None
        try:
            reply = await self._calls.call(endpoint, request, params=params, timeout_s=timeout_s)
        except (TokenExpired, TokenInvalid) as error:
            self.met = True
            if token is None or not await self.tokens.refused(token):
                raise error
            reply = await self._calls.call(endpoint, request, params=params, timeout_s=timeout_s)
        except CairnError as error:
            self.met = self.met or not isinstance(error, Unavailable)
            raise
        self.met = True
        return reply

    async def ask(
        self,
        endpoint: Endpoint[Q, A],
        request: Q | None = None,
        *,
        params: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> A:
        """Ask what may be asked again, for `timeout_s` at most. Raises the last error when time is over."""
        patience = self.patience if timeout_s is None else replace(self.patience, total_s=timeout_s)
        return await persist(
            self.clock,
            patience,
            lambda left_s: self.once(endpoint, request, params=params, timeout_s=left_s),
            stranger=not self.met,
        )
