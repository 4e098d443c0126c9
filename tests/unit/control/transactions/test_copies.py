"""Copies of trees for people: in one commit, under one request id, whatever happens on the way."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from cairnfs.control.duties.detached import Detached
from cairnfs.control.duties.horizon import Horizon
from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.control.duties.orphans import Orphans
from cairnfs.control.transactions import copies
from cairnfs.errors import (
    Aborted,
    BadRequest,
    Busy,
    Exists,
    Forbidden,
    NotFound,
    RequestReused,
    Unavailable,
)
from cairnfs.metadata import verify
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import copy_tree, detached
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import MakeDirectory, SettleRequest
from cairnfs.wire.copies import CopyReply, CopyRequest
from cairnfs.wire.directory import PathText, StatRequest
from cairnfs.wire.snapshots import RetentionRequest, SnapshotRequest, SnapshotsRequest
from tests.unit.control.plane import Plane, plane

TERM = Term(1)


@dataclass
class Scene:
    """A control plane, its administrator, and a tree of thirty directories below /t."""

    plane: Plane
    admin: TokenReply

    async def copy(self, target: str, path: str = "/t", token: str | None = None, **fields: Any) -> CopyReply:
        """Ask for a copy, under a request id of its own unless one is given."""
        said: dict[str, Any] = {"request_id": secrets.token_hex(16), **fields}
        request = CopyRequest(path=path, target=target, **said)
        return await self.plane.ask(endpoints.COPY, request, token or self.admin.token)

    async def there(self, path: str) -> bool:
        """Whether something is at a path."""
        request = StatRequest(paths=[PathText(path=path)])
        reply = await self.plane.ask(endpoints.STAT, request, self.admin.token)
        return reply.results[0].entry is not None

    def count(self, table: str) -> int:
        """How many rows a table has."""
        row = self.plane.database.read(lambda tx: tx.row(f"SELECT count(*) FROM {table}"))
        assert row is not None
        return int(row[0])

    def verify(self) -> None:
        """Nothing is broken."""
        assert self.plane.database.read(verify.run).findings == []


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(copy_tree, "PAGE_WEIGHT", 4)
    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        found = Scene(made, await made.admin())
        directories = [MakeDirectory(path=f"/t/{number % 5}/{number}", parents=True) for number in range(25)]
        await made.commit(found.admin.token, *directories)
        yield found
        found.verify()


class Gate:
    """Holds every copy before it writes a page, once closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, copies_awaited: int = 1) -> None:
        """`reached` once so many copies are held."""
        self.left = copies_awaited
        self.open = asyncio.Event()
        self.reached = asyncio.Event()
        before = copies.CopyRoutes._fill

        async def held(routes: copies.CopyRoutes, *args: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.reached.set()
            await self.open.wait()
            return await before(routes, *args)

        monkeypatch.setattr(copies.CopyRoutes, "_fill", held)


async def test_a_tree_is_copied_in_one_commit(scene: Scene) -> None:
    before = scene.count("commits")
    reply = await scene.copy("/copy", message="a copy")
    assert (reply.directories, reply.files, scene.count("commits")) == (31, 0, before + 1)
    assert await scene.there("/copy/4/24")
    assert scene.count("detached") == 0


async def test_asked_again_it_answers_as_the_first_time(scene: Scene) -> None:
    request = secrets.token_hex(16)
    first = await scene.copy("/copy", request_id=request)
    assert await scene.copy("/copy", request_id=request, deadline_ms=5) == first
    with pytest.raises(RequestReused):
        await scene.copy("/other", request_id=request)
    settled = await scene.plane.ask(endpoints.SETTLE, SettleRequest(request_id=request), scene.admin.token)
    assert settled.reply is not None
    assert (settled.outcome, settled.reply.commit) == ("committed", first.commit)


async def test_a_refusal_is_recorded_too(scene: Scene) -> None:
    request = secrets.token_hex(16)
    with pytest.raises(NotFound):
        await scene.copy("/copy", "/nothing", request_id=request)
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/nothing"))
    with pytest.raises(NotFound):
        await scene.copy("/copy", "/nothing", request_id=request)
    await scene.copy("/copy", "/nothing")
    with pytest.raises(Exists):
        await scene.copy("/copy", "/nothing")


async def test_whoever_asks_again_meanwhile_joins(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, request = Gate(monkeypatch), secrets.token_hex(16)
    asked = [asyncio.create_task(scene.copy("/copy", request_id=request)) for _ in range(3)]
    await gate.reached.wait()
    with pytest.raises(RequestReused):
        await scene.copy("/other", request_id=request)
    gate.open.set()
    replies = await asyncio.gather(*asked)
    assert replies[0] == replies[1] == replies[2]
    assert scene.count("commits") == replies[0].commit


async def test_a_copy_goes_on_after_its_request(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, request = Gate(monkeypatch), secrets.token_hex(16)
    asked = asyncio.create_task(scene.copy("/copy", request_id=request, deadline_ms=1_000))
    await gate.reached.wait()
    scene.plane.clock.advance(0.9)
    with pytest.raises(Busy, match="goes on"):
        await asked
    again = asyncio.create_task(scene.copy("/copy", request_id=request))
    gate.open.set()
    assert (await again).directories == 31


async def test_a_copy_for_which_nobody_waits_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, request = Gate(monkeypatch), secrets.token_hex(16)
    asked = asyncio.create_task(scene.copy("/copy", request_id=request, deadline_ms=1_000))
    await gate.reached.wait()
    scene.plane.clock.advance(0.9)
    with pytest.raises(Busy):
        await asked
    scene.plane.clock.advance(1 + copies.LINGER_S)
    gate.open.set()
    duty = Detached(scene.plane.app.driver, scene.plane.clock)
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/x"))
    for _ in range(100):
        if await duty.turn(TERM):
            break
        await asyncio.sleep(0)
    assert (scene.count("detached"), await scene.there("/copy")) == (0, False)
    # It was no refusal for good: asked again, it begins anew.
    assert (await scene.copy("/copy", request_id=request)).directories == 31


async def test_one_that_was_settled_meanwhile_never_appears(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, request = Gate(monkeypatch), secrets.token_hex(16)
    asked = asyncio.create_task(scene.copy("/copy", request_id=request))
    await gate.reached.wait()
    settled = await scene.plane.ask(endpoints.SETTLE, SettleRequest(request_id=request), scene.admin.token)
    gate.open.set()
    assert settled.outcome == "aborted"
    with pytest.raises(Aborted):
        await asked
    assert not await scene.there("/copy")


async def test_what_a_refusal_left_is_ended_by_the_duties(scene: Scene) -> None:
    ann = await scene.plane.signup("ann")
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/t/4/24/closed", mode=0o700))
    with pytest.raises(Forbidden, match="/t/4/24/closed"):
        await scene.copy("/home/ann/copy", token=ann.token)
    assert scene.count("detached") == 1
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/x"))
    assert await Detached(scene.plane.app.driver, scene.plane.clock).turn(TERM)
    orphans = Orphans(scene.plane.app.driver, scene.plane.clock)
    while await orphans.turn(TERM):
        scene.verify()
    assert (scene.count("detached"), scene.count("orphan")) == (0, 0)


async def test_what_a_stop_left_is_ended_an_hour_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    asked = asyncio.create_task(scene.copy("/copy"))
    await gate.reached.wait()
    await scene.plane.app._copies.close()
    with pytest.raises(Unavailable):
        await asked
    duty = Detached(scene.plane.app.driver, scene.plane.clock)
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/x"))
    scene.plane.clock.advance(detached.ABANDONED_US / 1e6 - 1)
    assert not await duty.turn(TERM)
    assert scene.count("detached") == 1
    scene.plane.clock.advance(2)
    await duty.turn(TERM)
    assert (scene.count("detached"), scene.count("orphan")) == (0, 1)


async def test_only_so_many_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "COPIES_MAX", 2)
    gate = Gate(monkeypatch, 2)
    asked = [asyncio.create_task(scene.copy(f"/copy{number}")) for number in range(2)]
    await gate.reached.wait()
    with pytest.raises(Busy):
        await scene.copy("/copy2")
    gate.open.set()
    await asyncio.gather(*asked)
    await scene.copy("/copy2")


@pytest.mark.parametrize(
    "fields", [{"request_id": "x"}, {"message": "a\0b"}, {"at": "a b"}, {"message": "x" * 5000}]
)
async def test_bad_input_stops_at_the_border(scene: Scene, fields: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await scene.copy("/copy", **fields)


async def test_snapshots_and_retention_are_asked_for(scene: Scene) -> None:
    ann = await scene.plane.signup("ann")
    request = SnapshotRequest(request_id=secrets.token_hex(16), name="before")
    made = await scene.plane.ask(endpoints.CREATE_SNAPSHOT, request, ann.token)
    assert await scene.plane.ask(endpoints.CREATE_SNAPSHOT, request, ann.token) == made
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/later"))
    await scene.copy("/copy", "/", at="before")
    assert (await scene.there("/copy/t/4"), await scene.there("/copy/later")) == (True, False)
    with pytest.raises(Forbidden):
        await scene.plane.ask(endpoints.SET_RETENTION, RetentionRequest(retention_us=1), ann.token)
    await scene.plane.ask(
        endpoints.SET_RETENTION, RetentionRequest(retention_us=1_000_000), scene.admin.token
    )
    scene.plane.clock.advance(10)
    await Horizon(scene.plane.app.driver, scene.plane.clock).turn(TERM)
    told = await scene.plane.ask(endpoints.RETENTION, None, ann.token)
    assert (told.retention_us, told.horizon) == (1_000_000, told.commit)
    listed = await scene.plane.ask(endpoints.LIST_SNAPSHOTS, SnapshotsRequest(), scene.admin.token)
    assert listed.snapshots == [made]


async def test_the_duty_of_the_horizon_checks_its_term(scene: Scene) -> None:
    await scene.plane.ask(endpoints.SET_RETENTION, RetentionRequest(retention_us=1), scene.admin.token)
    scene.plane.clock.advance(10)
    with pytest.raises(Aborted):
        await Horizon(scene.plane.app.driver, scene.plane.clock).turn(Term(7))

    def horizon(tx: Tx) -> Any:
        return tx.row("SELECT horizon FROM clock")

    assert scene.plane.database.read(horizon) == (0,)
