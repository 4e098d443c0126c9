"""Connecting: what counts when several things are there; accounts and their profiles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import cairnfs
from cairnfs.client import account, profile
from cairnfs.client.connecting import checked_url, label
from cairnfs.client.portal import portal
from cairnfs.client.profile import Profile
from cairnfs.errors import (
    BadCredentials,
    BadRequest,
    Exists,
    ForeignCluster,
    LockLost,
    Unauthenticated,
    Unreachable,
)
from cairnfs.net.serving import Server
from cairnfs.testing.cluster import Cluster, cluster

NOWHERE = "http://127.0.0.1:9"


class Scene:
    """A cluster whose control plane listens on a real port, on the portal's loop."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        here: Cluster = await self._stack.enter_async_context(cluster(fileservers=1, copies=1))
        server = Server(here.control.asgi, host="127.0.0.1", port=0)
        await server.start()
        self._stack.push_async_callback(server.stop)
        self.url = f"http://127.0.0.1:{server.port}"

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where a cluster serves."""
    scene = Scene()
    portal().call(scene.start())
    yield scene.url
    portal().call(scene.stop())


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile, and nothing in the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CAIRN_URL", raising=False)
    monkeypatch.delenv("CAIRN_TOKEN", raising=False)
    monkeypatch.delenv("CAIRN_LOCK", raising=False)


def test_nothing_known_says_what_to_do() -> None:
    with pytest.raises(Unauthenticated) as caught:
        cairnfs.connect()
    assert "cairn up" in caught.value.hint
    with pytest.raises(Unauthenticated):
        cairnfs.connect(url=NOWHERE)
    with pytest.raises(Unauthenticated, match="work"):
        cairnfs.connect("work")


@pytest.mark.parametrize(
    "given",
    ["http://h:1", "http://h:1/", " h:1 ", "https://h.example", "http://[::1]:7070", "HTTP://H_1:65535"],
)
def test_addresses(given: str) -> None:
    assert checked_url(given).startswith(("http://", "https://"))
    assert not checked_url(given).endswith("/")
    assert checked_url(checked_url(given)) == checked_url(given)


NO_SCHEME = ["ftp://h", "http://", "://", ""]
NO_HOST = ["http://h/path", "http://u:p@h", "http://h h", "http://[::1", "::1", "[h]:1"]
NO_PORT = ["http://h:", "h:port", "h:0", "h:65536"]


@pytest.mark.parametrize("given", [*NO_SCHEME, *NO_HOST, *NO_PORT])
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(BadRequest):
        checked_url(given)


def test_a_password_alone_is_enough(url: str) -> None:
    account.signup(url, "ann", "correct horse", profile="made")
    with cairnfs.connect(url=url, user="ann", password="correct horse") as files:
        assert files.whoami().user == "ann"
    with pytest.raises(BadCredentials):
        cairnfs.connect(url=url, user="ann", password="wrong")
    with pytest.raises(BadRequest):
        cairnfs.connect(url=url, user="ann")
    assert profile.load() is None


def test_sign_up_log_out_log_in(url: str) -> None:
    made = account.signup(url, "ben", "correct horse")
    assert made == profile.load()
    assert (made.url, made.user) == (url, "ben")
    with cairnfs.connect() as files:
        assert files.whoami().home == "/home/ben"
    with pytest.raises(Exists):
        account.signup(url, "ben", "another horse", profile="other")
    account.logout()
    assert profile.load() is None
    assert profile.load_token() is None
    with pytest.raises(Unauthenticated):
        account.logout()
    with pytest.raises(BadCredentials):
        account.login(url, "ben", "wrong")
    assert profile.load() is None
    account.login(url, "ben", "correct horse")
    with cairnfs.connect() as files:
        assert files.whoami().user == "ben"


def test_where_no_login_can_be_saved_nothing_is_asked_for(url: str, tmp_path: Path) -> None:
    (tmp_path / "cairn").write_text("a file in the directory's place")
    with pytest.raises(OSError, match="cairn"):
        account.signup(url, "hal", "correct horse")
    (tmp_path / "cairn").unlink()
    account.signup(url, "hal", "correct horse")
    assert sorted(path.name for path in (tmp_path / "cairn").iterdir()) == ["profile.token", "profile.toml"]


def test_a_new_login_revokes_the_one_it_replaces(url: str) -> None:
    before = account.signup(url, "eve", "correct horse")
    account.login(url, "eve", "correct horse")
    profile.save(before, "old")
    with pytest.raises(Unauthenticated), cairnfs.connect("old") as files:
        files.whoami()


def test_a_new_password_counts_at_once(url: str) -> None:
    account.signup(url, "cat", "correct horse")
    with pytest.raises(BadCredentials):
        account.change_password("wrong", "new horse battery")
    account.change_password("correct horse", "new horse battery")
    with cairnfs.connect() as files:
        assert files.whoami().user == "cat"
    with pytest.raises(BadCredentials):
        account.login(url, "cat", "correct horse", profile="x")
    account.login(url, "cat", "new horse battery", profile="x")


def test_the_environment_stands_before_the_profile(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account.signup(url, "dan", "correct horse")
    monkeypatch.setenv("CAIRN_URL", NOWHERE)
    with pytest.raises(Unauthenticated):
        cairnfs.connect()
    saved = profile.load_token()
    assert saved is not None
    monkeypatch.setenv("CAIRN_TOKEN", saved.token)
    with cairnfs.connect() as files, pytest.raises(Unreachable):
        files.whoami()
    with cairnfs.connect(url=url) as files:
        assert files.whoami().user == "dan"
    profile.remove()
    monkeypatch.setenv("CAIRN_URL", url)
    with cairnfs.connect() as files:
        assert files.whoami().user == "dan"


def test_another_cluster_at_the_same_address_is_noticed(url: str) -> None:
    account.signup(url, "fay", "correct horse")
    known = profile.load()
    assert known is not None
    profile.save(Profile(known.url, known.user, known.refresh_token, "0" * 32))
    with cairnfs.connect() as files, pytest.raises(ForeignCluster):
        files.write_file("/home/fay/f", b"x")


def test_a_cluster_that_is_away_does_not_keep_a_profile_alive(url: str) -> None:
    known = account.signup(url, "gus", "correct horse")
    profile.save(Profile(NOWHERE, "gus", known.refresh_token, known.cluster_id))
    with pytest.raises(cairnfs.errors.Unavailable, match="could not be revoked"):
        account.logout()
    assert profile.load() is None


async def test_the_asynchronous_face_is_the_same(url: str) -> None:
    with pytest.raises(BadCredentials):
        await cairnfs.connect_async(url=url, user="nobody", password="x")
    with pytest.raises(Unauthenticated):
        await cairnfs.connect_async(url=url)


def test_the_label_tells_people_who_it_is() -> None:
    assert len(label().split()) >= 3


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/usr/bin/cairn", "lock", "/secret"], ["cairn", "lock"]),
        (["/x/cairnfs/cli/__main__.py", "put", "-", "/secret"], ["cairn", "put"]),
        (["cairn", "--version"], ["cairn"]),
        (["/x/other.py", "secret"], ["other.py"]),
        ([""], ["python"]),
        ([], ["python"]),
    ],
)
def test_the_label_tells_the_command_and_nothing_else(
    argv: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert label().split()[1:] == [*words, str(os.getpid())]


def test_a_child_process_commits_under_its_parents_lock(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account.signup(url, "ivy", "correct horse")
    script = "import cairnfs; cairnfs.connect().chmod('/home/ivy/d', 0o700)"
    child = [sys.executable, "-c", script]
    with cairnfs.connect() as files:
        files.mkdir("/home/ivy/d")
        with files.lock("/home/ivy/d") as lock:
            refused = subprocess.run(child, capture_output=True, check=False)
            assert b"Locked" in refused.stderr
            subprocess.run(child, check=True, env={**os.environ, "CAIRN_LOCK": files.shown_locks()})
            assert files.stat("/home/ivy/d").mode == 0o700
            monkeypatch.setenv("CAIRN_LOCK", lock.proof)
            with cairnfs.connect() as second:
                assert second.shown_locks() == lock.proof
                second.chmod("/home/ivy/d", 0o711)
        with cairnfs.connect() as third, pytest.raises(LockLost):
            third.mkdir("/home/ivy/e")
        files.mkdir("/home/ivy/e")


@pytest.mark.parametrize("written", ["1.2.3", "x" * 40, "1.2.3." + "E" * 32])
def test_what_cairn_lock_holds_is_checked_and_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("CAIRN_LOCK", f"1.2.3.{'e' * 32},{written}")
    with pytest.raises(BadRequest) as caught:
        cairnfs.connect(url=url, token="any")
    assert "CAIRN_LOCK" in str(caught.value)
    assert "e" * 32 not in f"{caught.value} {caught.value.hint}"
    monkeypatch.setenv("CAIRN_LOCK", "")
    cairnfs.connect(url=url, token="any").close()
