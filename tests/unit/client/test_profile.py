"""The profile: whole, private, and shared by processes without their losing each other's tokens."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cairnfs.client import profile, saved
from cairnfs.client.profile import Profile, SavedToken
from cairnfs.clock import SystemClock
from cairnfs.errors import BadRequest, TokenInvalid, Unauthenticated
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Caller, Context, application
from cairnfs.wire import auth, endpoints

ANN = Profile("http://127.0.0.1:7070", "ann", "refresh-0", "c" * 32)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration directory of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "cairn"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_kept_and_forgotten(config: Path) -> None:
    assert profile.load() is None
    profile.save(ANN)
    assert profile.load() == ANN
    profile.save_token(SavedToken(ANN.url, ANN.user, "t", 5))
    profile.remove()
    assert profile.load() is None
    assert profile.load_token() is None
    profile.remove()


def test_wishes_for_the_cache_are_kept_with_it(config: Path) -> None:
    profile.save(ANN)
    assert "cache" not in profile.file().read_text()
    wishes = replace(ANN, cache_bytes=0, cache_dir="/elsewhere")
    profile.save(wishes)
    assert profile.load() == wishes
    reply = auth.TokenReply(user="ann", role="user", token="t", expires_at_us=5, refresh_token="refresh-1")
    saved.keep(replace(wishes, refresh_token="refresh-1"), reply, None)
    assert profile.load() == replace(wishes, refresh_token="refresh-1")


def test_nobody_else_can_read_it(config: Path) -> None:
    profile.save(ANN)
    profile.save_token(SavedToken(ANN.url, ANN.user, "t", 5))
    assert mode(config) == 0o700
    assert mode(profile.file()) == 0o600
    assert mode(profile.token_file()) == 0o600
    assert [path.name for path in config.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_written_is_called_by_its_name(config: Path) -> None:
    profile.require_writable()
    assert list(config.iterdir()) == []
    profile.file("x").parent.write_text("no directory")
    with pytest.raises(OSError, match="profiles'"):
        profile.save(ANN, "x")
    with pytest.raises(OSError, match="profiles'"):
        profile.require_writable("x")


def test_secrets_do_not_show() -> None:
    assert "refresh-0" not in repr(ANN)
    assert "secret" not in repr(SavedToken("u", "ann", "secret", 5))


def test_profiles_have_names() -> None:
    profile.save(ANN, "work")
    assert profile.load() is None
    assert profile.load("work") == ANN
    with pytest.raises(BadRequest):
        profile.load("../elsewhere")


@pytest.mark.parametrize("content", ["no toml [", 'url = "x"', "\0", 'url = 5\nuser = "a"\n', ""])
def test_a_damaged_file_is_an_error_with_a_way_out(config: Path, content: str) -> None:
    profile.save(ANN)
    profile.file().write_text(content)
    with pytest.raises(BadRequest) as caught:
        profile.load()
    assert "cairn login" in caught.value.hint


def test_a_damaged_token_is_as_good_as_none(config: Path) -> None:
    profile.save(ANN)
    profile.token_file().write_text("{")
    assert profile.load_token() is None


def test_the_directory_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert profile.config_dir() == tmp_path / ".config" / "cairn"


class Auth:
    """An auth service whose refresh tokens each work once."""

    def __init__(self) -> None:
        self.valid = "refresh-0"
        self.exchanges = 0
        self.clock = SystemClock()
        app = application(
            endpoints=[endpoints.REFRESH],
            handlers={"refresh": self.refresh},
            authenticate=self.nobody,
            clock=self.clock,
            title="auth",
        )
        self.transport = InProcessTransport({ANN.url: app})

    def nobody(self, token: str) -> Caller:
        raise TokenInvalid

    async def refresh(self, context: Context, request: auth.RefreshRequest) -> auth.TokenReply:
        if request.refresh_token != self.valid:
            raise TokenInvalid
        self.exchanges += 1
        self.valid = f"refresh-{self.exchanges}"
        return auth.TokenReply(
            user="ann",
            role="user",
            token=f"token-{self.exchanges}",
            expires_at_us=self.clock.now_us() + 900_000_000,
            refresh_token=self.valid,
        )


async def test_many_calls_and_processes_make_one_exchange(config: Path) -> None:
    service = Auth()
    profile.save(ANN)
    sources = [saved.tokens(service.transport, service.clock, ANN, None) for _ in range(4)]
    got = await asyncio.gather(*(source.token() for source in sources for _ in range(5)))
    assert set(got) == {"token-1"}
    assert service.exchanges == 1
    after = profile.load()
    assert after is not None
    assert after.refresh_token == "refresh-1"


async def test_the_next_command_needs_no_exchange(config: Path) -> None:
    service = Auth()
    profile.save(ANN)
    await saved.tokens(service.transport, service.clock, ANN, None).token()
    again = profile.load()
    assert again is not None
    assert await saved.tokens(service.transport, service.clock, again, None).token() == "token-1"
    assert service.exchanges == 1


async def test_a_refused_token_is_replaced_by_one_exchange_for_all(config: Path) -> None:
    service = Auth()
    profile.save(ANN)
    sources = [saved.tokens(service.transport, service.clock, ANN, None) for _ in range(3)]
    first = await sources[0].token()
    assert await asyncio.gather(*(source.refused(first) for source in sources)) == [True] * 3
    assert service.exchanges == 2
    assert {await source.token() for source in sources} == {"token-2"}


async def test_a_token_of_another_user_or_cluster_does_not_count(config: Path) -> None:
    service = Auth()
    profile.save(ANN)
    profile.save_token(SavedToken("http://other", "ann", "other", service.clock.now_us() * 2))
    assert await saved.tokens(service.transport, service.clock, ANN, None).token() == "token-1"


async def test_a_login_that_is_over_asks_to_log_in(config: Path) -> None:
    service = Auth()
    service.valid = "something else"
    profile.save(ANN)
    with pytest.raises(Unauthenticated) as caught:
        await saved.tokens(service.transport, service.clock, ANN, None).token()
    assert "cairn login" in caught.value.hint
