"""Taking chunks in: what is checked, who must hold them, and what the receipt then says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.manifest import hash_bytes
from cairnfs.core.placement import first_reader
from cairnfs.errors import (
    BadRequest,
    CairnError,
    HashMismatch,
    LengthMismatch,
    NoSpace,
    NotAMember,
    TooFewCopies,
    Unavailable,
    Unreachable,
)
from cairnfs.fileserver import backlog
from cairnfs.fileserver import put as putting
from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.intake import Intake
from cairnfs.fileserver.membership import Membership
from cairnfs.fileserver.put import Putting
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.trouble import StoreFull
from cairnfs.fileserver.writer import Writer
from cairnfs.ids import BootId, ClusterId, FileserverId, Hash, Incarnation, UserId
from cairnfs.net.serving import Caller, Context
from cairnfs.wire import chunks as wire
from cairnfs.wire.receipts import Holder, ReceiptBody, check

KEY = b"k" * 32
SESSION = "5" * 32


class Way:
    """The way to a fellow member that answers as the test says."""

    def __init__(self, member: int) -> None:
        self.member = member
        self.error: CairnError | None = None
        self.hangs = False
        self.held_back: list[asyncio.Future[Holder]] = []
        self.asked: asyncio.Queue[None] = asyncio.Queue()
        self.got: list[Hash] = []

    def send(self, chunks: Sequence[tuple[Hash, bytes]], begin: int) -> asyncio.Future[Holder]:
        answer: asyncio.Future[Holder] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self.error is not None:
            answer.set_exception(self.error)
        elif not self.hangs:
            self.got += [digest for digest, _ in chunks]
            answer.set_result(self.holder())
        else:
            self.held_back.append(answer)
            self.asked.put_nowait(None)
        return answer

    def holder(self) -> Holder:
        return Holder(self.member, f"{self.member:032x}")


class Cluster:
    """Three members of every group; this is number 1."""

    id = FileserverId(1)
    cluster_id = ClusterId("c" * 32)
    incarnation = Incarnation(1)
    receipt_key = KEY

    def __init__(self) -> None:
        self.ways = {2: Way(2), 3: Way(3)}
        self.map_now: tuple[int, ...] = (1, 2, 3)
        self.map_next: tuple[int, ...] = (1, 2, 3)

    map_version = 5

    def copies(self) -> int:
        return 3

    def members(self, group: int) -> tuple[FileserverId, ...]:
        return tuple(FileserverId(member) for member in self.map_now)

    def read_elsewhere(self, chunk: Hash) -> bool:
        return first_reader(self.members(0), chunk) != self.id

    async def refresh_map(self) -> None:
        self.map_now, self.map_version = self.map_next, 6

    def forwarder(self, member: int) -> Way:
        return self.ways[member]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    claim(tmp_path, Cluster.cluster_id, Cluster.id)
    store = Store.open(tmp_path)
    yield store
    store.close()


@pytest.fixture
def intake(store: Store) -> Iterator[Intake]:
    writer = Writer(store)
    with ThreadPoolExecutor(1) as readers:
        intake = Intake(readers)
        intake.attach(store, writer)
        yield intake
        writer.close()


@pytest.fixture
def door(cluster: Cluster, intake: Intake) -> Putting:
    return Putting(intake, cast(Membership, cluster), SystemClock())


def context(headers: dict[str, str] | None = None, wait_s: float = 5.0) -> Context:
    given = {wire.SESSION_HEADER: SESSION, wire.BEGIN_HEADER: "7"}
    given.update({name.replace("_", "-"): value for name, value in (headers or {}).items()})
    caller = Caller(UserId(42), "ann", "user", 2**62)
    deadline = SystemClock().monotonic() + wait_s
    return Context(caller, {}, "r", deadline, given, "127.0.0.1", None)


async def row(*chunks: bytes, names: dict[int, Hash] | None = None, cut: int = 0) -> AsyncIterator[bytes]:
    body = b"".join(
        wire.head((names or {}).get(at, hash_bytes(data)), len(data)) + data for at, data in enumerate(chunks)
    )
    body = body[: len(body) - cut]
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def said(reply: wire.PutReply) -> ReceiptBody:
    return check(reply.receipt, KEY)


async def test_a_put_is_stored_passed_on_and_receipted(door: Putting, cluster: Cluster, store: Store) -> None:
    data = [b"one" * 1000, b"two", b"x" * 200_000]
    reply = await door.put(context(), row(*data))
    hashes = [hash_bytes(one) for one in data]
    assert [bytes(store.get(digest)) for digest in hashes] == data
    assert cluster.ways[2].got == cluster.ways[3].got == hashes
    body = said(reply)
    assert (body.user, body.session, body.begin, body.cluster_id) == (42, SESSION, 7, "c" * 32)
    (holding,) = body.holdings
    assert [holder.fileserver for holder in holding.holders] == [1, 2, 3]
    assert holding.holders[0].boot == store.boot_id
    assert [tuple(chunk) for chunk in holding.chunks] == [
        (digest, len(one)) for digest, one in zip(hashes, data, strict=True)
    ]
    assert reply.short == []


async def test_a_member_that_is_away_is_not_in_the_receipt(door: Putting, cluster: Cluster) -> None:
    cluster.ways[3].error = Unreachable("gone")
    reply = await door.put(context(), row(b"data"))
    assert [holder.fileserver for holder in said(reply).holdings[0].holders] == [1, 2]
    assert reply.short == []


async def test_a_member_that_hangs_costs_a_moment_not_the_deadline(door: Putting, cluster: Cluster) -> None:
    cluster.ways[3].hangs = True
    clock = SystemClock()
    began = clock.monotonic()
    reply = await door.put(context(wait_s=60), row(b"data"))
    assert [holder.fileserver for holder in said(reply).holdings[0].holders] == [1, 2]
    assert clock.monotonic() - began < 30


async def test_with_all_asked_for_a_missing_member_makes_it_short(door: Putting, cluster: Cluster) -> None:
    cluster.ways[3].error = Unreachable("gone")
    reply = await door.put(context({"cairn_durability": "all"}), row(b"data"))
    assert reply.short == [hash_bytes(b"data")]
    assert len(said(reply).holdings[0].holders) == 2, "what is held is said all the same"


async def test_alone_is_short_too(door: Putting, cluster: Cluster) -> None:
    cluster.ways[2].error = cluster.ways[3].error = Unreachable("gone")
    reply = await door.put(context(), row(b"data"))
    assert reply.short == [hash_bytes(b"data")]


async def test_at_the_deadline_what_is_held_is_said(door: Putting, cluster: Cluster) -> None:
    cluster.ways[2].hangs = cluster.ways[3].hangs = True
    reply = await door.put(context(wait_s=putting.MARGIN_S + 0.3), row(b"data"))
    assert reply.short == [hash_bytes(b"data")]
    assert [holder.fileserver for holder in said(reply).holdings[0].holders] == [1]


ASYNC = {"cairn_durability": "async"}


def hold_back(cluster: Cluster) -> list[Way]:
    for way in cluster.ways.values():
        way.hangs = True
    return list(cluster.ways.values())


async def test_with_async_the_answer_waits_for_nobody_else(door: Putting, cluster: Cluster) -> None:
    ways = hold_back(cluster)
    reply = await door.put(context(ASYNC, wait_s=3600), row(b"data"))
    assert [holder.fileserver for holder in said(reply).holdings[0].holders] == [1]
    assert reply.short == []
    assert not any(copy.cancelled() for way in ways for copy in way.held_back), "the copies follow"


@pytest.mark.loud
async def test_with_async_another_member_may_be_the_one_that_holds(
    door: Putting, cluster: Cluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> Any:
        raise StoreFull("planned")

    monkeypatch.setattr(store, "put_many", full)
    cluster.ways[3].hangs = True
    reply = await door.put(context(ASYNC, wait_s=3600), row(b"data"))
    assert [holder.fileserver for holder in said(reply).holdings[0].holders] == [2]


async def test_over_the_limit_an_async_put_waits_for_a_majority(
    door: Putting, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_MAX_BYTES", 10)
    ways = hold_back(cluster)
    await door.put(context(ASYNC, wait_s=3600), row(b"12345678"))
    second = asyncio.create_task(door.put(context(ASYNC, wait_s=3600), row(b"123")))
    for _ in range(2):
        await ways[1].asked.get()
    done, _ = await asyncio.wait([second], timeout=0.3)
    assert not done, "too much is under way"
    ways[1].held_back[1].set_result(ways[1].holder())
    assert [holder.fileserver for holder in said(await second).holdings[0].holders] == [1, 3]
    for way in ways:
        way.held_back[0].set_result(way.holder())
    await door.drain(3600)
    reply = await door.put(context(ASYNC, wait_s=3600), row(b"123"))
    assert len(said(reply).holdings[0].holders) == 1, "there is room again"


async def test_over_the_limit_and_nobody_there_one_holder_is_enough_all_the_same(
    door: Putting, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_MAX_BYTES", 10)
    ways = hold_back(cluster)
    await door.put(context(ASYNC), row(b"12345678"))
    for way in ways:
        way.error = Unreachable("gone")
    assert (await door.put(context(ASYNC), row(b"123"))).short == []


async def test_a_stop_waits_for_copies_under_way_but_not_for_ever(door: Putting, cluster: Cluster) -> None:
    ways = hold_back(cluster)
    await door.put(context(ASYNC), row(b"data"))
    await door.drain(0.01)
    stopping = asyncio.create_task(door.drain(3600))
    ways[0].held_back[0].set_exception(Unreachable("gone"))
    await asyncio.sleep(0.01)
    assert not stopping.done()
    ways[1].held_back[0].set_result(ways[1].holder())
    await stopping
    await door.drain(3600)


@pytest.mark.loud
async def test_a_full_disk_here_is_no_hindrance_while_others_hold(
    door: Putting, cluster: Cluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> Any:
        raise StoreFull("planned")

    monkeypatch.setattr(store, "put_many", full)
    reply = await door.put(context(), row(b"data"))
    assert [holder.fileserver for holder in said(reply).holdings[0].holders] == [2, 3]
    cluster.ways[2].error = cluster.ways[3].error = NoSpace("full")
    with pytest.raises(NoSpace):
        await door.put(context(), row(b"data"))


@pytest.mark.loud
async def test_nobody_at_all_is_an_error_with_its_cause(
    door: Putting, cluster: Cluster, store: Store
) -> None:
    cluster.map_now = cluster.map_next = (1,)
    store.close()
    with pytest.raises(Unavailable):
        await door.put(context(), row(b"data"))


async def test_bytes_under_a_wrong_hash_are_refused_and_stored_nowhere(
    door: Putting, cluster: Cluster, store: Store
) -> None:
    for data in (b"small", bytes(100_000)):
        wrong = hash_bytes(b"another")
        with pytest.raises(HashMismatch):
            await door.put(context(), row(b"good", data, names={1: wrong}))
    assert store.find_many([hash_bytes(b"good"), wrong]) == [None, None]
    assert not cluster.ways[2].got


@pytest.mark.parametrize("cut", [1, 4, 5, 40, 42])
async def test_a_row_that_ends_early_is_refused_whole(door: Putting, store: Store, cut: int) -> None:
    with pytest.raises(LengthMismatch):
        await door.put(context(), row(b"first", b"tail", cut=cut))
    assert store.stats().chunks == 0


async def test_empty_chunks_and_foreign_states_are_refused(door: Putting) -> None:
    with pytest.raises(BadRequest):
        await door.put(context(), row(b""))

    async def missing() -> AsyncIterator[bytes]:
        yield wire.head(hash_bytes(b""), 0, wire.MISSING)

    with pytest.raises(BadRequest):
        await door.put(context(), missing())


async def test_a_newer_map_is_fetched_before_a_put_is_refused(door: Putting, cluster: Cluster) -> None:
    cluster.map_now, cluster.map_next = (2, 3, 4), (1, 2, 3)
    assert (await door.put(context(), row(b"data"))).short == []
    cluster.map_now = cluster.map_next = (2, 3, 4)
    with pytest.raises(NotAMember):
        await door.put(context(), row(b"data"))


async def test_a_member_that_only_the_client_knows_of_gets_its_copy(door: Putting, cluster: Cluster) -> None:
    cluster.map_now = (1, 2)
    for version, holders in (("5", [1, 2]), ("6", [1, 2, 3])):
        reply = await door.put(context({"cairn_map": version}), row(b"data" + version.encode()))
        assert [holder.fileserver for holder in said(reply).holdings[0].holders] == holders


@pytest.mark.parametrize(
    "headers",
    [
        {"cairn_session": "short"},
        {"cairn_begin": "x"},
        {"cairn_begin": "-1"},
        {"cairn_durability": "most"},
        {"content_length": "many"},
    ],
)
async def test_bad_headers_are_refused(door: Putting, headers: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await door.put(context(headers), row(b"data"))


async def test_a_forward_is_stored_with_its_begin_number(door: Putting, store: Store) -> None:
    reply = await door.forward(context({"cairn_begin": "41"}), row(b"data"))
    assert (reply.fileserver, reply.boot) == (1, store.boot_id)
    (held,) = store.find_many([hash_bytes(b"data")])
    assert held is not None
    assert held.begin == 41


async def test_an_empty_put_holds_nothing(door: Putting) -> None:
    assert said(await door.put(context(), row())).holdings == []


def test_too_few_copies_is_what_nobody_without_a_cause_is_called() -> None:
    assert TooFewCopies("x").retryable


async def test_a_put_before_the_store_is_open_is_told_to_wait(cluster: Cluster) -> None:
    with ThreadPoolExecutor(1) as readers:
        early = Putting(Intake(readers), cast(Membership, cluster), SystemClock())
        with pytest.raises(Unavailable):
            await early.put(context(), row(b"data"))


def test_the_boot_is_the_stores(intake: Intake, store: Store) -> None:
    assert intake.boot == BootId(store.boot_id)
