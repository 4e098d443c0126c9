"""The synchronous client: the same verbs, real file objects, threads, forks, Ctrl-C."""

from __future__ import annotations

import gc
import io
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.people import People
from cairnfs.client.portal import portal
from cairnfs.client.results import Progress
from cairnfs.client.sync import Client
from cairnfs.client.sync_people import SyncPeople
from cairnfs.client.transfer import IN_FLIGHT_BYTES
from cairnfs.errors import BadRequest, CairnError, IsADirectory, NotFound
from tests.unit.client.fake_cluster import FakeCluster

MIB = 1024 * 1024


class Scene:
    """A fake cluster that lives on the portal's loop, and a synchronous client of it."""

    def __init__(self) -> None:
        self.cluster = portal().call(self._make())
        self.client = Client(self._connect)

    async def _make(self) -> FakeCluster:
        return FakeCluster()

    async def _connect(self) -> Filesystem:
        return self.cluster.filesystem()

    async def end(self) -> None:
        self.cluster.stop.set()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    portal().call(made.end())
    made.client.close()


@pytest.fixture
def client(scene: Scene) -> Client:
    return scene.client


def test_the_verbs_are_the_filesystems_own(client: Client) -> None:
    for name, method in vars(Filesystem).items():
        if name.startswith("_") or name == "version":
            continue
        assert hasattr(Client, name), f"{name} is missing"
        if callable(method) and name not in ("open", "close"):
            assert getattr(Client, name).__doc__ == method.__doc__


def test_the_verbs_of_people_are_there_too(client: Client) -> None:
    verbs = {name: verb for name, verb in vars(People).items() if not name.startswith("_")}
    assert {name: vars(SyncPeople)[name].__doc__ for name in verbs} == {
        name: verb.__doc__ for name, verb in verbs.items()
    }
    assert client.people.inside()[1].__class__ is People


def test_they_work(client: Client) -> None:
    written = client.write_file("/d/f", b"hello", parents=True)
    assert client.read_file("/d/f") == b"hello"
    assert client.stat("/d/f").etag == written.etag
    assert [entry.name for entry in client.list("/d")] == ["f"]
    assert [path for path, _ in client.walk("/")] == [b"/d", b"/d/f"]
    client.rename("/d", "/e")
    assert b"".join(client.read_stream("/e/f", start=1)) == b"ello"
    client.remove("/e", recursive=True)
    with pytest.raises(NotFound):
        client.stat("/e")


def test_long_listings_cross_in_batches_and_may_be_left(client: Client) -> None:
    for number in range(600):
        client.mkdir(f"/{number:03}")
    assert len(list(client.list("/"))) == 600
    listing = client.list("/")
    assert next(listing).name == "000"


def test_a_reader_is_a_real_file(client: Client) -> None:
    data = os.urandom(3 * MIB)
    client.write_file("/f", data)
    with client.open("/f") as opened:
        assert isinstance(opened, io.BufferedReader)
        assert opened.read(10) == data[:10]
        assert opened.seek(-10, io.SEEK_END) == len(data) - 10
        assert opened.read() == data[-10:]
        opened.seek(5)
        opened.seek(5, io.SEEK_CUR)
        assert opened.tell() == 10
        assert opened.peek(1)[:1] == data[10:11]
        target = io.BytesIO()
        opened.seek(0)
        shutil.copyfileobj(opened, target)
        assert target.getvalue() == data
    with client.open("/f") as opened:
        assert opened.read() == data
    client.write_file("/lines", b"a\nb\n")
    assert list(io.TextIOWrapper(client.open("/lines"))) == ["a\n", "b\n"]


def test_a_writer_is_a_real_file_published_at_close(client: Client) -> None:
    data = os.urandom(3 * MIB)
    with client.open("/f", "wb") as opened:
        assert isinstance(opened, io.BufferedWriter)
        shutil.copyfileobj(io.BytesIO(data), opened, 10_000)
    written = opened.written
    assert written is not None
    assert written.size == len(data)
    assert client.read_file("/f") == data
    with io.TextIOWrapper(client.open("/text", "wb"), encoding="utf-8") as text:
        text.write("grüße\n")
    assert client.read_file("/text") == "grüße\n".encode()


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB + 1])
def test_a_body_that_raises_publishes_nothing(client: Client, size: int) -> None:
    def write_half() -> None:
        with client.open("/f", "wb") as opened:
            opened.write(b"x" * size)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    with pytest.raises(NotFound):
        client.stat("/f")


@pytest.mark.parametrize("size", [1, 3 * MIB])
def test_a_dropped_writer_publishes_nothing(client: Client, size: int) -> None:
    opened: Any = client.open("/f", "wb")
    opened.write(b"x" * size)
    del opened
    gc.collect()
    client.status()
    with pytest.raises(NotFound):
        client.stat("/f")


def test_a_failed_write_cannot_become_a_short_file(scene: Scene, client: Client) -> None:
    client.mkdir("/d")
    opened = client.open("/d", "wb")
    opened.write(b"x")
    with pytest.raises(IsADirectory):
        opened.close()
    assert opened.closed


def test_many_threads(client: Client) -> None:
    def work(number: int) -> bytes:
        client.write_file(f"/{number}", b"%d" % number)
        return client.read_file(f"/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [b"%d" % number for number in range(40)]


def test_a_closed_client_says_so(client: Client) -> None:
    client.write_file("/f", b"x")
    client.close()
    client.close()
    with pytest.raises(BadRequest, match="closed"):
        client.read_file("/f")


def test_closing_ends_the_calls_of_other_threads(scene: Scene, client: Client) -> None:
    client.write_file("/f", b"x")
    for server in scene.cluster.servers:
        server.hang_gets = True
    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(client.read_file, "/f") for _ in range(4)]
        while not scene.cluster.hanging.is_set():
            threading.Event().wait(0.01)
        client.close()
        for one in reading:
            with pytest.raises(BadRequest, match="closed"):
                one.result(5)


def test_progress_comes_from_cairns_own_thread(client: Client, tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"x")
    threads = []
    client.put_tree(tmp_path, "/t", progress=lambda _: threads.append(threading.current_thread().name))
    assert set(threads) == {"cairn"}


def test_a_call_from_cairns_own_thread_is_an_error_not_a_deadlock(client: Client, tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def call_back(_: Progress) -> None:
        client.mkdir("/inside")

    with pytest.raises(BadRequest, match="wait for itself"):
        client.put_tree(tmp_path, "/t", progress=call_back)


def test_an_interrupted_call_ends_its_work(scene: Scene, client: Client) -> None:
    for server in scene.cluster.servers:
        server.hang_puts = True

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            client.write_file("/f", b"x" * 3 * MIB)
    finally:
        signal.signal(signal.SIGALRM, before)
    budget = client.inside()[1].connection.budget
    assert budget._free == IN_FLIGHT_BYTES


def in_child(work: Any) -> int:
    """Run `work` in a forked child; its exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_a_fork_the_child_connects_anew(scene: Scene, client: Client) -> None:
    client.write_file("/f", b"before the fork")
    opened = client.open("/f")

    def work() -> int:
        # The fake cluster's state came along; its loop did not, so it is served by the child's own.
        assert client.read_file("/f") == b"before the fork"
        try:
            opened.read()
        except CairnError:
            return 7
        return 8

    assert in_child(work) == 7
    assert client.read_file("/f") == b"before the fork"
