"""Sessions: their life, and that none is ended while it renews. On every database."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.ids import SessionId, UserId
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import sessions
from cairnfs.metadata.ops.sessions import BeginSession, EndSession, ExpireSessions
from cairnfs.metadata.rows import sessions as rows
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir


def needs(ledger: Ledger, session: SessionId) -> tuple[int, int]:
    row = ledger.read(lambda tx: rows.find(tx, [session]))[session]
    return row.counter, row.needs


def test_a_session_needs_the_commit_at_which_it_began(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(mkdir("/d"))
    session, user = SessionId("s" * 32), ledger.admin.user_id
    began = ledger.do(BeginSession(session, user, "host: put", deadline=NEVER_LATE))
    assert began == (ledger.newest(), 1)
    assert needs(ledger, session) == (0, ledger.newest())
    ledger.do(EndSession(session, UserId(99), deadline=NEVER_LATE))  # somebody else's word
    assert needs(ledger, session)
    ledger.do(EndSession(session, user, deadline=NEVER_LATE))
    ledger.do(EndSession(session, user, deadline=NEVER_LATE))  # again is fine
    assert ledger.read(lambda tx: rows.find(tx, [session])) == {}


def test_a_session_may_need_an_earlier_commit_but_none_below_the_horizon(database: Database) -> None:
    ledger = Ledger(database)
    first = ledger.commit(mkdir("/a")).commit
    second = ledger.commit(mkdir("/b")).commit
    user = ledger.admin.user_id

    def begin(name: str, commit: int) -> int:
        session = SessionId(name * 32)
        assert ledger.do(BeginSession(session, user, "", deadline=NEVER_LATE, needs=commit))[0] == second
        return needs(ledger, session)[1]

    assert begin("a", first) == first
    assert begin("b", second + 1) == second
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", second))
    assert begin("c", first) == second, "what is given up does not come back"


def test_every_renewal_raises_and_none_lowers(database: Database) -> None:
    ledger = Ledger(database)
    session, user = ledger.session, ledger.admin.user_id
    first = ledger.newest()
    second = ledger.commit(mkdir("/d")).commit

    def renew(counter: int, commit: int) -> object:
        return ledger.database.write(lambda tx: sessions.renew(tx, session, user, counter, commit))

    reply = renew(5, second)
    assert (reply.commit, reply.incarnation) == (second, 1)  # type: ignore[attr-defined]
    renew(4, first)  # one that was overtaken on its way, or whose client knows of no others
    assert needs(ledger, session) == (6, second)
    for counter, commit in ((6, second + 1), (6, -1), (-1, second)):
        with pytest.raises(e.BadRequest):
            renew(counter, commit)


def test_only_ones_own_session_is_renewed(database: Database) -> None:
    ledger = Ledger(database)
    for session, user in ((ledger.session, UserId(99)), (SessionId("0" * 32), ledger.admin.user_id)):
        with pytest.raises(e.SessionEnded):
            ledger.database.write(lambda tx, s=session, u=user: sessions.renew(tx, s, u, 1, 0))  # type: ignore[misc]


def test_a_renewal_saves_its_session_from_the_duty(database: Database) -> None:
    ledger = Ledger(database)
    other = ledger.begin(ledger.admin)
    seen = ledger.read(sessions.counters)
    assert sorted(seen) == sorted([(ledger.session, 0, 15_000), (other, 0, 15_000)])
    user = ledger.admin.user_id
    ledger.database.write(lambda tx: sessions.renew(tx, other, user, 1, 0))
    counters = [(session, counter) for session, counter, _ in seen]
    assert ledger.do(ExpireSessions(counters, deadline=NEVER_LATE)) == [ledger.session]
    assert ledger.read(sessions.counters) == [(other, 1, 15_000)]


@pytest.mark.parametrize("label", ["x" * 256, "a\0b"])
def test_labels_are_short(label: str) -> None:
    with pytest.raises(e.BadRequest):
        BeginSession(SessionId("s"), UserId(1), label, deadline=NEVER_LATE)
