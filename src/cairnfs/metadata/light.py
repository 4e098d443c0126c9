"""Small writes that leave the clock alone, and reads: many in one database tx each.

What belongs here: running functions together, and alone after one of them failed. What does not:
operations under the clock (`batch.py`), threads and futures (`lane.py`).

Threads: `write` the committer's alone; `read` any number of readers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cairnfs.errors import CairnError, Internal, OutcomeUnknown
from cairnfs.metadata.batch import Outcome, RefusedAfterChange, give_up, meaning, publish
from cairnfs.metadata.databases.seam import Again, CommitUnknown, Database, Tx
from cairnfs.metadata.databases.watched import Watched
from cairnfs.metadata.lane import Task
from cairnfs.metadata.patience import Patience

Function = Callable[[Tx], Any]


class Together:
    """Runs functions against a database until every task has an answer."""

    def __init__(self, database: Database, patience: Callable[[], Patience]) -> None:
        self._database = database
        self._patience = patience

    def write(self, tasks: Sequence[Task[Function]]) -> None:
        """Renewals, heartbeats, logins: independent of each other and of the clock."""
        patience = self._patience()
        while True:
            try:
                outcomes = self._database.write(lambda tx: _each(tasks, tx))
            except CommitUnknown as error:
                for task in tasks:
                    task.refuse(OutcomeUnknown(error.detail))
                return
            except Again as error:
                if not patience.pause():
                    give_up(tasks, error)
                    return
            except Exception as error:  # noqa: BLE001  (whatever it was, the tx was rolled back)
                if len(tasks) == 1:
                    tasks[0].refuse(meaning(error))
                    return
                for task in tasks:
                    self.write([task])
                return
            else:
                publish(tasks, outcomes)
                return

    def read(self, tasks: Sequence[Task[Function]]) -> None:
        """All in one snapshot, which began after each of them was asked."""
        try:
            outcomes = self._database.read(lambda tx: _each(tasks, tx))
        except Again as error:
            give_up(tasks, error)
        except Exception as error:  # noqa: BLE001  (whoever asked must be told something)
            if len(tasks) == 1:
                tasks[0].refuse(meaning(error))
                return
            for task in tasks:
                self.read([task])
        else:
            publish(tasks, outcomes)


def _each(tasks: Sequence[Task[Function]], tx: Tx) -> list[Outcome]:
    watched, outcomes = Watched(tx), []
    for task in tasks:
        changes = watched.changes
        try:
            outcomes.append(Outcome(task.asked(watched)))
        except Internal:
            raise
        except CairnError as error:
            if watched.changes != changes:
                raise RefusedAfterChange(error) from error
            outcomes.append(Outcome(error=error))
    return outcomes
