"""Where the cache lies and whose it is: settings, and directories that others have prepared."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cairnfs.client.cache.directory import (
    CacheSettings,
    Unusable,
    open_directory,
    open_file,
    settings,
    usual_bytes,
)
from cairnfs.client.profile import Profile
from cairnfs.errors import BadRequest

ANN = Profile("http://127.0.0.1:7070", "ann", "refresh", "c" * 32)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CAIRN_CACHE_DIR", "CAIRN_CACHE_BYTES", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_usual_place_is_the_users_cache_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings() == CacheSettings(tmp_path / ".cache" / "cairn", None)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert settings().directory == tmp_path / ".cache" / "cairn"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert settings().directory == Path("/elsewhere/cairn")


def test_the_environment_stands_before_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Profile(ANN.url, ANN.user, ANN.refresh_token, ANN.cluster_id, 1000, "/ann")
    assert settings(ann) == CacheSettings(Path("/ann"), 1000)
    monkeypatch.setenv("CAIRN_CACHE_DIR", "/tmp/given")
    monkeypatch.setenv("CAIRN_CACHE_BYTES", "0")
    assert settings(ann) == CacheSettings(Path("/tmp/given"), 0)
    assert settings(ann).off
    assert settings(ANN).directory == Path("/tmp/given")


@pytest.mark.parametrize("given", ["1e9", "-1", "10 GiB", "٣", str(2**60)])
def test_what_is_no_number_of_bytes_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("CAIRN_CACHE_BYTES", given)
    with pytest.raises(BadRequest):
        settings()


def test_the_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    parent = tmp_path / "deep" / "cairn"
    os.close(open_directory(parent))
    for made in (parent, parent / "chunks"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    (parent / "chunks").chmod(0o777)
    os.close(open_directory(parent))
    assert stat.S_IMODE((parent / "chunks").stat().st_mode) == 0o700


def test_a_parent_that_everybody_writes_to_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    os.close(open_directory(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (tmp_path / "chunks").symlink_to(victim)
    with pytest.raises(Unusable):
        open_directory(tmp_path)
    assert list(victim.iterdir()) == []
    assert stat.S_IMODE(victim.stat().st_mode) == 0o755


def test_another_users_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(open_directory(tmp_path))
    (tmp_path / "chunks").chmod(0o777)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(Unusable, match="another user"):
        open_directory(tmp_path)
    assert stat.S_IMODE((tmp_path / "chunks").stat().st_mode) == 0o777, "not ours to change"


@pytest.mark.parametrize("kind", ["symlink", "hard link", "pipe", "directory", "another user's"])
def test_a_file_that_somebody_prepared_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    precious, trap = tmp_path / "precious", tmp_path / "chunks" / "ring"
    precious.write_bytes(b"precious")
    directory = open_directory(tmp_path)
    if kind == "symlink":
        trap.symlink_to(precious)
    elif kind == "hard link":
        os.link(precious, trap)
    elif kind == "pipe":
        os.mkfifo(trap)
    elif kind == "directory":
        trap.mkdir()
    else:
        trap.write_bytes(b"")
        monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises((Unusable, OSError)):
        os.close(open_file(directory, "ring"))
    os.close(directory)
    assert precious.read_bytes() == b"precious"


def test_the_usual_bound_is_a_tenth_of_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Space:
        f_bavail, f_frsize = 1000, 4096

    monkeypatch.setattr(os, "fstatvfs", lambda _: Space)
    assert usual_bytes(0, 0) == 409_600
    assert usual_bytes(0, 4_096_000) == 819_200, "what the cache has taken counts as free"
    Space.f_bavail = 10**12
    assert usual_bytes(0, 0) == 10 * 1024**3
