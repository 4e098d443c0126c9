"""A small service for the tests of this room: one endpoint of each kind, and what its handlers do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from cairnfs import errors as e
from cairnfs.clock import Clock, SystemClock
from cairnfs.ids import UserId
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.calls import Calls
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import (
    Application,
    Caller,
    Context,
    Event,
    Events,
    GivesPieces,
    Heartbeat,
    Pieces,
    application,
)
from cairnfs.wire import codec
from cairnfs.wire.codec import Empty, Reply, Request, Whole
from cairnfs.wire.endpoints import Endpoint
from cairnfs.wire.events import LAST_ID_HEADER

ORIGIN = "http://service"


class Ask(Request, kw_only=True):
    """A question."""

    text: str
    times: Whole = 1


class Say(Reply, kw_only=True):
    """An answer."""

    text: str
    caller: str | None = None


class Look(Request, kw_only=True):
    """Where to look."""

    path: str
    path_b64: str | None = None
    since: Whole | None = None
    deep: bool = False


ASK = Endpoint("ask", "directory", "POST", "/v1/ask", Ask, Say, "user", "Say it so often", (e.NotFound,),
               body_max_bytes=1000)  # fmt: skip
OPEN = Endpoint("open_door", "auth", "GET", "/v1/open", Empty, Say, "anyone", "For anyone")
NAMED = Endpoint("named", "locks", "DELETE", "/v1/things/{thing}/parts/{part}", Empty, Say, "user", "A part")
ADMIN = Endpoint("admin_only", "auth", "POST", "/v1/admin", Empty, Say, "admin", "For admins")
TAKE = Endpoint("take", "fileserver", "POST", "/v1/take", Empty, Say, "user", "Takes frames", (), "request",
                10_000)  # fmt: skip
GIVE = Endpoint("give", "fileserver", "POST", "/v1/give", Ask, Empty, "user", "Gives frames", (), "reply")
WATCH = Endpoint("watch", "directory", "GET", "/v1/watch", Look, Say, "user", "Tells what happens",
                 (e.BeforeHorizon,), "events")  # fmt: skip
TABLE: tuple[Endpoint[Any, Any], ...] = (ASK, OPEN, NAMED, ADMIN, TAKE, GIVE, WATCH)

#: When the tokens of `authenticate` expire: nobody's clock comes so far, unless told to.
EXPIRES_AT_US = 4_000_000_000_000_000

Watch = Callable[[Context, Look], Awaitable[Events]]
Act = Callable[[Context, Ask], Awaitable[Say]]


async def ask(context: Context, request: Ask) -> Say:
    return Say(text=request.text * request.times, caller=context.user.name)


async def open_door(context: Context, request: Empty) -> Say:
    return Say(text="open", caller=context.caller.name if context.caller else None)


async def named(context: Context, request: Empty) -> Say:
    return Say(text=f"{context.params['thing']} {context.params['part']}")


async def admin_only(context: Context, request: Empty) -> Say:
    return Say(text="admin")


async def take(context: Context, pieces: AsyncIterator[bytes]) -> Say:
    return Say(text=str(sum([len(piece) async for piece in pieces])))


async def give(context: Context, request: Ask) -> Pieces:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(request.times):
            if request.text == "break":
                raise e.ChunkLost("rotten")
            yield request.text.encode()

    return Pieces(pieces())


async def watch(context: Context, request: Look) -> Events:
    """Counts from `since` (or on from the last id) to 3."""

    async def items() -> AsyncIterator[Event | Heartbeat]:
        for number in range(int(context.headers.get(LAST_ID_HEADER, request.since or 0)) + 1, 4):
            yield Event(str(number), "count", codec.encode(Say(text=request.path)))

    return Events(items())


def authenticate(token: str) -> Caller:
    """Tokens are `ROLE:NAME`."""
    role, _, name = token.partition(":")
    if role == "old":
        raise e.TokenExpired("the token's time is over")
    if role not in ("user", "admin", "fileserver"):
        raise e.TokenInvalid("not a token of this cluster")
    return Caller(UserId(sum(name.encode())), name, role, EXPIRES_AT_US)


def service(
    act: Act = ask,
    *,
    watch: Watch = watch,
    clock: Clock | None = None,
    mounts: dict[str, ASGIApp] | None = None,
    give: GivesPieces = give,
) -> Application:
    """The application; `act` handles ASK."""
    return application(
        endpoints=TABLE,
        handlers={"ask": act, "open_door": open_door, "named": named, "admin_only": admin_only},
        frames={"take": take, "give": give, "watch": watch},
        authenticate=authenticate,
        clock=clock or SystemClock(),
        mounts=mounts,
        title="Test",
    )


def calls(app: ASGIApp, token: str | None = "user:ann", *, clock: Clock | None = None) -> Calls:
    """The service as one caller sees it."""
    clock = clock or SystemClock()

    async def source() -> str | None:
        return token

    return Calls(InProcessTransport({ORIGIN: app}, clock=clock), ORIGIN, clock=clock, token=source)
