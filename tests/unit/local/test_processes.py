"""A process of the cluster: how its start, its death and its last word are told.

That it serves, and is stopped and found again, is seen with real servers in tests/scenarios.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cairnfs.errors import Unavailable
from cairnfs.local.paths import ClusterPlaces
from cairnfs.local.processes import Process, ending, tail


def test_a_process_that_was_never_started_does_not_run(tmp_path: Path) -> None:
    process = Process(ClusterPlaces(tmp_path), "control")
    assert process.pid() is None
    assert process.died() is None
    with pytest.raises(Unavailable, match="control has ended"):
        process.require_alive()
    assert not process.wait_until_gone(process.ask_to_stop())


def test_a_process_that_cannot_start_is_told_with_its_last_word(tmp_path: Path) -> None:
    process = Process(ClusterPlaces(tmp_path), "fileserver-1")
    process.start(["fileserver", "--control", "http://127.0.0.1:9", "--port", "70000", "--dir", "x"])
    with pytest.raises(Unavailable) as caught:
        process.wait_until_ready()
    assert "ended with status 2: --port takes 0 to 65535" in caught.value.detail
    assert str(tmp_path / "log" / "fileserver-1.log") in caught.value.hint
    assert process.died() == 2


def test_secrets_of_the_environment_stay_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_PASSWORD", "hunter2")
    process = Process(ClusterPlaces(tmp_path), "control")
    process.start(["--help"])
    environment = Path(f"/proc/{process.child_pid}/environ")
    try:
        content = environment.read_bytes()
    except OSError:
        content = b""  # it has ended already
    assert b"hunter2" not in content
    with pytest.raises(Unavailable, match="has stopped"):
        process.wait_until_ready()


def test_a_large_log_is_put_aside_before_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnfs.local.processes._LOG_KEEP_BYTES", 10)
    places = ClusterPlaces(tmp_path)
    places.log("control").parent.mkdir()
    places.log("control").write_text("a long story\n")
    process = Process(places, "control")
    process.start(["--nonsense"])
    with pytest.raises(Unavailable):
        process.wait_until_ready()
    assert (tmp_path / "log" / "control.log.old").read_text() == "a long story\n"
    assert "a long story" not in places.log("control").read_text()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "has stopped"),
        (3, "ended with status 3"),
        (-9, "was ended by SIGKILL"),
        (-200, "ended with status -200"),
    ],
)
def test_an_ending_in_words(status: int, words: str) -> None:
    assert ending(status) == words


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 20_000 + b"\none\ntwo\xff\n")
    assert tail(tmp_path / "log", 2) == ["one", "two\ufffd"]
    assert tail(tmp_path / "none", 2) == []
