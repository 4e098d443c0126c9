"""Many at once over the wire: one version expected by several, one request sent several times."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs.errors import Aborted, CairnError, NotFound, RequestReused
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import CommitReply, Remove, SettleReply, SettleRequest
from cairnfs.wire.directory import PathText, StatRequest
from tests.unit.control.plane import Plane, directory, empty_file, plane

ROUNDS = 100


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


@pytest.fixture
async def ann(cluster: Plane) -> TokenReply:
    return await cluster.signup("ann")


async def outcomes(*asked: Any) -> list[Any]:
    """What each of these gave or raised, when all were under way together."""
    return await asyncio.gather(*asked, return_exceptions=True)


def kinds(answers: list[Any]) -> list[str]:
    return sorted(type(answer).__name__ for answer in answers)


async def test_of_writers_that_expect_one_version_exactly_one_wins(cluster: Plane, ann: TokenReply) -> None:
    etag = (await cluster.commit(ann.token, empty_file("/home/ann/f"))).results[0].etag
    for _ in range(ROUNDS):
        writes = (cluster.commit(ann.token, empty_file("/home/ann/f", expected=etag)) for _ in range(3))
        answers = await outcomes(*writes)
        assert kinds(answers) == ["CommitReply", "VersionChanged", "VersionChanged"]
        (won,) = (answer for answer in answers if isinstance(answer, CommitReply))
        etag = won.results[0].etag


async def test_of_a_write_and_a_removal_that_expect_one_version_one_wins(
    cluster: Plane, ann: TokenReply
) -> None:
    for _ in range(ROUNDS):
        etag = (await cluster.commit(ann.token, empty_file("/home/ann/f"))).results[0].etag
        answers = await outcomes(
            cluster.commit(ann.token, empty_file("/home/ann/f", expected=etag)),
            cluster.commit(ann.token, Remove(path="/home/ann/f", expected=etag)),
        )
        assert kinds(answers) == ["CommitReply", "VersionChanged"]


async def test_a_name_that_several_want_new_is_made_once(cluster: Plane, ann: TokenReply) -> None:
    for number in range(ROUNDS):
        path = f"/home/ann/{number}"
        made = await outcomes(
            *(cluster.commit(ann.token, empty_file(path, expected="none")) for _ in range(3))
        )
        assert kinds(made) == ["CommitReply", "Exists", "Exists"]
        gone = await outcomes(*(cluster.commit(ann.token, Remove(path=path)) for _ in range(3)))
        assert kinds(gone) == ["CommitReply", "NotFound", "NotFound"]


async def test_one_request_sent_by_many_connections_happens_once(cluster: Plane, ann: TokenReply) -> None:
    for number in range(ROUNDS // 2):
        ids = {"request_id": secrets.token_hex(16)}
        same = [cluster.commit(ann.token, directory(f"/home/ann/{number}"), **ids) for _ in range(5)]
        other = cluster.commit(ann.token, directory(f"/home/ann/other{number}"), **ids)
        *answers, odd = await outcomes(*same, other)
        assert isinstance(odd, RequestReused)
        assert len({answer.commit for answer in answers}) == 1


async def test_a_commit_and_the_question_for_its_outcome_agree(
    cluster: Plane, ann: TokenReply, seed: int
) -> None:
    """Whichever comes first decides, for good: nothing that was called aborted happens later."""
    drawn = random.Random(seed)
    decided = set()
    for number in range(ROUNDS):
        path, request_id = f"/home/ann/{number}", secrets.token_hex(16)
        asked = [
            cluster.commit(ann.token, directory(path), request_id=request_id),
            cluster.ask(endpoints.SETTLE, SettleRequest(request_id=request_id), ann.token),
            cluster.commit(ann.token, directory(path), request_id=request_id),
            cluster.ask(endpoints.SETTLE, SettleRequest(request_id=request_id), ann.token),
        ]
        drawn.shuffle(asked)
        answers = await outcomes(*asked)
        late = await outcomes(cluster.commit(ann.token, directory(path), request_id=request_id))
        told = {answer.outcome for answer in answers if isinstance(answer, SettleReply)}
        commits = [answer for answer in answers + late if not isinstance(answer, SettleReply)]
        found = await cluster.ask(endpoints.STAT, StatRequest(paths=[PathText(path=path)]), ann.token)
        if found.results[0].entry is not None:
            assert told == {"committed"}
            assert len({answer.commit for answer in commits}) == 1
        else:
            assert told == {"aborted"}
            assert {type(answer) for answer in commits} == {Aborted}
        decided |= told
    assert decided == {"committed", "aborted"}


async def test_a_refusal_is_kept_though_it_would_not_be_one_now(cluster: Plane, ann: TokenReply) -> None:
    ids = {"request_id": secrets.token_hex(16)}
    for made in (None, directory("/home/ann/a"), None):
        if made is not None:
            await cluster.commit(ann.token, made)
            continue
        with pytest.raises(NotFound):
            await cluster.commit(ann.token, directory("/home/ann/a/b"), **ids)


async def test_a_request_id_is_its_users_own(cluster: Plane, ann: TokenReply) -> None:
    ben, ids = await cluster.signup("ben"), {"request_id": secrets.token_hex(16)}
    await cluster.ask(endpoints.SETTLE, SettleRequest(**ids), ben.token)
    await cluster.commit(ann.token, directory("/home/ann/a"), **ids)
    with pytest.raises(CairnError):
        await cluster.commit(ben.token, directory("/home/ben/a"), **ids)
