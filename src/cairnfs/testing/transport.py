"""A network that misbehaves on purpose, in front of any transport.

What belongs here: the faults that a client of Cairn must live through, who chooses them (a seed or a
list), and their counts: a test that counts no fault has tested nothing. Used from one event loop.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import DeadlineExceeded, OutcomeUnknown, Unreachable
from cairnfs.net.transport import Request, Response, Transport


class Fault(Enum):
    """What may happen to one exchange."""

    DELAY = "it takes a while"
    UNREACHABLE = "no connection: the server sees nothing"
    CUT_REQUEST = "the connection breaks within the request's body"
    REPLY_LOST = "the server does it, the answer never comes"
    HANG = "the server does it, but no answer comes until the time is over"
    DUPLICATE = "the server sees it twice"
    CUT_REPLY = "the connection breaks within the answer's body"


#: Chooses the fault of a request, or none.
Plan = Callable[[Request], Fault | None]


def seeded(seed: int, rates: Mapping[Fault, float], only: Callable[[Request], bool] = lambda _: True) -> Plan:
    """Each fault with its probability (0 to 1, together at most 1), for requests that `only` admits."""
    dice = random.Random(seed)

    def plan(request: Request) -> Fault | None:
        if not only(request):
            return None
        thrown = dice.random()
        for fault, rate in rates.items():
            if thrown < rate:
                return fault
            thrown -= rate
        return None

    return plan


def script(faults: Iterable[Fault | None], only: Callable[[Request], bool] = lambda _: True) -> Plan:
    """The given faults, one for each request that `only` admits; none when they are used up."""
    left = iter(faults)
    return lambda request: next(left, None) if only(request) else None


class FlakyTransport:
    """A transport with faults. `counts` says how often each happened; `plan` may be exchanged any time."""

    def __init__(
        self,
        transport: Transport,
        plan: Plan,
        *,
        clock: Clock | None = None,
        delay_s: float = 0.05,
    ) -> None:
        self.plan = plan
        self.counts: Counter[Fault] = Counter()
        self._transport = transport
        self._clock = clock or SystemClock()
        self._delay_s = delay_s

    async def request(self, request: Request) -> Response:
        """Send one request, or do to it what the plan says."""
        fault = self.plan(request)
        if fault is None:
            return await self._transport.request(request)
        self.counts[fault] += 1
        match fault:
            case Fault.DELAY:
                await self._clock.sleep(self._delay_s)
                return await self._transport.request(request)
            case Fault.UNREACHABLE:
                raise Unreachable(f"cannot connect to {request.origin} (on purpose)")
            case Fault.CUT_REQUEST:
                return await self._cut_request(request)
            case Fault.REPLY_LOST:
                await self._swallow(request)
                raise OutcomeUnknown(f"the connection to {request.origin} broke (on purpose)")
            case Fault.HANG:
                await self._swallow(request)
                await self._clock.sleep(request.timeout_s)
                raise DeadlineExceeded(f"no answer from {request.origin} in time (on purpose)")
            case Fault.DUPLICATE:
                whole = replace(request, body=await _whole(request))
                await self._swallow(whole)
                return await self._transport.request(whole)
            case Fault.CUT_REPLY:
                return _CutReply(await self._transport.request(request), request.origin)

    async def _swallow(self, request: Request) -> None:
        async with await self._transport.request(request) as response:
            async for _ in response.pieces():
                pass

    async def _cut_request(self, request: Request) -> Response:
        broken = OutcomeUnknown(f"the connection to {request.origin} broke (on purpose)")
        try:
            async with await self._transport.request(replace(request, body=_half(request, broken))):
                pass
        except OutcomeUnknown:
            pass
        raise broken

    async def close(self) -> None:
        """Close the transport behind."""
        await self._transport.close()


class _CutReply:
    """A response whose body breaks off after half of its first piece."""

    def __init__(self, response: Response, origin: str) -> None:
        self._response = response
        self._origin = origin

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._response.pieces():
            yield piece[: len(piece) // 2]
            break
        raise OutcomeUnknown(f"the answer of {self._origin} broke off (on purpose)")

    async def read(self, limit: int) -> bytes:
        return b"".join([piece async for piece in self.pieces()])[:limit]

    async def __aenter__(self) -> _CutReply:
        await self._response.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._response.__aexit__(*exc)


async def _whole(request: Request) -> bytes:
    if isinstance(request.body, bytes):
        return request.body
    return b"".join([piece async for piece in request.body])


async def _half(request: Request, broken: Exception) -> AsyncIterator[bytes]:
    whole = await _whole(request)
    yield whole[: len(whole) // 2]
    raise broken
