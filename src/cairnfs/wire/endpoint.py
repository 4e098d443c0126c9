"""What an endpoint is: one request that a service answers. Those that there are: `endpoints/`.

What belongs here: the form. What does not: any endpoint. Values, any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, NamedTuple, TypeVar

from cairnfs import errors as e

Q = TypeVar("Q")
A = TypeVar("A")

Access = Literal["anyone", "user", "admin", "fileserver"]
Service = Literal["auth", "directory", "locks", "transactions", "cluster", "fileserver"]


class Endpoint(NamedTuple, Generic[Q, A]):
    """One request that a service answers. `path` may hold `{parameters}` of [A-Za-z0-9_-]+.

    Without POST there is no body, and `request` is Empty. `frames`: which side carries chunk frames, not
    JSON; or "events": a GET whose request is its query string (`wire/queries.py`) and whose answer is a
    stream of events, each with a `reply` as its data (`wire/events.py`).
    `access`: "user" is anyone who is logged in, fileservers included. `headers`: those it reads besides
    what all do, each True where it has to come. `waits`: it is answered when something happens, and given up
    when nobody waits for the answer any more or the server stops. `places`: of a stream of events or what
    waits, how many a process takes at once, and how many of one user, where that is not the usual number.
    """

    name: str
    service: Service
    method: Literal["GET", "POST", "DELETE"]
    path: str
    request: type[Q]
    reply: type[A]
    access: Access
    summary: str
    errors: tuple[type[e.CairnError], ...] = ()
    frames: Literal["", "request", "reply", "events"] = ""
    body_max_bytes: int = 1024 * 1024
    headers: Mapping[str, bool] = {}
    waits: bool = False
    places: tuple[int, int] | None = None


#: What many endpoints answer besides what is their own.
PATHS = (e.BadName, e.PathTooLong, e.NotFound, e.NotADirectory, e.SymlinkLoop, e.Forbidden)
HISTORY = (e.NoSuchCommit, e.NoSuchSnapshot, e.BeforeHorizon)
