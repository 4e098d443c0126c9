"""`cairn lock` over a lock that a test holds in its hands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cairnfs.cli import commands, connection, exits
from cairnfs.client.locks.asked import Asked
from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import LockLost
from cairnfs.wire.locks import LockHolder, LockProof, LockReply

TOKEN = "0123456789abcdef" * 2
OTHERS = f"3.4.1.{'0' * 32}"
PATIENCE_S = 30.0


class FakeHolding:
    """A lock that is held until a test loses it."""

    name = "/x"
    proof = LockProof(lock=7, fence=41, incarnation=1, token=TOKEN)

    def __init__(self) -> None:
        self.lost = False
        self.tell: Callable[[LockLost], None] = lambda error: None
        self.hold = SimpleNamespace(times=LeaseTimes(100, 200, 1200), age_s=lambda: 0.0)

    def when_lost(self, tell: Callable[[LockLost], None]) -> None:
        self.tell = tell

    def lose(self) -> None:
        self.lost = True
        self.tell(LockLost("the lock on /x is lost: it was broken"))


class FakeClient:
    """A client whose one lock is free."""

    def __init__(self) -> None:
        self.holding = FakeHolding()
        self.asked: Asked | None = None
        self.given_back = 0
        self.was_held = True
        self.waits = False
        given = LockProof(lock=3, fence=4, incarnation=1, token="0" * 32)
        control = SimpleNamespace(locks=SimpleNamespace(inherited=(given,)))
        self.files = SimpleNamespace(connection=SimpleNamespace(locks=self, control=control))

    def inside(self) -> tuple[FakeClient, Any]:
        return self, self.files

    def call(self, work: Any) -> Any:
        return asyncio.run(work)

    def post(self, work: Callable[[], object]) -> None:
        work()

    async def take(self, asked: Asked, keeper: object) -> FakeHolding:
        self.asked = asked
        if self.waits:
            holder = LockHolder(lock=6, user="bob", label="host cairn 9", mode="shared", since_us=0)
            assert asked.tell is not None
            asked.tell(LockReply(lock=7, state="waiting", fence=0, incarnation=1, place=2, holder=holder))
        return self.holding

    async def give_back(self, holding: FakeHolding) -> bool:
        self.given_back += 1
        return self.was_held

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.given_back == 1, "the lock is given back before the client is closed"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(connection, "client", lambda url, profile: made)
    monkeypatch.setattr(connection, "address", lambda url, profile: "http://127.0.0.1:7")
    return made


def when(condition: Callable[[], object], act: Callable[[], None]) -> threading.Thread:
    """Do it, beside what goes on, once the condition holds."""

    def wait() -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


class Heard:
    """What the command says, as it says it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self) -> str:
        heard = self._capsys.readouterr()
        self.out += heard.out
        self.err += heard.err
        return self.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_it_is_held_until_a_signal_and_given_back(
    client: FakeClient, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    heard = Heard(capsys)
    sender = when(heard, lambda: os.kill(os.getpid(), number))
    assert commands.dispatch(["lock", "/x", "/y", "--subtree"]) == 0
    sender.join()
    heard()
    assert heard.out == "locked /x and 1 other: exclusive, subtree, lock 7, fence 41\n"
    assert client.given_back == 1
    assert client.asked is not None
    assert (client.asked.paths, client.asked.mode, client.asked.subtree) == (
        [b"/x", b"/y"],
        "exclusive",
        True,
    )
    assert (client.asked.wait_s, client.asked.follow) == (None, True)


def test_the_document_has_the_proof(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    heard = Heard(capsys)
    sender = when(heard, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert commands.dispatch(["lock", "/x", "--shared", "-h", "--wait", "0", "--json"]) == 0
    sender.join()
    heard()
    assert json.loads(heard.out) == {
        "lock": 7,
        "fence": 41,
        "incarnation": 1,
        "mode": "shared",
        "subtree": False,
        "paths": [{"path": "/x"}],
        "proof": f"7.41.1.{TOKEN}",
    }
    assert client.asked is not None
    assert (client.asked.wait_s, client.asked.follow) == (0, False)


def test_who_waits_is_told_for_whom(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.waits = True
    assert commands.dispatch(["lock", "/x", "--", "true"]) == 0
    err = capsys.readouterr().err
    assert err.startswith(
        "cairn: waiting for lock 7, 2nd in line; bob (host cairn 9) is before, shared, since "
    )


def test_a_lock_that_is_lost_ends_the_holding(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    loser = when(Heard(capsys), client.holding.lose)
    with pytest.raises(LockLost) as caught:
        commands.dispatch(["lock", "/x"])
    loser.join()
    assert exits.status_of(caught.value) == exits.CONFLICT
    assert "it was broken" in exits.line_of(caught.value)


def test_a_lock_that_was_lost_unseen_is_told_at_the_end(
    client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.was_held = False
    sender = when(Heard(capsys), lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(LockLost):
        commands.dispatch(["lock", "/x"])
    sender.join()


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137)])
def test_the_commands_status_is_given(client: FakeClient, script: str, status: int) -> None:
    assert commands.dispatch(["lock", "/x", "--", "sh", "-c", script]) == status


def test_the_command_is_told_the_lock_and_the_cluster(
    client: FakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAIRN_PROFILE", raising=False)
    script = f'echo "$CAIRN_LOCK|$CAIRN_URL|$CAIRN_PROFILE" >> {tmp_path}/said'
    for more in ([], ["--profile", "other"]):
        client.given_back = 0
        assert commands.dispatch(["lock", "/x", *more, "--", "sh", "-c", script]) == 0
    proofs = f"{OTHERS},7.41.1.{TOKEN}"
    url = "http://127.0.0.1:7"
    assert (tmp_path / "said").read_text() == f"{proofs}|{url}|\n{proofs}|{url}|other\n"


def test_a_lost_lock_ends_the_command_with_124(
    client: FakeClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loser = when((tmp_path / "ready").exists, client.holding.lose)
    script = f"touch {tmp_path}/ready; exec sleep 60"
    assert commands.dispatch(["lock", "/x", "--", "sh", "-c", script]) == 124
    loser.join()
    err = capsys.readouterr().err
    assert err.startswith("cairn: the lock on /x is lost: it was broken (")
    assert err.endswith("; sh was ended\n")


def test_a_lease_that_is_not_renewed_ends_it_before_it_is_over(
    client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    client.holding.hold.age_s = lambda: time.monotonic() - began
    assert commands.dispatch(["lock", "/x", "--", "sleep", "60"]) == 124
    assert capsys.readouterr().err == "cairn: the lease could not be renewed in time; sleep was ended\n"


def test_a_success_without_the_lock_is_none(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.was_held = False
    assert commands.dispatch(["lock", "/x", "--", "true"]) == 124
    assert "the lock on /x was lost before the end" in capsys.readouterr().err


def test_what_is_no_program_gives_the_lock_back(client: FakeClient, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.write_bytes(b"\x7fnot a program")
    odd.chmod(0o755)
    assert commands.dispatch(["lock", "/x", "--", str(odd)]) == 126
    assert client.given_back == 1
