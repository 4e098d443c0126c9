"""What is too old to count is forgotten a page a turn, by whoever leads."""

from __future__ import annotations

import pytest

from cairnfs.control.duties.forgetting import Forgetting
from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.errors import Aborted
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.locks import broken
from tests.unit.control.plane import Plane, plane

DAY_S = 24 * 3600


def rows(made: Plane, table: str) -> int:
    return int(made.database.read(lambda tx: tx.rows(f"SELECT count(*) FROM {table}"))[0][0])


async def test_locks_that_were_broken_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken, "KEPT", 10)

    def plant(tx: Tx) -> None:
        for number in range(1, 26):
            tx.run("INSERT INTO broken_lock VALUES (?, 1, 1, 1, ?, '')", number, number)

    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        made.database.write(plant)
        duty = Forgetting(made.app.driver)
        with pytest.raises(Aborted):
            await duty.turn(Term(0))
        assert rows(made, "broken_lock") == 25
        assert await duty.turn(Term(1))
        assert not await duty.turn(Term(1))
        kept = made.database.read(lambda tx: tx.rows("SELECT id FROM broken_lock ORDER BY id"))
        assert kept == [(number,) for number in range(16, 26)]


async def test_nonces() -> None:
    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        await made.signup("ann")
        duty = Forgetting(made.app.driver)
        assert not await duty.turn(Term(1)), "nothing is old yet"
        assert rows(made, "nonce") > 0
        made.clock.advance(2 * DAY_S)
        assert await duty.turn(Term(1))
        assert rows(made, "nonce") == 0
