"""What is done to a namespace when its size is measured does what it says."""

from __future__ import annotations

import random
from contextlib import closing

from bench.scale_work import WORK, Namespace
from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase


def test_every_operation_on_a_small_namespace(seed: int) -> None:
    rng = random.Random(seed)
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        namespace = Namespace(database)
        empty = namespace.bytes()
        assert list(namespace.build(400)) == [0, 200]
        assert namespace.bytes() > empty
        units = {work.name: work.prepare(namespace, rng)() for work in (*WORK, *WORK)}
        assert units.pop("du, a page") > 200
        assert set(units.values()) == {1}
        namespace.remove_all()
        assert namespace.reap(100) >= 100
        assert namespace.reap(10_000) > 0
        assert namespace.reap(10_000) == 0
        namespace.ledger.verify()
