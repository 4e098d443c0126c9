"""Detached trees over the wire: begun, extended, attached; answered again where an answer was lost."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from cairnfs.control.transactions import trees
from cairnfs.errors import BadCursor, Busy, Exists, Forbidden, NoSuchTree, RequestReused
from cairnfs.metadata import verify
from cairnfs.metadata.ops import tree_page
from cairnfs.metadata.waiting import WEIGHT_MAX
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import (
    Attach,
    Attributes,
    CommitManyRequest,
    CommitRequest,
    MakeDirectory,
    Operation,
    StageRequest,
)
from cairnfs.wire.detached import BeginTreeRequest, DropTreeRequest, ExtendTreeRequest
from cairnfs.wire.directory import PathText, StatRequest
from tests.unit.control.plane import Plane, directory, empty_file, plane


@dataclass
class Scene:
    """A control plane and its administrator."""

    plane: Plane
    admin: TokenReply

    async def begin(self, path: str = "/t", token: str | None = None, **fields: Any) -> str:
        """Begin a tree."""
        said: dict[str, Any] = {"request_id": secrets.token_hex(16), "path": path, **fields}
        request = BeginTreeRequest(**said)
        return (await self.plane.ask(endpoints.BEGIN_TREE, request, token or self.admin.token)).tree

    async def extend(self, tree: str, *making: Any, token: str | None = None, **fields: Any) -> int:
        """Put a page into a tree."""
        said: dict[str, Any] = {"request_id": secrets.token_hex(16), "tree": tree, **fields}
        request = ExtendTreeRequest(operations=list(making), **said)
        return (await self.plane.ask(endpoints.EXTEND_TREE, request, token or self.admin.token)).made

    async def drop(self, tree: str, token: str | None = None) -> bool:
        """Give a tree up."""
        request = DropTreeRequest(tree=tree)
        return (await self.plane.ask(endpoints.DROP_TREE, request, token or self.admin.token)).dropped

    async def there(self, path: str) -> bool:
        """Whether something is at a path."""
        request = StatRequest(paths=[PathText(path=path)])
        reply = await self.plane.ask(endpoints.STAT, request, self.admin.token)
        return reply.results[0].entry is not None


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with plane() as made:
        yield Scene(made, await made.admin())
        assert made.database.read(verify.run).findings == []


async def test_a_tree_is_built_and_attached(scene: Scene) -> None:
    tree = await scene.begin()
    assert await scene.extend(tree, directory("/a"), empty_file("/a/f")) == 2
    assert await scene.extend(tree, empty_file("/a/g")) == 1
    assert not await scene.there("/t")
    await scene.plane.commit(scene.admin.token, Attach(path="/t", tree=tree))
    assert await scene.there("/t/a/g")


async def test_a_lost_answer_is_given_again(scene: Scene) -> None:
    begin, extend = secrets.token_hex(16), secrets.token_hex(16)
    tree = await scene.begin(request_id=begin)
    assert await scene.begin(request_id=begin) == tree
    assert await scene.extend(tree, directory("/a"), request_id=extend) == 1
    assert await scene.extend(tree, directory("/a"), request_id=extend) == 1
    with pytest.raises(RequestReused):
        await scene.extend(tree, directory("/b"), request_id=extend)
    await scene.plane.commit(scene.admin.token, Attach(path="/t", tree=tree))
    assert await scene.extend(tree, directory("/a"), request_id=extend) == 1


async def test_a_tree_is_for_whom_it_was_begun(scene: Scene) -> None:
    ann = await scene.plane.signup("ann")
    tree = await scene.begin("/home/ann/t", ann.token)
    await scene.extend(tree, directory("/a"), token=ann.token)
    for token in (scene.admin.token, (await scene.plane.signup("bob")).token):
        with pytest.raises(Forbidden):
            await scene.extend(tree, directory("/b"), token=token)
        with pytest.raises(Forbidden):
            await scene.drop(tree, token)
        with pytest.raises(Forbidden):
            await scene.plane.commit(token, Attach(path="/home/bob", tree=tree, replace=True))
    with pytest.raises(BadCursor):
        await scene.extend("nonsense", directory("/b"), token=ann.token)
    with pytest.raises(Forbidden):
        await scene.begin("/t", ann.token)


async def test_a_dropped_tree_is_over(scene: Scene) -> None:
    tree = await scene.begin()
    await scene.plane.commit(scene.admin.token, MakeDirectory(path="/x"))
    assert (await scene.drop(tree), await scene.drop(tree)) == (True, False)
    with pytest.raises(NoSuchTree):
        await scene.extend(tree, directory("/a"))
    with pytest.raises(NoSuchTree):
        await scene.plane.commit(scene.admin.token, Attach(path="/t", tree=tree))


async def test_pages_come_at_once_and_none_is_lost(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "_INODES", 5)
    one, other = await scene.begin("/one"), await scene.begin("/other")
    await scene.extend(one, directory("/a"))
    pages = [
        scene.extend(tree, *[empty_file(f"{up}/{page}-{number}") for number in range(4)])
        for page in range(10)
        for tree, up in ((one, "/a"), (other, ""))
    ]
    assert await asyncio.gather(*pages) == [4] * 20
    await scene.plane.commit(
        scene.admin.token, Attach(path="/one", tree=one), Attach(path="/other", tree=other)
    )
    for number in range(4):
        assert await scene.there(f"/one/a/9-{number}")
        assert await scene.there(f"/other/0-{number}")


async def test_of_pages_that_ask_for_one_name_one_gets_it(scene: Scene) -> None:
    tree = await scene.begin()
    asked = [scene.extend(tree, empty_file("/f"), empty_file(f"/{number}")) for number in range(6)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers.count(2) == 1
    assert {type(one) for one in answers if one != 2} == {Exists}


async def test_what_was_looked_up_in_vain_is_looked_up_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, changes = tree_page.make, 0

    def slow(*asked: Any) -> Any:
        """People change while a page is worked out."""
        nonlocal changes
        changes += 1
        if changes <= most:
            scene.plane.database.write(
                lambda tx: tx.run("UPDATE clock SET people_version = people_version + 1")
            )
        return honest(*asked)

    monkeypatch.setattr(tree_page, "make", slow)
    tree, mine = await scene.begin(), Attributes(owner="root")
    most = 2
    assert await scene.extend(tree, directory("/a", attributes=mine)) == 1
    assert changes == 3
    most = 100
    with pytest.raises(Busy):
        await scene.extend(tree, directory("/b", attributes=mine))
    assert await scene.extend(tree, directory("/b")) == 1


async def test_a_large_page_is_nobodys_companion(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[int] = []
    honest = scene.plane.app.driver.submit

    async def weighed(operation: Any) -> Any:
        weights.append(getattr(operation, "weight", 0))
        return await honest(operation)

    monkeypatch.setattr(scene.plane.app.driver, "submit", weighed)
    tree = await scene.begin()
    await scene.extend(tree, *[empty_file(f"/{number}") for number in range(1_000)])
    assert max(weights) >= WEIGHT_MAX


async def test_trees_are_attached_by_pages_and_by_commits_that_come_together(scene: Scene) -> None:
    await scene.plane.commit(scene.admin.token, directory("/old"), directory("/old/inside"))
    first, second, third = [await scene.begin(path) for path in ("/old", "/new", "/third")]
    for tree in (first, second, third):
        await scene.extend(tree, directory("/a"), empty_file("/a/f"))
    number = secrets.token_hex(16)
    page: list[Operation] = [Attach(path="/old", tree=first, replace=True), empty_file("/old/a/g")]
    staged = StageRequest(request_id=number, page=0, operations=page)
    await scene.plane.ask(endpoints.STAGE, staged, scene.admin.token)
    assert not await scene.there("/old/a")
    asked = CommitRequest(
        request_id=number,
        staged=1,
        operations=[Attach(path="/old/a/b", tree=second), directory("/old/a/b/c")],
    )
    await scene.plane.ask(endpoints.COMMIT, asked, scene.admin.token)
    for path in ("/old/a/f", "/old/a/g", "/old/a/b/a/f", "/old/a/b/c"):
        assert await scene.there(path)
    assert not await scene.there("/old/inside")
    commits = [
        CommitRequest(request_id=secrets.token_hex(16), operations=[Attach(path=path, tree=third)])
        for path in ("/third", "/fourth")
    ]
    reply = await scene.plane.ask(
        endpoints.COMMIT_MANY, CommitManyRequest(commits=commits), scene.admin.token
    )
    assert sorted(one.error.code if one.error else "" for one in reply.results) == ["", "no_such_tree"]
