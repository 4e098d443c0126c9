"""The table is plain text: aligned, complete, and readable in a pipe."""

from __future__ import annotations

import json

import pytest

from bench.figures import Figure, Limit, Mark
from bench.report import document
from bench.samples import Latency, Runs
from bench.table import number, render

WRITE = Figure(
    name="write 4 KiB, 1 client",
    clients="python",
    unit="files/s",
    runs=Runs((610.0, 590.0, 605.0)),
    latency=Latency(1.6, 3.25, 9.0),
    limit=Limit("appends", Runs((3000.0, 3200.0, 2900.0))),
    mark=Mark(600),
    cpu_us={"clients": 500.0, "control": 400.0},
)
MEMORY = Figure("memory", "kernel", "MB", Runs((412.0,)), mark=Mark(400, at_most=True), note="control 160")


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (12345.6, "12,346"), (99.94, "99.9"), (1.5, "1.50"), (0.07, "0.07"), (0.00123, "0.0012")],
)
def test_numbers_keep_the_digits_that_matter(value: float, written: str) -> None:
    assert number(value) == written


def test_a_line_says_figure_machine_ratio_and_mark() -> None:
    line = next(line for line in render([WRITE, MEMORY]).splitlines() if line.startswith("write"))
    assert " ".join(line.split()) == (
        "write 4 KiB, 1 client python 605 590..610 files/s 1.60/3.25 3,000 0.20 >= 600 yes"
    )


def test_a_missed_mark_stands_out_and_one_run_has_no_span() -> None:
    line = next(line for line in render([WRITE, MEMORY]).splitlines() if line.startswith("memory"))
    assert line.split() == ["memory", "kernel", "412", "MB", "<=", "400", "NO"]


def test_columns_stand_under_their_heads() -> None:
    heads, rule, *rows = render([WRITE, MEMORY]).split("\n\n")[0].splitlines()
    for word in ("unit", "by"):
        at = heads.index(word)
        assert rule[at - 1] == " "
        assert all(row[at - 1] == " " and row[at] != " " for row in rows)


def test_what_stands_beside_is_named_and_processor_time_is_summed() -> None:
    text = render([WRITE, MEMORY])
    assert "write 4 KiB, 1 client: beside appends, 2,900..3,200" in text
    assert "memory: control 160" in text
    assert text.splitlines()[-1].split()[-3:] == ["500", "400", "900"]


def test_the_document_holds_every_run() -> None:
    found = json.loads(document([WRITE, MEMORY], {"cores": 2}))
    assert found["machine"] == {"cores": 2}
    write, memory = found["figures"]
    assert write["runs"] == [610.0, 590.0, 605.0]
    assert write["limit"]["median"] == 3000.0
    assert write["mark"] == {"value": 600, "at_most": False, "met": True}
    assert memory["limit"] is None
    assert memory["mark"]["met"] is False
