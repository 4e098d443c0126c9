"""Figures as text: one aligned table, the same on a terminal and in a pipe. Pure.

What belongs here: how numbers are written. What does not: where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.figures import Figure, Mark
from bench.samples import Latency, Runs

_HEADS = ("what", "by", "median", "min..max", "unit", "p50/p99 ms", "machine", "ratio", "mark", "met")
#: Columns of words; all others are numbers, and stand at the right.
_WORDS = frozenset({"what", "by", "unit", "met"})
_GAP = "  "


def number(value: float) -> str:
    """Three digits that matter, thousands apart, nothing after the point from a hundred on."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def render(figures: Sequence[Figure]) -> str:
    """The table, the limits' names below it, then processor time where it was measured."""
    rows = [_row(figure) for figure in figures]
    parts = [aligned(_HEADS, rows, _WORDS)]
    notes = [f"  {figure.name}: {'; '.join(said)}" for figure in figures if (said := _said(figure))]
    if notes:
        parts.append("\n".join(["machine and notes", *notes]))
    spent = [figure for figure in figures if figure.cpu_us]
    if spent:
        parts.append("processor time per operation, microseconds\n" + _spent(spent))
    return "\n\n".join(parts)


def aligned(heads: Sequence[str], rows: Iterable[Sequence[str]], words: Iterable[str]) -> str:
    """Columns under their heads, a line between; `words` names the columns that stand at the left."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    left = [head in set(words) for head in heads]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(line, widths, left) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    padded = (
        cell.ljust(width) if at_left else cell.rjust(width)
        for cell, width, at_left in zip(cells, widths, left, strict=True)
    )
    return _GAP.join(padded).rstrip()


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        figure.clients,
        number(figure.runs.median),
        _span(figure.runs),
        figure.unit,
        _times(figure.latency),
        "" if figure.limit is None else number(figure.limit.runs.median),
        "" if figure.ratio is None else number(figure.ratio),
        _mark(figure.mark),
        {True: "yes", False: "NO", None: ""}[figure.met],
    )


def _span(runs: Runs) -> str:
    return "" if len(runs.values) < 2 else f"{number(runs.least)}..{number(runs.most)}"


def _times(latency: Latency | None) -> str:
    return "" if latency is None else f"{number(latency.p50_ms)}/{number(latency.p99_ms)}"


def _mark(mark: Mark | None) -> str:
    if mark is None:
        return ""
    return f"{'<=' if mark.at_most else '>='} {number(mark.value)}"


def _said(figure: Figure) -> list[str]:
    said = []
    if figure.limit is not None:
        said.append(f"beside {figure.limit.name}, {_span(figure.limit.runs) or 'one run'}")
    if figure.note:
        said.append(figure.note)
    return said


def _spent(figures: Sequence[Figure]) -> str:
    who = list(dict.fromkeys(name for figure in figures for name in figure.cpu_us))
    rows = (
        (
            figure.name,
            *(number(figure.cpu_us.get(name, 0)) for name in who),
            number(sum(figure.cpu_us.values())),
        )
        for figure in figures
    )
    return aligned(("what", *who, "all"), rows, ("what",))
