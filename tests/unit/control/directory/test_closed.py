"""A directory that one may not walk says nothing of what is in it, whoever asks however."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs.errors import BadCursor, CairnError, Forbidden
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import Operation, Remove, Rename
from cairnfs.wire.directory import (
    ListRequest,
    OpenManyRequest,
    OpenRequest,
    PathText,
    StatRequest,
    WalkRequest,
    Wanted,
)
from tests.unit.control.plane import Plane, directory, empty_file, plane

#: Below ann's home, which only she may walk: a file, a directory, nothing, and what is below these.
BELOW = tuple(f"/home/ann/{name}" for name in ("f", "d", "d/f", "none", "none/f", "f/f"))


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


@pytest.fixture
async def etag(cluster: Plane) -> str:
    """Ann's file has this version; she has a directory with a file, too."""
    ann = await cluster.signup("ann")
    made = await cluster.commit(
        ann.token, empty_file("/home/ann/f"), directory("/home/ann/d"), empty_file("/home/ann/d/f")
    )
    tag = made.results[0].etag
    assert tag is not None
    return tag


@pytest.fixture
async def ben(cluster: Plane, etag: str) -> TokenReply:
    """Who guesses names; he has learnt the file's version somewhere."""
    ben = await cluster.signup("ben")
    await cluster.commit(ben.token, empty_file("/home/ben/mine"))
    return ben


def told(error: CairnError, path: str) -> tuple[object, ...]:
    """All that an answer says, but for the path that was asked for."""
    assert error.path == path
    return type(error), error.detail, error.hint


@pytest.mark.parametrize("at", [None, "3"])
async def test_reading(cluster: Plane, ben: TokenReply, etag: str, at: str | None) -> None:
    answers = set()
    for path in BELOW:
        request = StatRequest(paths=[PathText(path=path)], at=at)
        (result,) = (await cluster.ask(endpoints.STAT, request, ben.token)).results
        assert result.error is not None
        answers.add((result.error.code, result.error.detail))
        files = [Wanted(path=path), Wanted(path=path, known=etag)]
        for opened in (
            await cluster.ask(endpoints.OPEN_MANY, OpenManyRequest(files=files, at=at), ben.token)
        ).results:
            assert opened.error is not None
            answers.add((opened.error.code, opened.error.detail))
        asked: tuple[tuple[Any, Any], ...] = (
            (endpoints.LIST, ListRequest(path=path, at=at)),
            (endpoints.WALK, WalkRequest(path=path, at=at)),
            (endpoints.WALK, WalkRequest(path=path, at=at, contents=True)),
            (endpoints.OPEN, OpenRequest(path=path, at=at)),
            (endpoints.OPEN, OpenRequest(path=path, at=at, known=etag)),
            (endpoints.OPEN, OpenRequest(path=path, at=at, start=10**15)),
        )
        for endpoint, message in asked:
            with pytest.raises(Forbidden) as refusal:
                await cluster.ask(endpoint, message, ben.token)
            answers.add((refusal.value.code, refusal.value.detail))
            assert refusal.value.path == path
    assert len(answers) == 1


def changes(path: str, etag: str) -> list[Operation]:
    return [
        empty_file(path),
        empty_file(path, parents=True),
        empty_file(path, expected="none"),
        empty_file(path, expected=etag),
        directory(path),
        directory(path, parents=True),
        Remove(path=path),
        Remove(path=path, recursive=True),
        Remove(path=path, expected=etag),
        Rename(path=path, target="/home/ben/got"),
        Rename(path="/home/ben/mine", target=path),
        Rename(path="/home/ben/mine", target=path, replace=False),
    ]


async def test_changing(cluster: Plane, ben: TokenReply, etag: str) -> None:
    answers = set()
    for path in BELOW:
        for change in changes(path, etag):
            with pytest.raises(Forbidden) as refusal:
                await cluster.commit(ben.token, change)
            answers.add(told(refusal.value, path))
    assert len(answers) == 1


async def test_a_cursor_opens_no_door(cluster: Plane, ben: TokenReply) -> None:
    ann = await cluster.login("ann")
    first = await cluster.ask(endpoints.LIST, ListRequest(path="/home/ann", limit=1), ann.token)
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.LIST, ListRequest(path="/home/ann", cursor=first.cursor), ben.token)
    with pytest.raises(BadCursor):
        await cluster.ask(endpoints.LIST, ListRequest(path="/home/ben", cursor=first.cursor), ben.token)
    page = await cluster.ask(endpoints.WALK, WalkRequest(path="/home/ann", limit=1), ann.token)
    for path, error in (("/home/ann", Forbidden), ("/home/ben", BadCursor)):
        with pytest.raises(error):
            await cluster.ask(endpoints.WALK, WalkRequest(path=path, cursor=page.cursor), ben.token)
    with pytest.raises(BadCursor):
        await cluster.ask(endpoints.WALK, WalkRequest(path="/home/ann", cursor=first.cursor), ann.token)
