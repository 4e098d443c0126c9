"""Locks at the HTTP door: refused, waited for, and shown."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.wire.problems import Problem
from tests.unit.gateways.scene import Answer, Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


def problem(answer: Answer) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    return msgspec.json.decode(answer.body, type=Problem)


async def queued(files: Filesystem, path: str) -> None:
    """Wait until somebody waits for a lock there."""
    async with asyncio.timeout(30):
        while all([one.state == "held" async for one in files.locks(path)]):  # noqa: ASYNC110 -- its own request
            await asyncio.sleep(0.01)


async def test_what_is_locked_is_423(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/f", b"before")
    async with scene.files.lock(f"{home}/f"):
        for method in ("PUT", "DELETE"):
            refused = await scene.ask(method, f"{home}/f", b"")
            said = problem(refused)
            assert (refused.status, said.code) == (423, "locked")
            assert "ann" in said.detail
        got = await scene.ask("GET", f"{home}/f", cairn_wait="nonsense")
        assert (got.status, got.body) == (200, b"before")
    assert (await scene.ask("PUT", f"{home}/f", b"after")).status == 204


async def test_the_holder_shows_the_proof(scene: Scene, home: str) -> None:
    await scene.files.mkdir(home)
    async with scene.files.lock(f"{home}/f") as lock, scene.files.lock(f"{home}/g") as other:
        both = f"{other.proof}, {lock.proof}"
        assert (await scene.ask("PUT", f"{home}/f", b"1", cairn_lock=lock.proof)).status == 201
        assert (await scene.ask("PUT", f"{home}/f", b"2", cairn_lock=both)).status == 204
        assert (await scene.ask("PUT", f"{home}/f", b"3", cairn_lock=other.proof)).status == 423
        # A proof counts for the request that shows it and no other.
        assert (await scene.ask("PUT", f"{home}/f", b"4")).status == 423
        assert (await scene.ask("DELETE", f"{home}/f", cairn_lock=lock.proof)).status == 204
        proof = lock.proof
    late = await scene.ask("PUT", f"{home}/f", b"5", cairn_lock=proof)
    assert (late.status, late.problem) == (409, "lock_lost")


async def test_many_at_once_show_each_their_own(scene: Scene, home: str) -> None:
    await scene.files.mkdir(home)
    async with scene.files.lock(f"{home}/f") as lock:
        asked = [
            scene.ask("PUT", f"{home}/f", b"x", **({"cairn_lock": lock.proof} if number % 2 else {}))
            for number in range(16)
        ]
        answers = await asyncio.gather(*asked)
    assert [one.status == 423 for one in answers] == [number % 2 == 0 for number in range(16)]
    assert {one.status for one in answers[1::2]} <= {201, 204}


async def test_a_change_waits_as_long_as_told(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/f", b"before")
    async with scene.files.lock(f"{home}/f"):
        vain = await scene.ask("PUT", f"{home}/f", b"in vain", cairn_wait="0.2")
        assert (vain.status, vain.problem) == (423, "locked")
        assert (await scene.ask("PUT", f"{home}/f", b"not at all", cairn_wait="0")).status == 423
        put = asyncio.create_task(scene.ask("PUT", f"{home}/f", b"after", cairn_wait="60"))
        await queued(scene.files, home)
        assert not put.done()
    assert (await put).status == 204
    assert (await scene.ask("GET", f"{home}/f")).body == b"after"
    assert [one async for one in scene.files.locks(home)] == []


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "", "1e1", "nan", "0.0001", "99999"])
async def test_a_time_that_cannot_be_waited_is_400(scene: Scene, home: str, wait: str) -> None:
    for method in ("PUT", "DELETE"):
        answer = await scene.ask(method, f"{home}/f", b"", cairn_wait=wait)
        assert (answer.status, answer.problem) == (400, "bad_request")
    assert (await scene.ask("GET", f"{home}/f")).status == 404


@pytest.mark.parametrize("proof", ["1.2.3", "1.2.3.4", "x", "1.1.1." + "G" * 32, "1.1.1." + "0" * 33])
async def test_what_is_no_proof_is_400_and_never_repeated(scene: Scene, home: str, proof: str) -> None:
    answer = await scene.ask("PUT", f"{home}/f", b"", cairn_lock=proof)
    assert (answer.status, answer.problem) == (400, "bad_request")
    assert proof not in problem(answer).detail
    unknown = await scene.ask("PUT", f"{home}/f", b"", cairn_lock=f"999999.1.1.{'0' * 32}")
    assert (unknown.status, unknown.problem) == (409, "lock_lost")
