"""Detached trees over the wire: begun, extended, attached; answered again where an answer was lost."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from cairnfs.errors import BadCursor, Forbidden, NoSuchTree, RequestReused
from cairnfs.metadata import verify
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import Attach, MakeDirectory
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
