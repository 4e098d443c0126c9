"""Trees in the making that were left behind: ended page by page, as if they had been removed."""

from __future__ import annotations

from contextlib import closing

import pytest

from cairnfs.errors import Busy
from cairnfs.ids import NEVER
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import copy_tree, detached
from cairnfs.metadata.ops.detached import AbandonTrees
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.ledger import NEVER_LATE, Ledger, write
from tests.unit.metadata.copying import Copying, planted


@pytest.mark.parametrize("written", [0, 1, 3])
def test_what_a_crash_left_is_ended_an_hour_later(written: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_tree, "PAGE_WEIGHT", 3)
    clock = ManualClock()
    with closing(SqliteDatabase(MEMORY, clock)) as database:
        ledger = Ledger(database)
        planted(ledger)
        copying = Copying(ledger, "/d", "/copy", preserve=True)
        steps = copying.steps()
        for _ in range(1 + written):
            next(steps)
        assert ledger.verify()["detached"] == 1
        ledger.do(EndSession(ledger.session, ledger.admin.user_id, deadline=NEVER_LATE))
        clock.advance(detached.ABANDONED_US / 1e6 - 1)
        ledger.session = ledger.begin(ledger.admin)
        ledger.commit(write("/x", b"x"))
        ledger.do(EndSession(ledger.session, ledger.admin.user_id, deadline=NEVER_LATE))
        assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 0
        clock.advance(2)
        assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 1
        counts = ledger.verify()
        assert (counts["detached"], counts["orphans"]) == (0, 1)
        with pytest.raises(Busy):
            next(steps)
        ledger.reap()
        assert ledger.verify()["orphans"] == 0
        top = copying.begun.top if copying.begun else 0
        alive = f"SELECT count(*) FROM version WHERE inode >= ? AND died = {NEVER}"
        assert ledger.read(lambda tx: tx.row(alive, top)) == (1,)  # of /x


def test_what_was_given_up_waits_for_a_commit_to_end_at(ledger: Ledger) -> None:
    planted(ledger)
    copying = Copying(ledger, "/d", "/copy")
    for _ in copying.steps():
        pass
    assert copying.begun is not None
    top = copying.begun.top
    ledger.database.write(lambda tx: detached.give_up(tx, top))
    assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 0  # it was born by the newest commit
    with pytest.raises(Busy):
        ledger.do(copying.attach())
    ledger.commit(write("/x", b"x"))
    assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 1
    ledger.verify()
    ledger.reap()
    assert ledger.verify()["orphans"] == 0
