"""Which route answers which request, and what is said where there is none."""

from __future__ import annotations

import msgspec
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import NotEmpty
from cairnfs.net import asgi
from cairnfs.net.asgi import ASGIApp, Receive, Scope, Send
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import application
from cairnfs.net.transport import Request
from cairnfs.wire.problems import Problem
from tests.unit.net.service import ASK, OPEN, ORIGIN, ask, authenticate, calls, service


async def get(app: ASGIApp, target: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    transport = InProcessTransport({ORIGIN: app})
    async with await transport.request(Request(method, ORIGIN, target)) as response:
        return response.status, await response.read(1_000_000), dict(response.headers)


@pytest.mark.parametrize(
    "target",
    ["/", "/v1", "/v1/ask/", "/v1//ask", "/V1/ASK", "/v1/%61sk", "/v1/things/a/parts/", "/%ff%00",
     "/v1/things/a%2Fb/parts/c", "/v1/things/" + "a" * 129 + "/parts/c", "/v1/things/a/parts/c/d",
     "/filesystem"],
)  # fmt: skip
async def test_what_is_not_served_is_not_found(target: str) -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("this is not its prefix")

    status, body, _ = await get(service(mounts={"/files": door}), target)
    assert (status, msgspec.json.decode(body, type=Problem).code) == (404, "not_found")


@pytest.mark.parametrize(
    ("target", "method", "allow"),
    [
        ("/v1/ask", "GET", "POST"),
        ("/v1/open", "POST", "GET, HEAD"),
        ("/v1/things/a/parts/b", "PUT", "DELETE"),
        ("/healthz", "POST", "GET, HEAD"),
        ("/v1/ask", "OPTIONS", "POST"),
    ],
)
async def test_another_method_is_told_which_are_served(target: str, method: str, allow: str) -> None:
    status, body, headers = await get(service(), target, method)
    assert (status, headers["allow"]) == (405, allow)
    assert msgspec.json.decode(body, type=Problem).code == "method_not_allowed"


async def test_pages_about_the_process() -> None:
    app = service()
    assert (await get(app, "/healthz"))[:2] == (200, b"ok")
    assert (await get(app, "/healthz", "HEAD"))[:2] == (200, b"")
    status, body, headers = await get(app, "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert msgspec.json.decode(body)["paths"].keys() >= {"/v1/ask", "/v1/things/{thing}/parts/{part}"}


async def test_what_can_be_got_has_a_head() -> None:
    status, body, headers = await get(service(), "/v1/open", "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(b'{"text":"open"}')))


async def test_metrics_count_what_was_answered() -> None:
    app = service()
    await calls(app).call(OPEN)
    await calls(app).call(OPEN)
    await get(app, "/v1/ask", "POST")
    _, body, headers = await get(app, "/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    text = body.decode()
    assert 'cairn_requests_total{endpoint="open_door",status="200"} 2.0' in text
    assert 'cairn_requests_total{endpoint="ask",status="401"} 1.0' in text
    assert 'cairn_request_seconds_count{endpoint="open_door"} 2.0' in text
    assert 'cairn_request_seconds_bucket{endpoint="open_door",le="+Inf"} 2.0' in text


@pytest.mark.parametrize("target", ["/files", "/files/", "/files/a%2Fb/%FF//c?x=1"])
async def test_a_mount_gets_the_raw_path(target: str) -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        await asgi.answer(send, 201, [], scope["raw_path"] + b"?" + scope["query_string"])

    status, body, _ = await get(service(mounts={"/files": door}), target)
    assert status == 201
    assert body.rstrip(b"?") == target.encode()


async def test_an_error_of_a_mount_is_a_problem() -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotEmpty("there are files in it")

    status, body, _ = await get(service(mounts={"/files": door}), "/files/x", "DELETE")
    assert (status, msgspec.json.decode(body, type=Problem).code) == (409, "not_empty")


@pytest.mark.loud
async def test_a_defect_of_a_mount_is_a_problem_too() -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("who knows")

    status, body, _ = await get(service(mounts={"/files": door}), "/files/x")
    assert (status, msgspec.json.decode(body, type=Problem).code) == (500, "internal")


@pytest.mark.parametrize("handlers", [{}, {"ask": ask}, {"ask": ask, "open_door": ask, "typo": ask}])
def test_every_endpoint_has_a_handler_and_every_handler_an_endpoint(handlers: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="differ"):
        application(
            endpoints=[ASK, OPEN],
            handlers=handlers,  # type: ignore[arg-type]
            authenticate=authenticate,
            clock=SystemClock(),
            title="Test",
        )
