"""Workers answer, fail by name, and leave when asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.bursts import parse, rate
from bench.crew import Crew, WorkerFailed


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(os.environ, tmp_path / "workers.log")
    yield crew
    crew.end()


def test_two_workers_append_at_the_same_time_and_leave_nothing(crew: Crew, tmp_path: Path) -> None:
    given = [{"path": str(tmp_path / f"append-{writer}"), "seconds": 0.05} for writer in range(2)]
    bursts = [parse(reply) for reply in crew.together("machine.fsyncs", given)]
    assert rate(bursts) > 0
    assert abs(bursts[0].began - bursts[1].began) < 1.0
    assert [file.name for file in tmp_path.iterdir()] == ["workers.log"]


def test_a_task_that_fails_says_which_and_the_worker_stays(crew: Crew, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed, match=r"machine.read_file: FileNotFoundError"):
        crew.ask("machine.read_file", path=str(tmp_path / "nothing"))
    assert parse(crew.ask("machine.write_file", path=str(tmp_path / "file"), size=4096)).units == 0.004096
