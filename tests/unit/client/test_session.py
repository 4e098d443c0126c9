"""Sessions: counted from sending, suspended at 10 s, over at 15 s, whatever the clock does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.session import Hold
from cairnfs.clock import SystemClock
from cairnfs.errors import SessionEnded
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.transport import Request, Response
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.transport import Fault, FlakyTransport
from cairnfs.wire.sessions import RenewRequest
from tests.unit.client.fake_cluster import CONTROL, FakeCluster


class Scene:
    """A client whose clock, and whose line to the control plane, are in the test's hands."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = FakeCluster()
        self.line = FlakyTransport(self.cluster.transport, lambda _: None, clock=self.clock)
        self.files = self.cluster.filesystem(transport=self.line, clock=self.clock)

    def cut(self, fault: Fault = Fault.UNREACHABLE) -> None:
        self.line.plan = lambda request: fault if request.origin == CONTROL else None

    def mend(self) -> None:
        self.line.plan = lambda _: None

    async def hold(self) -> Hold:
        return await self.files.connection.sessions.hold()

    def renewal(self) -> RenewRequest | None:
        (latest,) = self.cluster.sessions.values()
        return latest

    def needed(self) -> list[int]:
        """What each session needs by its latest renewal, in the order in which they began."""
        return [renewal.needs for renewal in self.cluster.sessions.values() if renewal is not None]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_reading_and_changing_names_needs_no_session(cluster: FakeCluster, files: Filesystem) -> None:
    await files.mkdir("/d")
    await files.write_file("/d/empty", b"")
    assert await files.read_file("/d/empty") == b""
    assert not cluster.sessions


async def test_many_uploads_at_once_share_one_session(cluster: FakeCluster, files: Filesystem) -> None:
    await asyncio.gather(*(files.write_file(f"/{number}", b"%d" % number) for number in range(20)))
    assert cluster.calls["begin_session"] == 1
    assert len(cluster.sessions) == 1


async def test_closing_ends_it(cluster: FakeCluster, files: Filesystem) -> None:
    await files.write_file("/f", b"x")
    await files.close()
    assert not cluster.sessions


async def test_it_renews_every_five_seconds_with_a_growing_counter(scene: Scene) -> None:
    await scene.hold()
    counters = []
    for _ in range(3):
        await scene.clock.run(5.1)
        renewal = scene.renewal()
        assert renewal is not None
        counters.append(renewal.counter)
    assert counters == [1, 2, 3]


async def test_needs_is_the_oldest_use_and_never_falls(scene: Scene) -> None:
    for number in range(5):
        await scene.files.mkdir(f"/{number}")
    old = await scene.hold()
    assert old.begin == 5
    for number in range(5, 9):
        await scene.files.mkdir(f"/{number}")
    await scene.clock.run(10.1)
    assert scene.renewal() == RenewRequest(counter=2, needs=5)
    old.release()
    await scene.clock.run(5.1)
    assert scene.renewal() == RenewRequest(counter=3, needs=9)


async def test_what_reads_an_earlier_commit_gets_a_session_that_goes_back_to_it(scene: Scene) -> None:
    for number in range(5):
        await scene.files.mkdir(f"/{number}")
    sessions = scene.files.connection.sessions
    first = await sessions.hold(commit=4)
    assert scene.cluster.needs == [4]
    upload = await sessions.hold()
    assert (upload.begin, upload.session) == (5, first.session)
    late = await sessions.hold(commit=2)
    again = await sessions.hold(commit=3)
    assert scene.cluster.needs == [4, 2]
    assert again.session == late.session != first.session
    await scene.clock.run(5.1)
    assert scene.needed() == [4, 2]
    late.release()
    first.release()
    await scene.clock.run(5.1)
    assert scene.needed() == [5, 3]
    again.release()
    oldest = await sessions.hold(commit=1)
    assert scene.cluster.needs == [4, 2, 1]
    assert len(scene.cluster.sessions) == 2, "one that nobody uses any more is ended"
    oldest.release()
    await scene.files.close()
    assert not scene.cluster.sessions


