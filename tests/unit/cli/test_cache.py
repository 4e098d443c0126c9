"""`cairn cache`: what it says of a cache, and that it empties it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cairnfs.cli import commands
from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.cache.store import Cache
from cairnfs.core.manifest import Chunk, hash_bytes
from cairnfs.errors import BadRequest

MIB = 1024 * 1024


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CAIRN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CAIRN_CACHE_BYTES", str(16 * MIB))
    return tmp_path / "cache"


@pytest.fixture
def filled(directory: Path) -> int:
    """A cache with a chunk, of which it was asked once, and for another; how many bytes it has."""
    content = b"x" * MIB
    cache = Cache(CacheSettings(directory, 16 * MIB), "c" * 32)
    cache.store_many([(hash_bytes(content), content)])
    assert cache.lookup_many([Chunk(hash_bytes(content), MIB), Chunk(hash_bytes(b"y"), 1)]) == [content, None]
    cache.close()
    return MIB


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert commands.dispatch(["cache", *arguments]) == 0
    return capsys.readouterr().out


def test_a_cache_that_is_not_there_yet_is_not_made_by_asking(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(said(capsys, "status", "--json"))
    assert found == {
        "directory": str(directory / "chunks"),
        "used_bytes": 0,
        "limit_bytes": 16 * MIB,
        "entries": 0,
        "hits": 0,
        "misses": 0,
        "hit_bytes": 0,
        "trouble": None,
    }
    assert said(capsys, "clear") == "freed 0 B\n"
    assert not directory.exists()


def test_status_says_what_is_there(directory: Path, filled: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "status", "--json"))
    assert filled <= found["used_bytes"] <= found["limit_bytes"] <= 16 * MIB
    assert (found["entries"], found["hits"], found["misses"], found["hit_bytes"]) == (1, 1, 1, filled)
    lines = said(capsys, "status").splitlines()
    assert lines[0] == f"directory  {directory / 'chunks'}"
    assert lines[2:] == ["entries    1", "found      1 of 2 asked for, 1.0 MB"]


def test_clear_empties_it(directory: Path, filled: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said(capsys, "clear", "--json"))["freed_bytes"] >= filled
    found = json.loads(said(capsys, "status", "--json"))
    assert (found["entries"], found["hits"]) == (0, 0)
    assert found["used_bytes"] < filled


def test_what_was_switched_off_can_be_emptied(
    directory: Path, filled: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIRN_CACHE_BYTES", "0")
    assert json.loads(said(capsys, "status", "--json"))["trouble"] == "it is switched off"
    assert json.loads(said(capsys, "clear", "--json"))["freed_bytes"] >= filled


def test_what_is_no_cache_is_named(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.mkdir()
    (directory / "chunks").symlink_to(tmp_path)
    assert "not used" in said(capsys, "status")
    with pytest.raises(BadRequest, match="cannot be used"):
        commands.dispatch(["cache", "clear"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CAIRN_CACHE_BYTES", "much"), ("CAIRN_CACHE_BYTES", "-1"), ("CAIRN_CACHE_DIR", "relative")],
)
def test_settings_that_mean_nothing_are_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadRequest, match=r"cache|CACHE"):
        commands.dispatch(["cache", "status"])
