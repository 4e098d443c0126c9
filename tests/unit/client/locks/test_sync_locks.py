"""Locks for callers who wait: threads, forks, interruptions, child processes."""

# ruff: noqa: PT012 -- it is bodies that are tested

from __future__ import annotations

import contextvars
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks.held import Holding
from cairnfs.client.portal import portal
from cairnfs.client.sync import Client
from cairnfs.errors import BadRequest, Locked, LockLost, NotSoleHolder
from tests.unit.client.locks.fake_locks import FakeLocks


class Scene:
    """A fake cluster that lives on the portal's loop, and synchronous clients of it."""

    def __init__(self) -> None:
        self.cluster = portal().call(self._make())
        self.client, self.other = Client(self._connect), Client(self._connect)

    async def _make(self) -> FakeLocks:
        return FakeLocks()

    async def _connect(self) -> Filesystem:
        return self.cluster.filesystem()

    def do(self, work: Callable[[], object]) -> None:
        """Do something on the loop."""

        async def done() -> None:
            work()

        portal().call(done(), bare=True)

    def lose(self, client: Client) -> None:
        """Its locks are lost."""
        [holding] = client.inside()[1].connection.locks._held
        self.do(lambda: holding.lose("as a test"))

    async def end(self) -> None:
        self.cluster.stop.set()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    portal().call(made.end())
    made.client.close()
    made.other.close()


@pytest.fixture
def client(scene: Scene) -> Client:
    return scene.client


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_it_is_held_in_its_body_and_shown(scene: Scene, client: Client) -> None:
    with client.lock("/f") as lock:
        assert scene.cluster.held() == [lock.id]
        client.write_file("/f", b"x")
        with client.lock_many(["/f", "/g"], shared=True) as inner:
            client.mkdir("/d")
            assert client.shown_locks() == f"{lock.proof},{inner.proof}"
        with client.open("/f", "wb") as file:
            file.write(b"y")
        with pytest.raises(Locked):
            scene.other.write_file("/f", b"z")
        assert not lock.lost
        assert lock.fence > 0
        assert lock.proof not in repr(lock)
    client.mkdir("/e")
    assert [len(shown) for shown in scene.cluster.shown] == [1, 2, 1, 0, 0]
    assert scene.cluster.rows == {}
    owners = {request.owner for request in scene.cluster.acquired}
    assert len(owners) == 1


