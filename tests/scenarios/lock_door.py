"""A control plane that listens, people who ask it about locks by plain HTTP, and its tables before and after.

What belongs here: asking, and holding an answer against what is due. What does not: stories
(`test_lock_refusals.py`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from cairnfs.errors import BY_CODE, BadRequest
from cairnfs.metadata.databases.seam import Row, Tx
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.serving import Server
from cairnfs.net.transport import Request
from cairnfs.wire.endpoints import Endpoint
from cairnfs.wire.problems import Problem
from tests.unit.control.plane import Plane, plane

ANSWER_MAX_BYTES = 1024 * 1024
#: All that a refusal could have changed. Answers may be kept, so `reply` is not among them.
TABLES = (
    "clock", "commits", "change", "inode", "dentry", "version", "shadow", "session", "lock", "lock_key",
    "broken_lock", "orphan", "detached",
)  # fmt: skip

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
