"""The law of locks under a machine that locks at random, and laws with faults, which it finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from cairnfs.core.locks.table import Table
from tests.unit.core.locks.machine import Locking
from tests.unit.core.locks.planted_laws import PLANTED

TestTheLaw = Locking.TestCase
TestTheLaw.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("law", PLANTED, ids=lambda law: law.__name__)
def test_the_machine_finds(law: type[Table]) -> None:
    machine = type(law.__name__, (Locking,), {"table_of": law})
    # The example need not be small here, only found.
    quick = settings(
        max_examples=2_000,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=quick)