def test_an_error_in_the_body_releases_it(scene: Scene, client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.lock("/f"):
        raise ZeroDivisionError
    assert scene.cluster.rows == {}


def test_other_threads_hold_nothing_by_it_unless_they_are_given_it(scene: Scene, client: Client) -> None:
    def write(path: str) -> None:
        client.write_file(path, b"x")

    with client.lock("/f"), ThreadPoolExecutor(1) as pool:
        with pytest.raises(Locked):
            pool.submit(write, "/f").result()
        pool.submit(contextvars.copy_context().run, write, "/f").result()
        with pytest.raises(Locked):
            pool.submit(lambda: client.lock("/f", wait=0).__enter__()).result()


def test_threads_take_turns(scene: Scene, client: Client) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(5):
            with (client, scene.other)[number % 2].lock("/f"):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 30
    assert scene.cluster.rows == {}


def test_every_call_under_a_lost_lock_says_so_and_so_does_the_end(scene: Scene, client: Client) -> None:
    with pytest.raises(LockLost, match="as a test"), client.lock("/f") as lock:
        scene.lose(client)
        assert lock.lost
        with pytest.raises(LockLost):
            lock.check()
        with pytest.raises(LockLost):
            client.write_file("/f", b"x")
        with pytest.raises(LockLost):
            client.whoami()
        with pytest.raises(LockLost):
            list(client.list("/"))
        with pytest.raises(LockLost):
            client.lock("/g").__enter__()
    assert scene.cluster.shown == []
    assert scene.cluster.rows == {}
    client.write_file("/f", b"x")


def test_one_inside_a_lost_one_is_released_all_the_same(scene: Scene, client: Client) -> None:
    with pytest.raises(LockLost), client.lock("/f"):
        with client.lock("/g") as inner:
            outer = next(iter(client.inside()[1].connection.locks._held))
            scene.do(lambda: outer.lose("as a test"))
        assert inner.id not in scene.cluster.rows


def test_an_error_of_the_body_is_not_hidden_by_the_loss(scene: Scene, client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.lock("/f"):
        scene.lose(client)
        raise ZeroDivisionError


def test_a_call_that_waits_ends_when_the_lock_is_lost(scene: Scene, client: Client) -> None:
    scene.do(lambda: scene.cluster.hold("/g"))
    with pytest.raises(LockLost, match="as a test"), client.lock("/f"):
        timer = threading.Timer(0.1, scene.lose, [client])
        timer.start()
        try:
            client.lock("/g").__enter__()
        finally:
            timer.join()


def test_a_broken_lock_is_noticed_at_the_end_at_the_latest(scene: Scene, client: Client) -> None:
    with pytest.raises(LockLost, match="before its body ended"), client.lock("/f") as lock:
        scene.do(lambda: scene.cluster.drop(lock.id))


def test_an_upgrade(scene: Scene, client: Client) -> None:
    with client.lock("/f", shared=True) as lock:
        with scene.other.lock("/f", shared=True), pytest.raises(NotSoleHolder):
            lock.upgrade()
        before = lock.fence
        lock.upgrade()
        assert lock.fence > before
        client.write_file("/f", b"x")


def test_waiting_for_ones_turn(scene: Scene, client: Client) -> None:
    scene.do(lambda: scene.cluster.hold("/f"))
    with client.waiting(0.05), pytest.raises(Locked):
        client.mkdir("/f")
    timer = threading.Timer(0.1, lambda: scene.do(lambda: scene.cluster.drop(scene.cluster.held()[0])))
    timer.start()
    with client.waiting(10):
        client.mkdir("/f")
    timer.join()
    assert scene.cluster.rows == {}


def test_a_body_is_entered_once(client: Client) -> None:
    body = client.lock("/f")
    with body:
        pass
    with pytest.raises(BadRequest), body:
        pass


def test_an_interrupted_wait_leaves_nothing(scene: Scene, client: Client) -> None:
    scene.do(lambda: scene.cluster.hold("/f"))
    timer = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt), client.lock("/f"):
        raise AssertionError("never")
    timer.join()
    wait_until(lambda: len(scene.cluster.rows) == 1)


def test_an_interruption_just_at_the_grant_leaves_nothing(
    scene: Scene, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Holding) -> None:
        raise KeyboardInterrupt

    client.whoami()
    monkeypatch.setattr(Holding, "check", interrupted)
    with pytest.raises(KeyboardInterrupt), client.lock("/f"):
        raise AssertionError("never")
    monkeypatch.undo()
    wait_until(lambda: scene.cluster.calls["release_locks"] == 1)
    wait_until(lambda: not scene.cluster.rows)


def test_after_a_fork_the_child_shows_the_lock_and_the_parent_keeps_it(scene: Scene) -> None:
    """The child's portal is its own, so here it has a cluster of its own, which is told of the lock."""
    made: list[FakeLocks] = []

    async def connect() -> Filesystem:
        made.append(FakeLocks())
        return made[-1].filesystem()

    client = Client(connect)
    with client.lock("/f") as lock:
        proof = lock.proof
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                text = client.shown_locks()
                with pytest.raises(LockLost):
                    client.mkdir("/d")
                shown = [
                    f"{one.lock}.{one.fence}.{one.incarnation}.{one.token}" for one in made[-1].shown[-1]
                ]
                status = 0 if text == proof and shown == [proof] and not lock.lost else 2
                # Nor does leaving the body give back what is the parent's.
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert made[0].held() == [lock.id]
    client.close()


def test_leaving_the_body_in_a_forked_child_releases_nothing(scene: Scene, client: Client) -> None:
    pid = -1
    with client.lock("/f") as lock:
        pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert scene.cluster.calls["release_locks"] == 1
    assert lock.lost
