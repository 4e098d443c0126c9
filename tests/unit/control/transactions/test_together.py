"""Several commits in one request: each is made or refused by itself."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence

import pytest

from cairnfs.errors import CairnError, TooManyOperations
from cairnfs.wire import endpoints
from cairnfs.wire.commits import (
    COMMITS_MAX,
    CommitManyReply,
    CommitManyRequest,
    CommitRequest,
    Operation,
    SettleRequest,
)
from tests.unit.control.plane import Plane, directory, empty_file, plane


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


def one(*operations: Operation, request_id: str | None = None) -> CommitRequest:
    return CommitRequest(request_id=request_id or secrets.token_hex(16), operations=list(operations))


async def ask(cluster: Plane, token: str, commits: Sequence[CommitRequest]) -> CommitManyReply:
    return await cluster.ask(endpoints.COMMIT_MANY, CommitManyRequest(commits=list(commits)), token)


async def test_each_is_made_or_refused_by_itself_and_can_be_settled(cluster: Plane) -> None:
    token = (await cluster.signup("ann")).token
    asked = [
        one(directory("/home/ann/d"), empty_file("/home/ann/d/f")),
        one(directory("/home/ann/e"), directory("/home/ann/missing/e")),
        one(directory("/home/ann/g")),
    ]
    told = await ask(cluster, token, asked)
    made = [result.reply for result in told.results]
    assert [reply is not None for reply in made] == [True, False, True]
    error = told.results[1].error
    assert error is not None
    assert (error.code, error.path) == ("not_found", "/home/ann/missing/e")
    assert len({reply.commit for reply in made if reply is not None}) == 2
    for request, reply in zip(asked, made, strict=True):
        settled = await cluster.ask(endpoints.SETTLE, SettleRequest(request_id=request.request_id), token)
        assert settled.outcome == ("refused" if reply is None else "committed")
        assert settled.reply == reply


async def test_a_request_id_counts_once_also_within_one_request(cluster: Plane) -> None:
    token = (await cluster.signup("ann")).token
    name = secrets.token_hex(16)
    twice = [one(directory("/home/ann/d"), request_id=name)] * 2
    other = one(directory("/home/ann/e"), request_id=name)
    told = await ask(cluster, token, [*twice, other])
    first, second, third = told.results
    assert first.reply is not None
    assert first.reply == second.reply
    assert third.error is not None
    assert third.error.code == "request_reused"
    again = await ask(cluster, token, twice)
    assert [result.reply for result in again.results] == [first.reply] * 2


async def test_there_is_a_limit(cluster: Plane) -> None:
    token = (await cluster.signup("ann")).token
    asked = [one(directory(f"/home/ann/{number}")) for number in range(COMMITS_MAX + 1)]
    with pytest.raises(TooManyOperations):
        await ask(cluster, token, asked)
    with pytest.raises(CairnError):
        await ask(cluster, token, [])
    told = await ask(cluster, token, asked[:-1])
    assert all(result.reply is not None for result in told.results)
