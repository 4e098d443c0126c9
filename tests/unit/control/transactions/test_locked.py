"""Commits that meet locks, over the endpoints: refused for now, done once their turn has come."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from cairnfs.errors import Locked, LockLost, LockTokenWrong
from cairnfs.metadata import verify
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import CommitManyRequest, CommitReply, CommitRequest, Operation, SettleRequest
from cairnfs.wire.copies import CopyRequest
from cairnfs.wire.locks import AcquireRequest, LockPath, LockProof, LockToken, ReleaseRequest
from cairnfs.wire.sessions import SessionRequest
from tests.unit.control.plane import Plane, directory, empty_file, plane
from tests.unit.control.staging import Staging, files


@dataclass
class Scene:
    """A control plane with ann, who has a tree of a few files at /home/ann/d."""

    plane: Plane
    admin: TokenReply
    ann: TokenReply

    async def lock(self, path: str, who: TokenReply | None = None, **how: Any) -> LockProof:
        """A lock of the administrator's, unless somebody else is named."""
        token = (who or self.admin).token
        begun = await self.plane.ask(endpoints.BEGIN_SESSION, SessionRequest(), token)
        asked = AcquireRequest(
            request_id=secrets.token_hex(16),
            session=begun.session,
            owner=secrets.token_hex(16),
            token=secrets.token_hex(16),
            paths=[LockPath(path=path)],
            **how,
        )
        got = await self.plane.ask(endpoints.ACQUIRE_LOCK, asked, token)
        return LockProof(lock=got.lock, fence=got.fence, incarnation=got.incarnation, token=asked.token)

    async def release(self, proof: LockProof) -> None:
        request = ReleaseRequest(locks=[LockToken(lock=proof.lock, token=proof.token)])
        await self.plane.ask(endpoints.RELEASE_LOCKS, request, self.admin.token)

    async def commit(self, request_id: str, *operations: Any, **fields: Any) -> CommitReply:
        request = CommitRequest(request_id=request_id, operations=list(operations), **fields)
        return await self.plane.ask(endpoints.COMMIT, request, self.ann.token)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with plane() as cluster:
        admin, ann = await cluster.admin(), await cluster.signup("ann")
        await cluster.commit(ann.token, directory("/home/ann/d"), *files(0, 5))
        yield Scene(cluster, admin, ann)
        assert not cluster.database.read(verify.run).findings


async def test_the_same_request_is_done_once_its_turn_has_come(scene: Scene) -> None:
    proof, number = await scene.lock("/home/ann/d/1"), secrets.token_hex(16)
    with pytest.raises(Locked) as caught:
        await scene.commit(number, empty_file("/home/ann/d/1"))
    assert (caught.value.where, caught.value.subtree) == (b"/home/ann/d/1", False)
    assert "root" in str(caught.value)
    with pytest.raises(LockTokenWrong):
        await scene.commit(number, empty_file("/home/ann/d/1"), locks=[proof])  # it is not hers
    await scene.release(proof)
    with pytest.raises(LockLost):
        await scene.commit(number, empty_file("/home/ann/d/1"), locks=[proof])
    mine = await scene.lock("/home/ann/d/1", scene.ann)
    first = await scene.commit(number, empty_file("/home/ann/d/1"), locks=[mine])
    assert await scene.commit(number, empty_file("/home/ann/d/1")) == first


async def test_what_was_refused_so_can_be_settled_for_good(scene: Scene) -> None:
    proof, number = await scene.lock("/home/ann/d", subtree=True), secrets.token_hex(16)
    with pytest.raises(Locked):
        await scene.commit(number, empty_file("/home/ann/d/1"))
    settled = await scene.plane.ask(endpoints.SETTLE, SettleRequest(request_id=number), scene.ann.token)
    assert settled.outcome == "aborted"
    await scene.release(proof)


async def test_pages_stay_until_the_turn_has_come(scene: Scene) -> None:
    staging = Staging(scene.plane, scene.ann)
    await staging.begin(scene.admin)
    await staging.stage(0, *files(10, 500))
    await staging.stage(1, empty_file("/home/ann/d/1"))
    proof = await scene.lock("/home/ann/d/1")
    with pytest.raises(Locked) as caught:
        await staging.commit(2, *files(600, 2))
    assert caught.value.where == b"/home/ann/d/1"
    assert (len(await staging.names("/home/ann/d")), staging.pages()) == (5, 2)
    await scene.release(proof)
    mine = await scene.lock("/home/ann/d", scene.ann, subtree=True)
    await staging.commit(2, *files(600, 2), locks=[mine])
    assert (len(await staging.names("/home/ann/d")), staging.pages()) == (507, 0)


async def test_of_many_commits_each_shows_its_own(scene: Scene) -> None:
    one = await scene.lock("/home/ann/d/1", scene.ann)
    await scene.lock("/home/ann/d/2", scene.ann)

    def asked(name: str, *locks: LockProof) -> CommitRequest:
        operations: list[Operation] = [empty_file(f"/home/ann/d/{name}")]
        return CommitRequest(request_id=secrets.token_hex(16), operations=operations, locks=list(locks))

    commits = [asked("1"), asked("1", one), asked("2", one), asked("3")]
    told = await scene.plane.ask(endpoints.COMMIT_MANY, CommitManyRequest(commits=commits), scene.ann.token)
    assert [None if each.error is None else each.error.code for each in told.results] == [
        "locked", None, "locked", None,
    ]  # fmt: skip
    error = told.results[2].error
    assert error is not None
    assert error.locked is not None
    assert error.locked.path == "/home/ann/d/2"


async def test_a_copy_is_refused_before_it_is_made(scene: Scene) -> None:
    proof, number = await scene.lock("/home/ann/copy"), secrets.token_hex(16)

    async def copy(*locks: LockProof, **fields: Any) -> Any:
        request = CopyRequest(
            request_id=number, path="/home/ann/d", target="/home/ann/copy", locks=list(locks), **fields
        )
        return await scene.plane.ask(endpoints.COPY, request, scene.ann.token)

    def detached() -> int:
        return len(scene.plane.database.read(lambda tx: tx.rows("SELECT inode FROM detached")))

    with pytest.raises(Locked) as caught:
        await copy()
    assert (caught.value.where, detached()) == (b"/home/ann/copy", 0)
    with pytest.raises(LockTokenWrong):
        await copy(proof)
    await scene.release(proof)
    mine = await scene.lock("/home/ann/copy", scene.ann)
    assert (await copy(mine)).files == 5
    assert (await copy()).files == 5  # as it was answered first
    below = await scene.lock("/home/ann/copy/1")
    number = secrets.token_hex(16)
    with pytest.raises(Locked) as caught:
        await copy(mine, replace=True)
    assert (caught.value.where, caught.value.subtree, detached()) == (b"/home/ann/copy", True, 0)
    await scene.release(below)
    assert (await copy(mine, replace=True)).files == 5
