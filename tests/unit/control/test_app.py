"""The control plane as a whole: every endpoint is served, guarded, and answers wrong input by a code."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs.clock import SystemClock
from cairnfs.control.app import build, has_admin
from cairnfs.errors import BY_CODE
from cairnfs.metadata.databases.seam import Database
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.transport import Request
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.endpoints import CONTROL, Endpoint
from tests.unit.control.plane import CHEAP, ORIGIN, Plane, plane

WRONG_BODIES = (
    b"", b"{", b"[]", b"null", b'"x"', b"7", b"\xff", b'{"nobody_defined_this": 1}', b"[" * 100_000,
    b'{"sealed": 7}', b'{"paths": "x"}', b'{"paths": []}', b'{"paths": [{"path": "x"}], "at": "yesterday"}',
    b'{"paths": [{"path": "/", "path_b64": "!"}]}', b'{"path": ""}', b'{"path": "/", "limit": 0}',
    b'{"path": "/", "limit": -1}', b'{"path": "/", "cursor": "x"}', b'{"path": "/", "start": -1}',
    b'{"path": "/", "at": "99999999999999999999999999"}', b'{"path": "/", "at": "9999999"}',
    b'{"path": "\\u0000"}', b'{"path": "/\\u0000"}', b'{"path": "/home", "known": "x"}',
    b'{"request_id": "x"}', b'{"request_id": "x", "operations": [{"op": "fly"}]}',
    b'{"first": -1, "last": 0}', b'{"first": 0, "last": 1024}', b'{"first": 5, "last": 4}',
    b'{"counter": -1, "needs": 0}', b'{"counter": 1, "needs": 99999999999999999999999}',
    b'{"counter": 9223372036854775808, "needs": 0}', b'{"counter": 1, "needs": 1000000}',
    b'{"ttl_ms": 99999999999999999999}', b'{"label": "\\u0000"}', b'{"refresh_token": "\\u0000"}',
    b'{"join_token": "\\u0000", "address": "http://h:1", "boot": "00000000"}',
    b'{"join_token": "", "address": "ftp://h", "boot": "x"}',
    b'{"address": "http://h:99999", "boot": "00000000"}',
    b'{"address": "http://[::1", "boot": "00000000"}', b'{"address": "http://h:1", "boot": "\\u0000\\u0000"}',
    b'{"first": 0, "last": 0, "deep": 7}', b'{"path": "/", "cursor": "\\u0000"}',
    b'{"path": "/", "at": "\\u0000"}',
    *(
        b'{"request_id": "%032x", %s}' % (number, rest)
        for number, rest in enumerate((
            b'"operations": [{"op": "mkdir", "path": "/x\\u0000"}]',
            b'"operations": [{"op": "mkdir", "path": "/x"}], "session": "\\u0000"',
            b'"operations": [{"op": "remove", "path": "/", "expected": "\\u0000"}]',
            b'"operations": [{"op": "write", "path": "/x", "chunks": [], "size": 9}]',
            b'"operations": [{"op": "write", "path": "/x", "chunks": [["AA==", 1]], "size": 1}]',
            b'"operations": [{"op": "mkdir", "path": "/x", "mode": 99999}]',
            b'"operations": [{"op": "rename", "path": "/", "target": "/x"}]',
        ))
    ),
)  # fmt: skip


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


async def raw(
    cluster: Plane,
    endpoint: Endpoint[Any, Any],
    body: bytes,
    token: str | None,
    parameter: str = "1",
    media: str = "application/json",
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one exchange that no stub would make."""
    headers = {"content-type": media, "content-length": str(len(body))}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    target = re.sub(r"{\w+}", parameter, endpoint.path)
    response = await cluster.transport.request(Request(endpoint.method, ORIGIN, target, headers, body))
    async with response:
        answer = json.loads(await response.read(10_000_000))
    return response.status, answer


async def roles(cluster: Plane) -> dict[str, str]:
    """A token of each role."""
    admin = await cluster.admin()
    return {
        "admin": admin.token,
        "user": (await cluster.signup("ann")).token,
        "fileserver": (await cluster.join(admin)).reply.token,
    }


