"""What the command line understands, before any cluster is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cairnfs.cli import commands
from cairnfs.errors import BadRequest, CairnError, NotFound


def complaint(*arguments: str) -> CairnError:
    with pytest.raises(CairnError) as caught:
        commands.dispatch(list(arguments))
    return caught.value


@pytest.mark.parametrize("name", [name for name in commands.NAMES if name != "serve"])
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: cairn {name}")
    assert "list[str]" not in text


def test_the_help_names_every_command_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in commands.NAMES:
        assert any(line.split()[:1] == [name] and line.endswith(".") for line in lines), name


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch([]) == 0
    assert capsys.readouterr().out.startswith("Usage: cairn")


def test_the_version_is_said_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch(["version"]) == 0
    assert commands.dispatch(["--version"]) == 0
    one, two = capsys.readouterr().out.splitlines()
    assert one == two
    assert one.startswith("cairn ")


def test_an_unknown_command_says_where_the_help_is() -> None:
    error = complaint("lss")
    assert isinstance(error, BadRequest)
    assert error.detail == "no such command 'lss'"
    assert error.hint == "see: cairn --help"


def test_an_unknown_option_says_where_the_help_is() -> None:
    error = complaint("put", "--frobnicate", "a", "/b")
    assert "--frobnicate" in error.detail
    assert error.hint == "see: cairn put --help"


def test_a_missing_argument_is_named() -> None:
    assert "TARGET" in complaint("mv", "/a").detail or "SOURCE" in complaint("mv", "/a").detail


def test_a_number_is_needed_where_one_is_needed() -> None:
    assert complaint("up", "--port", "high").exit_status == 2


@pytest.mark.parametrize("at", ["-5", "5x", "2026-11-22", "2026-11-22T10:00", "", " 41"])
@pytest.mark.parametrize("verb", [["ls"], ["stat"], ["cat"], ["get", "/x"]], ids=lambda verb: verb[0])
def test_what_is_no_moment_is_a_usage_error(verb: list[str], at: str) -> None:
    assert complaint(verb[0], "--at", at, *verb[1:], "/x").exit_status == 2


def test_waiting_for_anything_but_ready_is_a_usage_error() -> None:
    assert complaint("status", "--wait", "dawn").exit_status == 2


def test_a_relative_path_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = complaint("cat", "x")
    assert error.exit_status == 2
    assert error.path == "x"


def test_without_a_login_the_way_to_one_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CAIRN_URL", raising=False)
    monkeypatch.delenv("CAIRN_TOKEN", raising=False)
    error = complaint("ls", "/")
    assert error.exit_status == 4
    assert "cairn login" in error.hint


def test_there_is_no_cluster_to_stop(tmp_path: Path) -> None:
    error = complaint("down", "--data", str(tmp_path / "none"))
    assert isinstance(error, NotFound)
    assert str(tmp_path / "none") in str(error)


def test_the_paths_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert commands.dispatch(["paths", "--data", str(tmp_path / "data")]) == 0
    found = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert found["data"] == str(tmp_path / "data")
    assert found["cluster"] == str(tmp_path / "data" / "cluster.toml")
    assert found["profile"] == str(tmp_path / "config" / "cairn" / "profile.toml")


def run(*arguments: bytes | str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "cairnfs.cli", *arguments],
        capture_output=True,
        env=os.environ | environ,
        check=False,
    )


def test_an_error_is_one_line_and_a_status() -> None:
    ended = run("cat", b"bytes \xff\n")
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert ended.stderr == b"cairn: bytes \\xff\\n: a path starts with /\n"


def test_a_traceback_is_shown_to_those_who_ask() -> None:
    assert b"Traceback" not in run("cat", "x").stderr
    ended = run("cat", "x", CAIRN_DEBUG="1")
    assert b"Traceback" in ended.stderr
    assert ended.returncode == 2


def test_a_reader_who_goes_leaves_no_complaint() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cairnfs.cli", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_full_disk_under_the_output_is_an_error() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "cairnfs.cli", "version"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ended.returncode == 7
    assert ended.stderr == b"cairn: no space left on device (free space on this machine)\n"


def test_a_server_starts_without_what_only_commands_need() -> None:
    code = (
        "import sys; sys.argv = ['cairn', 'serve', 'fileserver']\n"
        "from cairnfs.cli.main import run; run()\n"
        "print(sorted({'typer', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n"
    assert "--control" in ended.stderr


def test_a_command_starts_without_what_only_some_need() -> None:
    code = (
        "import sys\n"
        "from cairnfs.cli import commands, main; main.guarded(lambda: commands.dispatch(['version']))\n"
        "print(sorted({'rich', 'pydantic', 'httptools', 'structlog'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines()[-1] == "[]"