async def test_a_renewal_whose_answer_was_lost_may_have_given_commits_up(scene: Scene) -> None:
    await scene.files.mkdir("/a")
    hold = await scene.hold()
    for name in ("/b", "/c"):
        await scene.files.mkdir(name)
    await scene.clock.run(5.1)
    hold.release()
    scene.cut(Fault.REPLY_LOST)
    await scene.clock.run(5.1)
    assert scene.needed() == [3]
    scene.mend()
    late = await scene.files.connection.sessions.hold(commit=2)
    assert late.session != hold.session


async def test_without_answers_it_is_suspended_and_a_renewal_resumes_it(scene: Scene) -> None:
    hold = await scene.hold()
    scene.cut()
    await scene.clock.run(9.9)
    await hold.ready()
    await scene.clock.run(0.2)
    waiting = asyncio.create_task(hold.ready())
    await scene.clock.run(2)
    assert not waiting.done()
    scene.mend()
    await scene.clock.run(1)
    await waiting


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.HANG])
async def test_without_answers_for_a_lease_it_is_over(scene: Scene, fault: Fault) -> None:
    hold = await scene.hold()
    told: list[SessionEnded] = []
    hold.when_ended(told.append)
    scene.cut(fault)
    await scene.clock.run(10.5)
    waiting = asyncio.create_task(hold.ready())
    await scene.clock.run(4.4)
    assert not told
    await scene.clock.run(0.2)
    assert len(told) == 1
    with pytest.raises(SessionEnded):
        await waiting
    scene.mend()
    again = await scene.hold()
    assert again.session != hold.session


async def test_it_is_over_at_the_servers_word(scene: Scene) -> None:
    hold = await scene.hold()
    scene.cluster.sessions.clear()
    await scene.clock.run(5.1)
    with pytest.raises(SessionEnded):
        await hold.ready()


async def test_a_machine_that_slept_knows_it_at_once(scene: Scene) -> None:
    hold = await scene.hold()
    scene.clock.suspend(20)
    with pytest.raises(SessionEnded):
        await hold.ready()


async def test_time_counts_from_sending(scene: Scene) -> None:
    """A renewal that was answered late has confirmed less than it seems."""
    hold = await scene.hold()

    class Slow(InProcessTransport):
        async def request(self, request: Request) -> Response:
            await scene.clock.sleep(4)
            return await scene.cluster.transport.request(request)

    scene.line._transport = Slow()
    await scene.clock.run(9.1)
    scene.cut()
    # Sent at 5 s, answered at 9 s: suspended from 15 s on, over at 20 s.
    await scene.clock.run(5.8)
    await hold.ready()
    await scene.clock.run(4.9)
    assert hold._live._over is None
    await scene.clock.run(0.4)
    with pytest.raises(SessionEnded):
        await hold.ready()


async def test_an_upload_ends_with_its_session_and_is_made_again_in_a_new_one(
    cluster: FakeCluster, files: Filesystem
) -> None:
    cluster.times = (50, 100, 150)
    blocked = asyncio.Event()

    async def block() -> None:
        blocked.set()
        if len(cluster.sessions) and cluster.calls["begin_session"] == 1:
            cluster.sessions.clear()
            await SystemClock().sleep(1)

    cluster.on_put = block
    written = await files.write_file("/f", b"written in a second session")
    assert blocked.is_set()
    assert cluster.calls["begin_session"] == 2
    assert cluster.content(b"/f") == b"written in a second session"
    assert written.commit == 1


async def test_content_that_cannot_be_read_again_fails_with_the_session(
    cluster: FakeCluster, files: Filesystem
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for number in range(4):
            yield bytes([number]) * 1024 * 1024
            cluster.sessions.clear()

    with pytest.raises(SessionEnded):
        await files.write_file("/f", stream())
    assert b"/f" not in cluster.tree
