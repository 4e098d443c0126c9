"""Cairn's operations against a dictionary, on every database.

Commits of several operations, several commits in one tx, refusals that must leave nothing, recursive
removal with reaping in between, and every earlier commit read back as it was. Each example ends with
the verification of the whole database.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from cairnfs.metadata.databases.seam import Database
from cairnfs.testing.ledger import Ledger
from tests.model.filesystem import machine

EXAMPLES = {"sqlite": 60, "postgresql": 20}


def test_cairn_is_a_dictionary_with_a_history(database: Database) -> None:
    run_state_machine_as_test(
        machine(Ledger(database)),
        settings=settings(
            max_examples=EXAMPLES[database.kind],
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
