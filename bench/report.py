"""The bench's result as a JSON document, for those who compare runs. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bench.figures import Figure
from bench.samples import Runs


def document(figures: Sequence[Figure], machine: Mapping[str, object]) -> str:
    """One document: what the machine is, and every figure with all its runs."""
    return json.dumps(
        {"machine": dict(machine), "figures": [_figure(figure) for figure in figures]}, indent=2
    )


def _figure(figure: Figure) -> dict[str, object]:
    limit = figure.limit
    return {
        "name": figure.name,
        "clients": figure.clients,
        "unit": figure.unit,
        **_runs(figure.runs),
        "latency_ms": None
        if figure.latency is None
        else {
            "p50": figure.latency.p50_ms,
            "p99": figure.latency.p99_ms,
            "max": figure.latency.max_ms,
        },
        "limit": None if limit is None else {"name": limit.name, **_runs(limit.runs)},
        "ratio": figure.ratio,
        "mark": None
        if figure.mark is None
        else {"value": figure.mark.value, "at_most": figure.mark.at_most, "met": figure.met},
        "cpu_us": dict(figure.cpu_us),
        "note": figure.note,
    }


def _runs(runs: Runs) -> dict[str, object]:
    return {"median": runs.median, "min": runs.least, "max": runs.most, "runs": list(runs.values)}