async def test_whoever_may_not_is_told_so_before_anything_else(cluster: Plane) -> None:
    tokens = await roles(cluster)
    for endpoint in CONTROL:
        status, answer = await raw(cluster, endpoint, b"{", None)
        if endpoint.access != "anyone":
            assert (status, answer["code"]) == (401, "unauthenticated"), endpoint.name
        status, answer = await raw(cluster, endpoint, b"{", "made.up.token")
        assert (status, answer["code"]) == (401, "token_invalid"), endpoint.name
        for role, token in tokens.items():
            if endpoint.access in ("admin", "fileserver") and role != endpoint.access:
                status, answer = await raw(cluster, endpoint, b"{", token)
                assert (status, answer["code"]) == (403, "forbidden"), (endpoint.name, role)


async def test_wrong_input_is_answered_by_a_stable_code_everywhere(database: Database) -> None:
    clock = ManualClock(SystemClock().now_us())
    async with plane(database=database, clock=clock) as cluster:
        tokens = await roles(cluster)
        for endpoint in CONTROL:
            token = tokens.get(endpoint.access, tokens["admin"])
            for body in WRONG_BODIES if endpoint.method == "POST" else (b"",):
                for parameter in ("1", "x", "0" * 32, "9" * 60) if "{" in endpoint.path else ("",):
                    status, answer = await raw(cluster, endpoint, body, token, parameter)
                    if status != 200:
                        told = (endpoint.name, body[:60], parameter, answer)
                        assert answer["status"] == status < 500, told
                        assert BY_CODE[answer["code"]].status == status, told
                        assert answer["request_id"], told


async def test_a_body_of_another_kind_or_size_is_refused(cluster: Plane) -> None:
    token = (await cluster.admin()).token
    for endpoint in CONTROL:
        if endpoint.method == "POST":
            status, answer = await raw(cluster, endpoint, b"a=b", token, media="text/plain")
            if endpoint.access != "fileserver":
                assert (status, answer["code"]) == (415, "unsupported_media"), endpoint.name
    status, answer = await raw(cluster, endpoints.LOGIN, b" " * 2_000_000, None)
    assert (status, answer["code"]) == (413, "too_large")


async def test_it_describes_itself(cluster: Plane) -> None:
    for target in ("/healthz", "/openapi.json"):
        response = await cluster.transport.request(Request("GET", ORIGIN, target))
        async with response:
            assert response.status == 200
            body = await response.read(10_000_000)
    described = {(method, path) for path, methods in json.loads(body)["paths"].items() for method in methods}
    assert {(one.method.lower(), one.path) for one in CONTROL} <= described


async def test_status_is_there_for_everyone_and_ready_once_enough_fileservers_are(cluster: Plane) -> None:
    admin, user = await cluster.admin(), await cluster.signup("ann")

    async def ready(token: str) -> bool:
        return (await cluster.ask(endpoints.STATUS, None, token)).ready

    assert not await ready(user.token)
    await cluster.join(admin, 1)
    assert not await ready(user.token)
    await cluster.join(admin, 2)
    assert await ready(user.token)


async def test_the_first_administrator_is_asked_for_until_there_is_one(cluster: Plane) -> None:
    assert not has_admin(cluster.database)
    await cluster.admin()
    assert has_admin(cluster.database)


async def test_starting_again_with_the_same_first_secret(cluster: Plane) -> None:
    for _ in range(2):
        again = build(
            cluster.database,
            ManualClock(),
            open_signup=False,
            transport=InProcessTransport(),
            first_admin_secret="the first administrator's secret",
            password_cost=CHEAP,
        )
        await again.stop()
    assert isinstance(await cluster.admin(), TokenReply)


async def test_it_starts_and_stops(cluster: Plane) -> None:
    await cluster.app.start()
    await cluster.clock.until(lambda: cluster.app.leads)
    await cluster.app.stop()
    assert not cluster.app.leads
