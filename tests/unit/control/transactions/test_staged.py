"""Commits in pages: all at one instant or nothing, for whom they were brought, and asked for again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest
from blake3 import blake3

from cairnfs import errors as e
from cairnfs.control.transactions import routes
from cairnfs.metadata.ops import staged, tokens
from cairnfs.metadata.rows import shadow
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import Base, Remove, SettleRequest
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.people import CreateGroupRequest
from cairnfs.wire.sessions import RenewRequest, SessionRequest
from tests.unit.control.plane import Plane, directory, plane
from tests.unit.control.staging import Staging, files, write

HOUR_US = 3600 * 1_000_000
CHUNKS = [ChunkRef(blake3(b"%d" % number).digest(), 1) for number in range(4)]


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


@pytest.fixture
async def admin(cluster: Plane) -> TokenReply:
    return await cluster.admin()


@pytest.fixture
async def staging(cluster: Plane, admin: TokenReply) -> Staging:
    made = Staging(cluster, await cluster.signup("ann"))
    await made.begin(admin)
    return made


# -- one commit ----------------------------------------------------------------------------------------


async def test_all_pages_are_one_commit(staging: Staging) -> None:
    assert await staging.stage(0, directory("/home/ann/d"), *files(0, 10)) == 0
    assert await staging.stage(1, *files(10, 1000)) == 1
    assert await staging.names() == []
    reply = await staging.commit(2, *files(2000, 2), message="all at once")
    assert len(reply.results) == 2
    assert len(await staging.names("/home/ann/d")) == 1000  # the first page of the listing
    rows = staging.cluster.database.read(
        lambda tx: tx.rows("SELECT number, operations FROM commits WHERE message = 'all at once'")
    )
    assert rows == [(reply.commit, 1013)]
    assert staging.pages() == 0


async def test_a_commit_of_pages_alone(staging: Staging) -> None:
    with pytest.raises(e.BadRequest):
        await staging.commit(0)
    await staging.stage(0, directory("/home/ann/d"))
    assert (await staging.commit(1)).results == []
    assert await staging.names() == ["d"]


async def test_pages_may_come_in_any_order_and_again(staging: Staging) -> None:
    await staging.stage(1, *files(0, 3))
    for _ in range(3):
        await staging.stage(0, directory("/home/ann/d"))
    await staging.commit(2)
    assert await staging.names("/home/ann/d") == ["0", "1", "2"]


async def test_what_refuses_one_operation_refuses_all(staging: Staging) -> None:
    await staging.stage(0, directory("/home/ann/d"), *files(0, 3))
    await staging.stage(1, directory("/home/ann/d"))
    for _ in range(2):
        with pytest.raises(e.Exists):
            await staging.commit(2, *files(5, 1))
    assert await staging.names() == []
    assert staging.pages() == 0


async def test_one_page_makes_no_more_than_a_small_commit_may_and_many_may(staging: Staging) -> None:
    deep = "/d" * 500
    for page in range(3):
        many = [directory(f"/home/ann/{page}-{number}{deep}", parents=True) for number in range(10)]
        await staging.stage(page, *many)
    with pytest.raises(e.TooManyOperations):
        await staging.commit(3)


# -- whose pages they are ------------------------------------------------------------------------------


async def test_only_pages_of_the_same_user_request_and_session_count(staging: Staging) -> None:
    bob = Staging(staging.cluster, await staging.cluster.signup("bob"))
    other = await staging.cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(), staging.who.token)
    bob.request_id = staging.request_id
    await bob.stage(0, directory("/home/bob/d"), session=None)
    await staging.stage(0, directory("/home/ann/other"), request_id="0" * 32)
    with pytest.raises(e.BadRequest, match="page 0"):
        await staging.commit(1)
    await staging.stage(0, directory("/home/ann/d"), session=other.session)
    for session in (staging.session, None):
        with pytest.raises(e.BadRequest, match="page 0"):
            await staging.commit(1, session=session)
    await staging.stage(0, directory("/home/ann/d"))
    with pytest.raises(e.BadRequest, match="page 1"):
        await staging.commit(2)
    await staging.commit(1)
    assert await staging.names() == ["d"]
    await bob.commit(1, session=None)
    assert await bob.names("/home/bob") == ["d"]


async def test_a_page_that_needs_no_session_counts_in_any(staging: Staging) -> None:
    await staging.stage(0, directory("/home/ann/d"), session=None)
    await staging.commit(1)
    assert await staging.names() == ["d"]


async def test_other_operations_under_the_same_number(staging: Staging) -> None:
    await staging.stage(0, directory("/home/ann/d"))
    with pytest.raises(e.RequestReused):
        await staging.stage(0, directory("/home/ann/e"))
    await staging.commit(1)
    assert await staging.names() == ["d"]


async def test_receipts_of_a_page_are_checked_when_it_comes(staging: Staging) -> None:
    genuine = await staging.receipt(CHUNKS[0])
    forged = msgspec.structs.replace(genuine, mac=bytes(32))
    stolen = await staging.receipt(CHUNKS[0], session="0" * 32)
    for receipt in (forged, stolen):
        with pytest.raises(e.ReceiptInvalid):
            await staging.stage(0, write("f", CHUNKS[0]), receipts=[receipt])
    with pytest.raises(e.BadRequest):
        await staging.stage(0, write("f", CHUNKS[0]), receipts=[genuine], session=None)
    assert staging.pages() == 0


async def test_what_is_no_page(staging: Staging) -> None:
    for page in (100, -1):
        with pytest.raises(e.BadRequest):
            await staging.stage(page, directory("/home/ann/d"))
    with pytest.raises(e.BadRequest):
        await staging.stage(0)
    with pytest.raises(e.BadRequest):
        await staging.commit(101)
    with pytest.raises(e.TooManyOperations):
        await staging.stage(0, *files(0, 1001))
    with pytest.raises(e.BadName):
        await staging.stage(0, directory("home"))
    with pytest.raises(e.BadRequest):
        await staging.stage(0, directory("/home"), request_id="x")


# -- asked again ---------------------------------------------------------------------------------------


async def test_a_commit_asked_again_has_its_first_answer(staging: Staging) -> None:
    await staging.stage(0, directory("/home/ann/d"), *files(0, 3))
    first = await staging.commit(1, *files(5, 1))
    assert await staging.commit(1, *files(5, 1)) == first
    for count, made in ((1, files(6, 1)), (0, files(5, 1)), (2, files(5, 1))):
        with pytest.raises(e.RequestReused):
            await staging.commit(count, *made)
    reply = await staging.cluster.ask(
        endpoints.SETTLE, SettleRequest(request_id=staging.request_id), staging.who.token
    )
    assert (reply.outcome, reply.reply) == ("committed", first)


async def test_a_commit_asked_again_while_its_pages_are_there(staging: Staging) -> None:
    """As after a crash between the commit and forgetting them."""
    await staging.stage(0, directory("/home/ann/d"))
    kept = staging.cluster.database.read(lambda tx: tx.rows("SELECT * FROM shadow"))
    first = await staging.commit(1)
    marks = ", ".join("?" * len(kept[0]))
    staging.cluster.database.write(lambda tx: tx.run(f"INSERT INTO shadow VALUES ({marks})", *kept[0]))
    assert await staging.commit(1) == first
    assert staging.pages() == 0


async def test_no_page_is_taken_for_what_is_decided(staging: Staging) -> None:
    await staging.stage(0, directory("/home/ann/d"))
    await staging.commit(1)
    with pytest.raises(e.RequestReused):
        await staging.stage(0, directory("/home/ann/d"))
    staging.request_id = secrets.token_hex(16)
    await staging.stage(0, directory("/home/ann/e"))
    settled = SettleRequest(request_id=staging.request_id)
    assert (await staging.cluster.ask(endpoints.SETTLE, settled, staging.who.token)).outcome == "aborted"
    with pytest.raises(e.Aborted):
        await staging.stage(1, *files(0, 1))
    with pytest.raises(e.Aborted):
        await staging.commit(1)
    assert await staging.names() == ["d"]


# -- chunks --------------------------------------------------------------------------------------------


async def test_receipts_of_any_page_count_for_all(staging: Staging) -> None:
    await staging.stage(0, write("a", CHUNKS[0], CHUNKS[1]), receipts=[await staging.receipt(CHUNKS[0])])
    await staging.stage(1, write("b", CHUNKS[1]), receipts=[await staging.receipt(CHUNKS[1])])
    await staging.commit(2, write("c", CHUNKS[0], CHUNKS[2]), receipts=[await staging.receipt(CHUNKS[2])])
    assert await staging.names() == ["a", "b", "c"]


async def test_what_has_to_be_sent_is_said_and_the_pages_stay(staging: Staging) -> None:
    await staging.stage(0, write("a", CHUNKS[0], CHUNKS[1]), receipts=[await staging.receipt(CHUNKS[0])])
    with pytest.raises(e.NotDurable) as refused:
        await staging.commit(1, write("b", CHUNKS[2]))
    assert set(refused.value.chunks) == {CHUNKS[1].hash, CHUNKS[2].hash}
    assert staging.pages() == 1
    sent = [await staging.receipt(CHUNKS[1], CHUNKS[2])]
    await staging.commit(1, write("b", CHUNKS[2]), receipts=sent)
    assert await staging.names() == ["a", "b"]


async def test_bases_of_pages(staging: Staging, admin: TokenReply) -> None:
    cluster = staging.cluster
    made = await cluster.commit(
        staging.who.token,
        write("old", CHUNKS[0]),
        write("older", CHUNKS[1]),
        session=staging.session,
        receipts=[await staging.receipt(*CHUNKS[:2])],
    )
    await staging.stage(0, write("a", CHUNKS[0]), bases=[Base(path="/home/ann/old")])
    await staging.stage(1, write("b", CHUNKS[0], CHUNKS[1]))
    # What they are of may be gone by the time of the commit, not what the session needs.
    await cluster.commit(staging.who.token, Remove(path="/home/ann/old"))
    request_id = staging.request_id
    with pytest.raises(e.NotDurable) as refused:
        await staging.commit(2)
    assert refused.value.chunks == (CHUNKS[1].hash,)
    # Rights that changed since: the bases are looked at again, where they are no more.
    crew = CreateGroupRequest(request_id="c" * 32, user_group="crew", members=["ann"])
    await cluster.ask(endpoints.CREATE_USER_GROUP, crew, admin.token)
    older = Base(path="/home/ann/older", at=made.commit)
    with pytest.raises(e.NotDurable) as refused:
        await staging.commit(2, bases=[older])
    assert refused.value.chunks == (CHUNKS[0].hash,)
    await staging.stage(0, write("a", CHUNKS[0]), bases=[Base(path="/home/ann/old", at=made.commit)])
    assert staging.request_id == request_id
    await staging.commit(2, bases=[older])
    assert await staging.names() == ["a", "b", "older"]


# -- limits and forgetting -----------------------------------------------------------------------------


async def test_pages_have_their_limits(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    await staging.stage(0, *files(0, 100))
    size = staging.cluster.database.read(lambda tx: tx.rows("SELECT length(body) FROM shadow"))[0][0]
    monkeypatch.setattr(staged, "STAGED_BYTES_MAX", size * 3 // 2)
    with pytest.raises(e.TooLarge):
        await staging.stage(1, *files(100, 100))
    await staging.stage(0, *files(0, 100))
    monkeypatch.setattr(staged, "STAGED_USER_BYTES_MAX", size * 5 // 2)
    await staging.stage(0, *files(0, 100), request_id="1" * 32)
    with pytest.raises(e.TooLarge):
        await staging.stage(0, *files(0, 100), request_id="2" * 32)
    bob = Staging(staging.cluster, await staging.cluster.signup("bob"))
    await bob.stage(0, *files(0, 100), session=None)


async def test_pages_that_nobody_commits_are_forgotten(staging: Staging) -> None:
    database, ids = staging.cluster.database, ["1" * 32, "2" * 32, "3" * 32]
    for request_id in ids:
        for page in range(3):
            await staging.stage(page, *files(page, 1), request_id=request_id)

    def age(request_id: str, page: int, us: int) -> None:
        database.write(
            lambda tx: tx.run(
                "UPDATE shadow SET at_us = at_us - ? WHERE request_id = ? AND page = ?", us, request_id, page
            )
        )

    for page in range(3):
        age(ids[0], page, HOUR_US + 1)
        age(ids[1], page, HOUR_US + 1 if page else 0)  # the first one came again
    while database.write(tokens.forget):
        pass
    left = database.read(lambda tx: tx.rows("SELECT DISTINCT request_id FROM shadow ORDER BY request_id"))
    assert left == [(ids[1],), (ids[2],)]
    with pytest.raises(e.BadRequest):
        await staging.commit(3, request_id=ids[0])


async def test_a_page_goes_with_whom_it_is_of(staging: Staging) -> None:
    key = shadow.Key(1, staging.request_id)  # type: ignore[arg-type]
    row = shadow.Row(0, "", b"hash", b"body")
    database = staging.cluster.database
    assert database.write(lambda tx: shadow.put(tx, key, row, 1))
    assert not database.write(lambda tx: shadow.put(tx, key, row._replace(body_hash=b"other"), 2))
    assert database.write(lambda tx: shadow.put(tx, key, row._replace(body=b"more"), 3))
    assert database.read(lambda tx: shadow.find(tx, key, 0)) == row._replace(body=b"more")


async def test_bases_of_the_newest_commit_are_looked_at_again_when_the_session_has_gone_on(
    staging: Staging,
) -> None:
    cluster, token = staging.cluster, staging.who.token
    receipts = [await staging.receipt(CHUNKS[0])]
    await cluster.commit(token, write("old", CHUNKS[0]), session=staging.session, receipts=receipts)
    await staging.stage(0, write("a", CHUNKS[0]), bases=[Base(path="/home/ann/old")])
    now = (await cluster.commit(token, directory("/home/ann/d"))).commit
    renewed = RenewRequest(counter=1, needs=now)
    await cluster.ask(endpoints.RENEW_SESSION, renewed, token, session=staging.session or "")
    await staging.commit(1)
    assert await staging.names() == ["a", "d", "old"]


async def test_large_commits_wait_for_each_other_no_longer_than_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routes, "_LARGE_MAX", 0)
    async with plane() as cluster:
        await cluster.admin()
        staging = Staging(cluster, await cluster.signup("ann"))
        await staging.stage(0, directory("/home/ann/d"))
        waiting = asyncio.ensure_future(staging.commit(1, deadline_ms=1_000))
        await cluster.clock.until(waiting.done, limit_s=5.0)
        with pytest.raises(e.DeadlineExceeded):
            await waiting
        assert staging.pages() == 1
