"""A client process of the bench: `python -m bench.worker`, started by `crew.py`.

It reads orders from standard input and answers on what was standard output; whatever else would
print there goes to standard error, so that no library can disturb the conversation.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable

from bench import chunk_tasks, lock_tasks, machine, tasks


def ready() -> None:
    """Nothing: that it is answered says that this process has started."""


_TASKS: dict[str, Callable[..., object]] = {
    "ready": ready,
    **machine.TASKS,
    **tasks.TASKS,
    **chunk_tasks.TASKS,
    **lock_tasks.TASKS,
}


def main() -> None:
    """Obey until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        task, given = json.loads(line)
        try:
            outcome = {"done": _TASKS[task](**given)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
            traceback.print_exc()
            outcome = {"failed": f"{task}: {type(error).__name__}: {error}"}
        answers.write(json.dumps(outcome) + "\n")
        answers.flush()
    tasks.close()


if __name__ == "__main__":
    main()
