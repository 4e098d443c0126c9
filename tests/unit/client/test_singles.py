"""Small files of several writers share requests to the fileservers, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.singles import SINGLE_BYTES
from cairnfs.clock import SystemClock
from cairnfs.errors import SessionEnded, TooFewCopies
from cairnfs.testing.transport import Fault, FlakyTransport, seeded
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster


def requests(cluster: FakeCluster) -> int:
    """How many puts the fileservers were asked for."""
    return sum(len(server.puts) for server in cluster.servers)


async def test_many_small_files_at_once_need_few_requests(cluster: FakeCluster, files: Filesystem) -> None:
    await files.write_file("/first", b"knows the cluster")
    before = requests(cluster)
    contents = {b"/%d" % number: b"%d" % number * 100 for number in range(60)}
    written = await asyncio.gather(*(files.write_file(path, data) for path, data in contents.items()))
    assert requests(cluster) - before <= 12
    assert {path: cluster.content(path) for path in contents} == contents
    assert sum(one.sent_bytes for one in written) == sum(map(len, contents.values()))


async def test_larger_ones_go_by_themselves(cluster: FakeCluster, files: Filesystem) -> None:
    contents = [bytes([number]) * (SINGLE_BYTES + 1) for number in range(6)]
    await asyncio.gather(*(files.write_file(f"/{at}", data) for at, data in enumerate(contents)))
    assert requests(cluster) == 6


async def test_the_same_content_at_once_is_two_files(cluster: FakeCluster, files: Filesystem) -> None:
    await asyncio.gather(*(files.write_file(f"/{number}", b"alike") for number in range(8)))
    assert {cluster.content(b"/%d" % number) for number in range(8)} == {b"alike"}


async def test_whatever_happens_on_the_way_each_file_is_what_was_written(
    cluster: FakeCluster, connect: MakeFilesystem, seed: int
) -> None:
    faults = (Fault.UNREACHABLE, Fault.CUT_REQUEST, Fault.REPLY_LOST, Fault.DUPLICATE, Fault.CUT_REPLY)
    flaky = FlakyTransport(
        cluster.transport,
        seeded(seed, dict.fromkeys(faults, 0.05), lambda request: request.target == "/v1/chunks/put"),
    )
    files = connect(transport=flaky)
    for turn in range(5):
        paths = [b"/%d.%d" % (turn, number) for number in range(20)]
        await asyncio.gather(*(files.write_file(path, path * 50) for path in paths))
        assert {path: cluster.content(path) for path in paths} == {path: path * 50 for path in paths}
    assert sum(flaky.counts.values()) >= 1


async def test_one_who_gives_up_takes_nobody_along(cluster: FakeCluster, files: Filesystem) -> None:
    await files.write_file("/first", b"knows the cluster")
    blocked = asyncio.Event()

    async def block() -> None:
        blocked.set()
        await SystemClock().sleep(0.2)

    cluster.on_put = block
    tasks = [asyncio.create_task(files.write_file(f"/{number}", b"%d" % number)) for number in range(6)]
    await blocked.wait()
    tasks[2].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [at for at, one in enumerate(outcomes) if isinstance(one, BaseException)] == [2]
    assert b"/2" not in cluster.tree
    budget = files.connection.budget
    assert budget.try_take(budget._free)
    assert not budget.try_take(1)


async def test_too_few_copies_are_told_to_each(
    cluster: FakeCluster, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnfs.client.courier.PATIENCE_S", 0.2)
    cluster.servers[2].kill()
    await files.write_file("/first", b"two of three", durability="majority")
    outcomes = await asyncio.gather(
        *(files.write_file(f"/{number}", b"%d" % number, durability="all") for number in range(4)),
        return_exceptions=True,
    )
    assert {type(one) for one in outcomes} == {TooFewCopies}


async def test_the_end_of_the_session_ends_what_is_under_way_and_all_begin_anew(
    cluster: FakeCluster, files: Filesystem
) -> None:
    cluster.times = (50, 100, 150)
    seen = asyncio.Event()

    async def block() -> None:
        if cluster.calls["begin_session"] == 1:
            seen.set()
            cluster.sessions.clear()
            await SystemClock().sleep(1)

    cluster.on_put = block
    await asyncio.gather(*(files.write_file(f"/{number}", b"%d" % number) for number in range(5)))
    assert seen.is_set()
    assert cluster.calls["begin_session"] == 2
    assert {cluster.content(b"/%d" % number) for number in range(5)} == {b"%d" % n for n in range(5)}


async def test_a_hold_that_is_over_sends_nothing(cluster: FakeCluster, files: Filesystem) -> None:
    connection = files.connection
    hold = await connection.begin_upload()
    before = requests(cluster)
    hold.end("as a test")
    from cairnfs.client.sources import hashed

    with pytest.raises(SessionEnded):
        await connection.singles.send(hold, *hashed(b"x"), "majority")
    assert requests(cluster) == before
