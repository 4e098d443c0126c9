"""A cluster and a door to it, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from cairnfs.client.filesystem import Filesystem
from cairnfs.clock import SystemClock
from cairnfs.gateways.http.door import Door, door
from cairnfs.gateways.http.routing import RoutingTransport
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import application
from cairnfs.net.transport import Body, Request
from cairnfs.testing.cluster import CONTROL, Cluster
from cairnfs.wire.problems import Problem

MIB = 1024 * 1024
DOOR = "http://door"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return msgspec.json.decode(self.body, type=Problem).code


class Scene:
    """A cluster, a door to it, and ann, who has a token."""

    def __init__(self, here: Cluster, files: Filesystem, token: str) -> None:
        self.cluster = here
        self.files = files
        self.token = token
        self.clock = SystemClock()
        self.door: Door = door(
            control=CONTROL, transport=RoutingTransport({}, here.network), clock=self.clock
        )
        self.app = application(
            endpoints=[],
            handlers={},
            authenticate=None,  # type: ignore[arg-type]
            clock=self.clock,
            mounts={"/files": self.door},
            title="door",
        )
        self.transport = InProcessTransport({DOOR: self.app})

    async def ask(
        self, method: str, target: str, body: Body = b"", *, auth: str | None = "", **headers: str
    ) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if auth is not None:
            given["authorization"] = auth or f"Bearer {self.token}"
        request = Request(method, DOOR, f"/files{target}", given, body)
        async with await self.transport.request(request) as response:
            return Answer(response.status, response.headers, await response.read(64 * MIB))
