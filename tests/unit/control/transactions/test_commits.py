"""Commits over the wire: first answers, receipts true and false, deadlines, refusals that are kept."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from blake3 import blake3

from cairnfs.control.transactions.routes import body_hash
from cairnfs.errors import (
    Aborted,
    BadRequest,
    CairnError,
    Exists,
    Forbidden,
    IncarnationChanged,
    LengthMismatch,
    NotDurable,
    NotEmpty,
    NotFound,
    ReceiptInvalid,
    RequestReused,
    SessionEnded,
    TooManyOperations,
)
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import CommitRequest, Receipt, Remove, SettleRequest, Write
from cairnfs.wire.directory import ChunkRef, PathText, StatRequest
from cairnfs.wire.receipts import Holder, Holding, ReceiptBody, sign
from cairnfs.wire.sessions import RenewRequest, SessionRequest
from tests.unit.control.plane import Joined, Plane, directory, empty_file, plane

CHUNK = ChunkRef(blake3(b"some bytes").digest(), 10)


@dataclass
class Uploading:
    """A user with a session, and three fileservers that say what they are told to."""

    plane: Plane
    user: TokenReply
    user_id: int
    session: str
    servers: list[Joined]

    def body(self, **changes: Any) -> ReceiptBody:
        """What the first fileserver would say of CHUNK, held by all three."""
        holders = [Holder(one.reply.fileserver, one.boot) for one in self.servers]
        said: dict[str, Any] = {
            "cluster_id": self.plane.app.cluster_id,
            "incarnation": 1,
            "fileserver": self.servers[0].reply.fileserver,
            "user": self.user_id,
            "session": self.session,
            "begin": self.begin,
            "holdings": [Holding(holders, [CHUNK])],
            **changes,
        }
        return ReceiptBody(**said)

    begin: int = 0

    def receipt(self, **changes: Any) -> Receipt:
        """The same, signed by it."""
        return sign(self.body(**changes), self.servers[0].reply.receipt_key)

    async def commit(self, *receipts: Receipt, token: str | None = None, **fields: Any) -> Any:
        """Make /home/ann/f of CHUNK."""
        write = Write(path="/home/ann/f", chunks=[CHUNK], size=CHUNK.size)
        said = {"session": self.session, "receipts": list(receipts), **fields}
        return await self.plane.commit(token or self.user.token, write, **said)


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


@pytest.fixture
async def upload(cluster: Plane) -> Uploading:
    admin = await cluster.admin()
    servers = [await cluster.join(admin, number) for number in (1, 2, 3)]
    user = await cluster.signup("ann")
    who = await cluster.ask(endpoints.WHOAMI, None, user.token)
    session = await cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(label="test"), user.token)
    return Uploading(cluster, user, who.user_id, session.session, servers, session.commit)


async def stat(cluster: Plane, token: str, path: str) -> Any:
    reply = await cluster.ask(endpoints.STAT, StatRequest(paths=[PathText(path=path)]), token)
    return reply.results[0]


# -- receipts ----------------------------------------------------------------------------------------


async def test_a_genuine_receipt_makes_a_file(upload: Uploading) -> None:
    await upload.commit(upload.receipt())
    found = await stat(upload.plane, upload.user.token, "/home/ann/f")
    assert found.entry.size == CHUNK.size


async def test_a_chunk_without_a_receipt_does_not(upload: Uploading) -> None:
    with pytest.raises(NotDurable):
        await upload.commit()
    assert (await stat(upload.plane, upload.user.token, "/home/ann/f")).error.code == "not_found"


async def test_forged_receipts(upload: Uploading) -> None:
    genuine = upload.receipt()
    changed = msgspec.msgpack.encode(upload.body(holdings=[]))
    forgeries = [
        sign(upload.body(), secrets.token_bytes(32)),
        sign(upload.body(), upload.servers[1].reply.receipt_key),
        msgspec.structs.replace(genuine, mac=b""),
        msgspec.structs.replace(genuine, mac=bytes(32)),
        msgspec.structs.replace(genuine, body=genuine.body + b"\0"),
        msgspec.structs.replace(genuine, body=changed),
        msgspec.structs.replace(genuine, fileserver=upload.servers[1].reply.fileserver),
        msgspec.structs.replace(genuine, fileserver=99),
        sign(upload.body(fileserver=upload.servers[1].reply.fileserver), upload.servers[0].reply.receipt_key),
    ]
    for forgery in forgeries:
        with pytest.raises(ReceiptInvalid):
            await upload.commit(forgery)


async def test_a_receipt_of_another_cluster(upload: Uploading) -> None:
    with pytest.raises(ReceiptInvalid):
        await upload.commit(upload.receipt(cluster_id="f" * 32))


async def test_a_receipt_of_another_session_or_user(upload: Uploading) -> None:
    other = await upload.plane.ask(endpoints.BEGIN_SESSION, SessionRequest(), upload.user.token)
    for receipt in (upload.receipt(session=other.session), upload.receipt(user=upload.user_id + 1)):
        with pytest.raises(ReceiptInvalid):
            await upload.commit(receipt)


async def test_a_stolen_receipt_is_worth_nothing_to_another_user(upload: Uploading) -> None:
    thief = await upload.plane.signup("bob")
    session = await upload.plane.ask(endpoints.BEGIN_SESSION, SessionRequest(), thief.token)
    write = Write(path="/home/bob/f", chunks=[CHUNK], size=CHUNK.size)
    for named, error in ((session.session, ReceiptInvalid), (upload.session, ReceiptInvalid)):
        with pytest.raises(error):
            await upload.plane.commit(thief.token, write, session=named, receipts=[upload.receipt()])


async def test_a_receipt_of_another_incarnation(upload: Uploading) -> None:
    with pytest.raises(IncarnationChanged):
        await upload.commit(upload.receipt(incarnation=2))


async def test_a_receipt_after_its_session_ended(upload: Uploading) -> None:
    await upload.plane.ask(endpoints.END_SESSION, None, upload.user.token, session=upload.session)
    with pytest.raises(SessionEnded):
        await upload.commit(upload.receipt())


async def test_a_receipt_without_a_session(upload: Uploading) -> None:
    with pytest.raises(BadRequest):
        await upload.commit(upload.receipt(), session=None)


async def test_a_receipt_begun_before_what_the_session_needs(upload: Uploading) -> None:
    now = (await upload.plane.commit(upload.user.token, directory("/home/ann/d"))).commit
    renew = RenewRequest(counter=1, needs=now)
    await upload.plane.ask(endpoints.RENEW_SESSION, renew, upload.user.token, session=upload.session)
    with pytest.raises(NotDurable):
        await upload.commit(upload.receipt())
    await upload.commit(upload.receipt(begin=now))


async def test_a_holder_that_started_again_does_not_count(upload: Uploading) -> None:
    holders = [Holder(one.reply.fileserver, one.boot) for one in upload.servers]
    old = [holders[0], Holder(holders[1].fileserver, "0" * 32), Holder(holders[2].fileserver, "0" * 32)]
    with pytest.raises(NotDurable):
        await upload.commit(upload.receipt(holdings=[Holding(old, [CHUNK])]))


async def test_one_holder_named_three_times_is_one_holder(upload: Uploading) -> None:
    one = Holder(upload.servers[0].reply.fileserver, upload.servers[0].boot)
    with pytest.raises(NotDurable):
        await upload.commit(upload.receipt(holdings=[Holding([one] * 3, [CHUNK])]))


async def test_a_receipt_for_another_size(upload: Uploading) -> None:
    holders = [Holder(one.reply.fileserver, one.boot) for one in upload.servers]
    with pytest.raises(LengthMismatch):
        await upload.commit(upload.receipt(holdings=[Holding(holders, [ChunkRef(CHUNK.hash, 11)])]))


async def test_the_key_of_a_fileserver_that_joined_later_is_learnt(upload: Uploading) -> None:
    await upload.commit(upload.receipt())
    late = await upload.plane.join(await upload.plane.login("root"), 4)
    body = upload.body(fileserver=late.reply.fileserver)
    await upload.commit(sign(body, late.reply.receipt_key), message="again")


# -- the same request again --------------------------------------------------------------------------


async def test_a_request_sent_again_is_answered_again(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    request_id = secrets.token_hex(16)
    first = await cluster.commit(user.token, empty_file("/home/ann/f"), request_id=request_id)
    again = await cluster.commit(
        user.token, empty_file("/home/ann/f"), request_id=request_id, deadline_ms=1234
    )
    assert again == first


async def test_another_body_under_the_same_id_is_refused(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    request_id = secrets.token_hex(16)
    await cluster.commit(user.token, empty_file("/home/ann/f"), request_id=request_id)
    for other in ({}, {"message": "other"}):
        with pytest.raises(RequestReused):
            await cluster.commit(user.token, empty_file("/home/ann/g"), request_id=request_id, **other)


async def test_another_user_may_use_the_same_id(cluster: Plane) -> None:
    ann, bob = await cluster.signup("ann"), await cluster.signup("bob")
    request_id = secrets.token_hex(16)
    await cluster.commit(ann.token, empty_file("/home/ann/f"), request_id=request_id)
    await cluster.commit(bob.token, empty_file("/home/bob/f"), request_id=request_id)


async def test_a_refusal_is_kept_even_if_it_would_succeed_now(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    request_id = secrets.token_hex(16)
    write = empty_file("/home/ann/d/f")
    with pytest.raises(NotFound):
        await cluster.commit(user.token, write, request_id=request_id)
    await cluster.commit(user.token, directory("/home/ann/d"))
    with pytest.raises(NotFound):
        await cluster.commit(user.token, write, request_id=request_id)


async def test_settling_an_unknown_commit_aborts_it_for_good(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    request_id = secrets.token_hex(16)
    settled = await cluster.ask(endpoints.SETTLE, SettleRequest(request_id=request_id), user.token)
    assert settled.outcome == "aborted"
    with pytest.raises(Aborted):
        await cluster.commit(user.token, empty_file("/home/ann/f"), request_id=request_id)


async def test_settling_tells_the_first_answer(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    done, refused = secrets.token_hex(16), secrets.token_hex(16)
    reply = await cluster.commit(user.token, empty_file("/home/ann/f"), request_id=done)
    with pytest.raises(NotFound):
        await cluster.commit(user.token, Remove(path="/home/ann/g"), request_id=refused)
    settled = await cluster.ask(endpoints.SETTLE, SettleRequest(request_id=done), user.token)
    assert (settled.outcome, settled.reply) == ("committed", reply)
    settled = await cluster.ask(endpoints.SETTLE, SettleRequest(request_id=refused), user.token)
    assert settled.outcome == "refused"
    assert settled.error is not None
    assert settled.error.code == "not_found"


async def test_a_recursive_removal_sent_again_is_answered_again_whatever_is_there_now(cluster: Plane) -> None:
    """The look below is made before the clock: it must not refuse what was already done."""
    admin, user = await cluster.admin(), await cluster.signup("ann")
    await cluster.commit(user.token, directory("/home/ann/d"), empty_file("/home/ann/d/f"))
    request_id = secrets.token_hex(16)
    remove = Remove(path="/home/ann/d", recursive=True)
    first = await cluster.commit(user.token, remove, request_id=request_id)
    await cluster.commit(
        admin.token, directory("/home/ann/d"), directory("/home/ann/d/e"), empty_file("/home/ann/d/e/f")
    )
    with pytest.raises(Forbidden):
        await cluster.commit(user.token, remove)
    assert await cluster.commit(user.token, remove, request_id=request_id) == first


async def test_what_the_look_below_refused_stays_refused(cluster: Plane) -> None:
    admin, user = await cluster.admin(), await cluster.signup("ann")
    await cluster.commit(
        admin.token, directory("/home/ann/d"), directory("/home/ann/d/e"), empty_file("/home/ann/d/e/f")
    )
    request_id = secrets.token_hex(16)
    remove = Remove(path="/home/ann/d", recursive=True)
    with pytest.raises(Forbidden):
        await cluster.commit(user.token, remove, request_id=request_id)
    settled = await cluster.ask(endpoints.SETTLE, SettleRequest(request_id=request_id), user.token)
    assert settled.outcome == "refused"
    await cluster.commit(admin.token, Remove(path="/home/ann/d/e", recursive=True))
    with pytest.raises(Forbidden):
        await cluster.commit(user.token, remove, request_id=request_id)


# -- wrong requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"request_id": ""}, BadRequest),
        ({"request_id": "G" * 32}, BadRequest),
        ({"deadline_ms": 0}, BadRequest),
        ({"session": "\0"}, BadRequest),
        ({"session": "0" * 31}, BadRequest),
        ({"message": "\0"}, BadRequest),
        ({"message": "x" * 5000}, BadRequest),
    ],
    ids=str,
)
async def test_a_commit_with_a_field_that_is_wrong(
    cluster: Plane, fields: dict[str, Any], error: type[CairnError]
) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(error):
        await cluster.commit(user.token, empty_file("/home/ann/f"), **fields)


async def test_a_commit_of_nothing_or_too_much(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(BadRequest):
        await cluster.commit(user.token)
    with pytest.raises(TooManyOperations):
        await cluster.commit(user.token, *(empty_file(f"/home/ann/{n}") for n in range(1001)))
    await cluster.commit(user.token, *(empty_file(f"/home/ann/{n}") for n in range(1000)))


@pytest.mark.parametrize("request_id", ["", "\0", "x" * 32, "0" * 33])
async def test_settling_what_is_no_request(cluster: Plane, request_id: str) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(BadRequest):
        await cluster.ask(endpoints.SETTLE, SettleRequest(request_id=request_id), user.token)


async def test_a_refused_commit_changes_nothing(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    await cluster.commit(user.token, directory("/home/ann/d"), empty_file("/home/ann/d/f"))
    for last, error in (
        (Remove(path="/home/ann/d"), NotEmpty),
        (empty_file("/home/ann/d/f", expected="none"), CairnError),
        (directory("/home/ann/d"), Exists),
    ):
        with pytest.raises(error):
            await cluster.commit(user.token, empty_file("/home/ann/new"), last)
    assert (await stat(cluster, user.token, "/home/ann/new")).error.code == "not_found"


def test_the_hash_is_of_what_is_asked_for() -> None:
    first = CommitRequest(request_id="0" * 32, operations=[empty_file("/f")])
    replace = msgspec.structs.replace
    assert body_hash(first) == body_hash(replace(first, request_id="1" * 32, deadline_ms=1))
    other = [
        replace(first, message="m"),
        replace(first, session="0" * 32),
        replace(first, operations=[empty_file("/g")]),
        replace(first, operations=[empty_file("/f", parents=True)]),
        replace(first, operations=[empty_file("/f"), empty_file("/f")]),
        replace(first, operations=[directory("/f")]),
    ]
    assert len({body_hash(one) for one in [first, *other]}) == 7
