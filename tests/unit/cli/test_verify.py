"""`cairn verify` adds up what many answers say, and says each thing once."""

from __future__ import annotations

from cairnfs.cli import verify
from cairnfs.cli.verify import Checked
from cairnfs.wire.verification import Finding, VerifyDatabaseReply, VerifyGroupsReply

AWAY = Finding(invariant="unreachable", detail="fileserver 1 cannot be asked: it is down")


def lost(chunk: str) -> Finding:
    return Finding(invariant="chunk_lost", detail=f"no member of group 3 has a good copy of {chunk}")


def checked(*answers: list[Finding]) -> Checked:
    counts = {"inodes": 5, "names": 4, "versions": 9, "invariants": 10}
    made = Checked(VerifyDatabaseReply(commit=7, counts=counts, findings=[]))
    for findings in answers:
        made.add(
            VerifyGroupsReply(
                chunks=2, bytes=500, copies=3, copies_missing=1, groups_dirty=1, findings=findings
            )
        )
    return made


def test_what_each_answer_found_is_told_once() -> None:
    lines = verify._lines(checked([AWAY, lost("aa")], [AWAY], [lost("bb"), AWAY]), deep=False, took=1.0)
    assert lines[:-1] == [f"{one.invariant}: {one.detail}" for one in (AWAY, lost("aa"), lost("bb"))]
    assert lines[-1].startswith("verify: 3 things are wrong; ")
    document = verify._document(checked([AWAY], [AWAY]), deep=False, took=1.0)
    assert (document["ok"], len(document["findings"])) == (False, 1)


def test_counts_add_up() -> None:
    (line,) = verify._lines(checked([], [], []), deep=True, took=2.0)
    assert line == (
        "verify: ok, 4 names, 9 versions, 10 invariants, 6 chunks (1.5 kB), 9 copies read, "
        "3 copies still to be made, 3 dirty groups, commit 7, in 2.0 s"
    )
