"""A control plane that listens, people who ask it about locks by plain HTTP, and its tables before and after.

What belongs here: asking, and holding an answer against what is due. What does not: stories
(`test_lock_refusals.py`, `test_lock_proofs.py`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from cairnfs.errors import BY_CODE, BadRequest
from cairnfs.metadata.databases.seam import Row, Tx
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.serving import Server
from cairnfs.net.transport import Request
from cairnfs.wire.endpoints import COMMIT, Endpoint, locks
from cairnfs.wire.problems import Problem
from tests.unit.control.plane import Plane, directory, empty_file, plane

ANSWER_MAX_BYTES = 1024 * 1024
#: All that a refusal could have changed. Answers may be kept, so `reply` is not among them.
TABLES = (
    "clock", "commits", "change", "inode", "dentry", "version", "shadow", "session", "lock", "lock_key",
    "broken_lock", "orphan", "detached",
)  # fmt: skip

#: Files that all may change; a name that nothing has; and what is ann's alone.
FILE, OTHER, FREE, SHUT = "/all/f", "/all/g", "/all/new", "/shut/in/f"
#: A lock that there never was; a token that is no lock's.
NONE = 4711
WRONG = "00" * 16

Answer = tuple[int, dict[str, Any]]


class LockDoor:
    """See the module. People are `root`, an administrator, and whoever `meet` made."""

    def __init__(self, made: Plane, server: Server, transport: HttpTransport) -> None:
        self.plane = made
        self.tokens: dict[str, str] = {}
        self._server = server
        self._transport = transport

    async def meet(self, name: str) -> None:
        """Sign somebody up."""
        self.tokens[name] = (await self.plane.signup(name)).token

    async def send(
        self, endpoint: Endpoint[Any, Any], who: str, body: dict[str, Any] | None = None, **params: object
    ) -> Answer:
        """One request, its body as it is given; status and answer."""
        target = endpoint.path
        for name, value in params.items():
            target = target.replace(f"{{{name}}}", str(value))
        if endpoint.frames == "events":
            target += "?" + "&".join(f"{name}={value}" for name, value in (body or {}).items())
        headers = {"authorization": f"Bearer {self.tokens[who]}", "content-type": "application/json"}
        sent = b"" if endpoint.method != "POST" else json.dumps(body or {}).encode()
        request = Request(endpoint.method, self._server.origin, target, headers, sent)
        async with await self._transport.request(request) as response:
            if endpoint.frames == "events" and response.status == 200:
                return 200, {}
            return response.status, json.loads(await response.read(ANSWER_MAX_BYTES) or b"{}")

    async def does(
        self, endpoint: Endpoint[Any, Any], who: str, body: dict[str, Any] | None = None, **params: object
    ) -> dict[str, Any]:
        """A request that is granted."""
        status, answer = await self.send(endpoint, who, body, **params)
        assert status == 200, answer
        return answer

    async def refuses(
        self,
        code: str,
        endpoint: Endpoint[Any, Any],
        who: str,
        body: dict[str, Any] | None = None,
        **params: object,
    ) -> Problem:
        """A request that is refused with this code, in words, and changes nothing."""
        before = self.tables()
        status, answer = await self.send(endpoint, who, body, **params)
        problem = msgspec.convert(answer, Problem)
        assert problem.code == code, (endpoint.name, body, answer)
        assert status == problem.status == BY_CODE[code].status, answer
        assert problem.detail, answer
        assert BY_CODE[code] in (BadRequest, *endpoint.errors), "it is not announced"
        token = (body or {}).get("token")
        assert not token or token not in json.dumps(answer), "a secret is told"
        assert self.tables() == before, "a refusal changed something"
        return problem

    def tables(self) -> dict[str, list[Row]]:
        """What there is."""

        def read(tx: Tx) -> dict[str, list[Row]]:
            return {table: sorted(tx.rows(f"SELECT * FROM {table}"), key=repr) for table in TABLES}

        return self.plane.database.read(read)


@asynccontextmanager
async def lock_door() -> AsyncIterator[LockDoor]:
    """One, over an empty database in memory."""
    async with plane() as made:
        server, transport = Server(made.app.asgi), HttpTransport()
        await server.start()
        try:
            here = LockDoor(made, server, transport)
            here.tokens["root"] = (await made.admin()).token
            yield here
        finally:
            await transport.close()
            await server.stop()


@asynccontextmanager
async def everybody() -> AsyncIterator[LockDoor]:
    """One with people and places: `/all` for everybody, `/shut` for ann, `/read` to be read."""
    async with lock_door() as door:
        for name in ("ann", "bob"):
            await door.meet(name)
        open_to_all = [directory(path, mode=0o777) for path in ("/all", "/all/d")]
        mine = [directory("/shut"), directory("/shut/in"), directory("/read")]
        files = [empty_file(path, mode=0o666) for path in (FILE, OTHER, SHUT)]
        await door.plane.commit(door.tokens["root"], *open_to_all, *mine, *files)
        await door.plane.commit(door.tokens["root"], empty_file("/read/f", mode=0o644))
        closing = [{"op": "setattr", "path": "/shut", "attributes": {"mode": 0o700, "owner": "ann"}}]
        await door.does(COMMIT, "root", {"request_id": fresh(), "operations": closing})
        yield door


def fresh() -> str:
    """A new id: of a request, an owner, a token."""
    return secrets.token_hex(16)


async def session(here: LockDoor, who: str) -> str:
    """A new session's id."""
    answer = await here.does(locks.BEGIN_SESSION, who, {"label": f"{who}'s"})
    return str(answer["session"])


async def asking(here: LockDoor, who: str, *paths: str, **fields: Any) -> dict[str, Any]:
    """What somebody says who asks for a lock, in a session of their own unless told otherwise."""
    said = {
        "request_id": fresh(),
        "session": fields.get("session") or await session(here, who),
        "owner": fresh(),
        "token": fresh(),
        "paths": [{"path": path} for path in paths],
    }
    return {**said, **fields}


class Lock:
    """A lock or request of somebody."""

    def __init__(self, who: str, said: dict[str, Any], answer: dict[str, Any]) -> None:
        self.who = who
        self.session: str = said["session"]
        self.token: str = said["token"]
        self.number: int = answer["lock"]
        self.fence: int = answer["fence"]
        self.incarnation: int = answer["incarnation"]
        self.waits = answer["state"] == "waiting"

    def named(self, **fields: Any) -> dict[str, Any]:
        """As a release names it."""
        return {"lock": self.number, "token": self.token, **fields}

    def proof(self, **fields: Any) -> dict[str, Any]:
        """As a commit shows it."""
        shown = {"lock": self.number, "fence": self.fence, "incarnation": self.incarnation}
        return {**shown, "token": self.token, **fields}


async def take(here: LockDoor, who: str, *paths: str, **fields: Any) -> Lock:
    """Somebody's lock, or request with `wait`."""
    said = await asking(here, who, *paths, **fields)
    return Lock(who, said, await here.does(locks.ACQUIRE_LOCK, who, said))
