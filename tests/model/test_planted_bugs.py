"""The model is only worth something if it finds bugs: here it must find each of the planted ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing import planted_metadata, planted_namespace
from cairnfs.testing.ledger import Ledger
from tests.model.filesystem import machine

BUGS = (*planted_metadata.BUGS, *planted_namespace.BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: str(bug.__name__))
def test_the_model_finds(bug: Callable[[], AbstractContextManager[None]]) -> None:
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        ledger = Ledger(database)
        searching = seed(20)(machine(ledger))
        with bug(), pytest.raises(Exception) as found:  # noqa: PT011  (any failure is a find)
            run_state_machine_as_test(
                searching,
                settings=settings(
                    max_examples=400,
                    stateful_step_count=12,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
    # Running out of time, or a machine that draws differently the second time, finds nothing.
    assert not isinstance(found.value, HypothesisException), found.value
    print(f"found: {type(found.value).__name__}: {str(found.value)[:200]}")
