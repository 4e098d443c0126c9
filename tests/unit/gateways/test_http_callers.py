"""Who may come through the door, as whom, and with what programs."""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
from pathlib import Path

import pytest

from cairnfs.client import credentials
from cairnfs.control.auth.limits import PER_PEER
from cairnfs.gateways.http import clients as pool
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Server
from cairnfs.net.transport import Request
from cairnfs.testing.cluster import CONTROL, PASSWORD
from tests.unit.gateways.scene import DOOR, MIB, Scene

#: Headers that say nothing of what was asked for.
VARYING = ("x-request-id", "content-length")
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_caller_is_who_acts(scene: Scene, home: str) -> None:
    await scene.cluster.user("ben")
    ben = await credentials.login(scene.cluster.network, CONTROL, scene.clock, "ben", PASSWORD)
    await scene.ask("PUT", f"{home}/f", b"ann's")
    for method in ("GET", "PUT", "DELETE"):
        answer = await scene.ask(method, f"{home}/f", auth=f"Bearer {ben.token}")
        assert (answer.status, answer.problem) == (403, "forbidden")


async def test_a_closed_directory_says_nothing_of_what_is_in_it(scene: Scene, home: str) -> None:
    """Not by a condition, a range, a listing, nor by how it refuses."""
    await scene.cluster.user("ben")
    ben = await credentials.login(scene.cluster.network, CONTROL, scene.clock, "ben", PASSWORD)
    put = await scene.ask("PUT", f"{home}/f", b"ann's")
    conditions = [{name: tag} for name in ("if_match", "if_none_match") for tag in ("*", put.headers["etag"])]
    asked = [(method, path) for method in ("GET", "HEAD", "PUT", "DELETE") for path in ("f", "none")]
    asked += [(method, path) for method in ("GET", "HEAD") for path in ("f/", "none/", "f?at=3", "none?at=3")]
    answers = set()
    for method, path in asked:
        for headers in ({}, {"range": "bytes=0-0"}, *conditions):
            answer = await scene.ask(method, f"{home}/{path}", b"", auth=f"Bearer {ben.token}", **headers)
            shown = {name: told for name, told in answer.headers.items() if name not in VARYING}
            answers.add((answer.status, str(shown)))
            assert method == "HEAD" or answer.problem == "forbidden"
    assert len(answers) == 1


@pytest.mark.parametrize(
    "auth", [None, "Bearer x.y.z", "Digest abc", "Basic %%%", "Basic bm9ib2R5", "Bearer "]
)
async def test_strangers_are_asked_to_log_in(scene: Scene, auth: str | None) -> None:
    answer = await scene.ask("GET", "/Hello.txt", auth=auth)
    assert answer.status == 401
    assert "www-authenticate" in answer.headers


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def test_name_and_password_do_on_this_machine(scene: Scene, home: str) -> None:
    answer = await scene.ask("PUT", f"{home}/f", b"x", auth=basic("ann", PASSWORD))
    assert answer.status == 201
    answer = await scene.ask("GET", f"{home}/f", auth=basic("ann", "wrong"))
    assert (answer.status, answer.problem) == (401, "bad_credentials")


async def test_failed_logins_count_against_who_failed(scene: Scene) -> None:
    """Nobody shuts the door for the others, nor logs in as often as they like by way of the door."""

    async def elsewhere(scope, receive, send):  # type: ignore[no-untyped-def]
        await scene.app({**scope, "scheme": "https", "client": ("192.0.2.7", 5)}, receive, send)

    transport = InProcessTransport({DOOR: elsewhere})
    statuses = []
    for number in range(PER_PEER.burst + 1):
        request = Request("GET", DOOR, "/files/x", {"authorization": basic(f"nobody{number}", "guess")})
        async with await transport.request(request) as response:
            statuses.append(response.status)
    assert statuses == [401] * PER_PEER.burst + [429]
    assert (await scene.ask("GET", "/", auth=basic("ann", PASSWORD))).status == 200


async def test_name_and_password_are_not_taken_over_an_open_network(scene: Scene) -> None:
    async def elsewhere(scope, receive, send):  # type: ignore[no-untyped-def]
        await scene.app({**scope, "client": ("192.0.2.7", 5)}, receive, send)

    transport = InProcessTransport({DOOR: elsewhere})
    request = Request("GET", DOOR, "/files/x", {"authorization": basic("ann", PASSWORD)})
    async with await transport.request(request) as response:
        assert response.status == 403


async def test_clients_are_kept_and_their_number_is_bounded(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setattr(pool, "CLIENTS_MAX", 2)
    kept = scene.door._clients._kept
    for _ in range(3):
        await scene.ask("PUT", f"{home}/f", b"x")
    await scene.ask("GET", f"{home}/f", auth=basic("ann", PASSWORD))
    await scene.cluster.user("eve")
    await scene.ask("GET", f"{home}/f", auth=basic("eve", PASSWORD))
    assert len(kept) == 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl(scene: Scene, home: str, tmp_path: Path, seed: int) -> None:
    server = Server(scene.app, host="127.0.0.1", port=0)
    await server.start()
    try:
        url = f"http://127.0.0.1:{server.port}/files{home}"
        data = random.Random(seed).randbytes(3 * MIB + 11)
        (tmp_path / "up").write_bytes(data)
        auth = ("-H", f"Authorization: Bearer {scene.token}")
        assert await _curl(*auth, "-T", tmp_path / "up", f"{url}/deep/") == "201"
        assert (
            await _curl(*auth, "-T", tmp_path / "up", f"{url}/deep/again", "-H", "Expect: 100-continue")
            == "201"
        )
        assert await _curl(*auth, "-T", tmp_path / "up", f"{url}/deep/up", "-H", "If-None-Match: *") == "412"
        assert await _curl("-u", f"ann:{PASSWORD}", "-o", tmp_path / "down", f"{url}/deep/up") == "200"
        assert (tmp_path / "down").read_bytes() == data
        assert await _curl(*auth, "-r", "100-199", "-o", tmp_path / "part", f"{url}/deep/up") == "206"
        assert (tmp_path / "part").read_bytes() == data[100:200]
        assert await _curl(*auth, "-I", "-o", tmp_path / "head", f"{url}/deep/up") == "200"
        (tmp_path / "down").write_bytes(data[:1000])
        assert await _curl(*auth, "-C", "-", "-o", tmp_path / "down", f"{url}/deep/up") == "206"
        assert (tmp_path / "down").read_bytes() == data
        assert await _curl(*auth, "-X", "DELETE", f"{url}/deep?recursive=1") == "204"
        assert await _curl(*auth, "--path-as-is", f"{url}/../x") == "400"
        assert await _curl(*auth, "-T", "-", f"{url}/piped", stdin=data) == "201"
        assert await scene.files.read_file(f"{home}/piped") == data
    finally:
        await server.stop()


async def _curl(*arguments: object, stdin: bytes = b"") -> str:
    process = await asyncio.create_subprocess_exec(
        "curl",
        "-sS",
        "-w",
        "%{http_code}",
        "-m",
        "30",
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(stdin)
    return out.decode()[-3:]
