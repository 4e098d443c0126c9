"""Each invariant, broken by hand: verification finds it under its name, and nothing in a clean database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes, holes
from cairnfs.errors import IncarnationChanged
from cairnfs.ids import NEVER
from cairnfs.metadata import verify
from cairnfs.metadata.databases.opening import begin_incarnation
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.verify.counting import Tally, differences
from cairnfs.metadata.verify.report import FINDINGS_MAX
from cairnfs.testing.ledger import Ledger, chattr, chunk, link, mkdir, remove, rename, symlink, write


def filled(database: Database) -> Ledger:
    """Files, directories, history, and something that waits for its end."""
    ledger = Ledger(database)
    ledger.commit(
        mkdir("/d/s", parents=True), write("/d/f", b"1", b"2"), write("/d/s/g", *[b"z"] * 300), write("/e")
    )
    ledger.commit(write("/d/f", b"1", b"3"), rename("/d/s", "/s"), remove("/e"))
    ledger.commit(mkdir("/old/below", parents=True), write("/old/below/f", b"4"))
    # Files of several names, one of them below what waits for its end, and one that ends in other ways too.
    ledger.commit(
        *[write(path) for path in ("/h", "/old/below/o", "/old/below/p")],
        *[link(*pair) for pair in (("/h", "/k"), ("/old/below/o", "/o"), ("/old/below/p", "/p"))],
        symlink("/l", "d/s"), chattr("/h", xattrs={b"user.a": b"1"}), chattr("/d", policy="all"),
    )  # fmt: skip
    ledger.commit(remove("/old", recursive=True))
    ledger.commit(remove("/p"))
    ledger.commit(mkdir("/last"), write("/last/sparse", *holes(2**33), b"1", Chunk(HOLE, 65536)))
    return ledger


@pytest.fixture
def broken() -> Iterator[Ledger]:
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        yield filled(database)


def test_what_a_directory_asked_to_be_written_to_one_disk_is_no_finding(broken: Ledger) -> None:
    broken.commit(mkdir("/a"), chattr("/a", policy="async"))
    receipt = broken.receipt([chunk(b"one")], holders=1)
    broken.do(broken.prepared(write("/a/f", b"one", durability="async"), receipts=[receipt]))
    broken.verify()


def test_a_clean_database_has_no_findings(database: Database) -> None:
    ledger = filled(database)
    counts = ledger.verify()
    assert {
        key: counts[key] for key in ("leaves", "chunks", "orphans", "sessions", "fileservers", "groups")
    } == {
        "leaves": 6,
        "chunks": 5,
        "orphans": 1,
        "sessions": 1,
        "fileservers": 3,
        "groups": 1024,
    }
    assert counts["invariants"] == len(verify.INVARIANTS)
    ledger.reap()
    assert ledger.verify()["orphans"] == 0


def test_a_new_incarnation_is_as_sound_as_the_old(database: Database) -> None:
    ledger = filled(database)
    etag, before, tree = ledger.stat("/d/f").etag, ledger.newest(), ledger.tree()
    database.write(lambda tx: begin_incarnation(tx, "a test"))
    assert ledger.newest() > before + 2**31
    assert ledger.tree(before) == ledger.tree(before + 1) == ledger.tree() == tree
    with pytest.raises(IncarnationChanged):
        ledger.commit(write("/d/f", b"5", expected=etag))
    ledger.commit(write("/d/f", b"5"), mkdir("/new"))
    ledger.reap()
    ledger.verify()


F = "(SELECT inode FROM dentry WHERE name = x'66' AND kind = 'file' ORDER BY inode LIMIT 1)"
S = "(SELECT inode FROM dentry WHERE name = x'73' LIMIT 1)"
D = "(SELECT inode FROM dentry WHERE name = x'64' LIMIT 1)"
H = "(SELECT inode FROM dentry WHERE name = x'68' LIMIT 1)"
L = "(SELECT inode FROM dentry WHERE name = x'6c' LIMIT 1)"
A = "(SELECT id FROM users WHERE name = 'admin')"
PLANTED = [
    ("clock", "UPDATE clock SET commit_number = commit_number - 1"),
    ("clock", "UPDATE clock SET commit_at_us = commit_at_us + 1"),
    ("clock", "UPDATE clock SET next_inode = 2"),
    ("clock", "UPDATE clock SET next_user = 1"),
    ("clock", "UPDATE clock SET next_fileserver = 1"),
    ("clock", "UPDATE clock SET horizon = 1000"),
    ("clock", f"UPDATE dentry SET died = 1000 WHERE inode = {F}"),
    ("clock", "UPDATE version SET born = 1000 WHERE inode = 2"),
    ("clock", "DELETE FROM commits WHERE number = (SELECT max(number) FROM commits)"),
    ("commits", "UPDATE commits SET at_us = 1 WHERE number = 3"),
    ("commits", "UPDATE commits SET at_us = (SELECT at_us FROM commits WHERE number = 2) WHERE number = 3"),
    ("inode", f"UPDATE inode SET links = 2 WHERE id = {F}"),
    ("inode", f"UPDATE inode SET links = 0 WHERE id = {F}"),
    ("inode", "UPDATE inode SET links = 2 WHERE id = 1"),
    ("inode", f"DELETE FROM inode WHERE id = {F}"),
    ("inode", f"UPDATE version SET died = 4 WHERE inode = {F} AND died = {NEVER}"),
    ("inode", f"UPDATE inode SET changed = 1 WHERE id = {D}"),
    ("dentry", f"UPDATE dentry SET died = born WHERE inode = {F}"),
    ("dentry", "UPDATE dentry SET born = 1 WHERE name = x'62656c6f77'"),
    ("dentry", f"UPDATE dentry SET died = 4 WHERE name = x'73' AND died <> {NEVER}"),
    ("dentry", f"UPDATE dentry SET died = 2 WHERE name = x'73' AND died <> {NEVER}"),
    ("dentry", f"UPDATE dentry SET parent = {S} WHERE name = x'73' AND died = {NEVER}"),
    ("dentry", f"UPDATE dentry SET parent = 4711 WHERE inode = {F}"),
    ("dentry", f"UPDATE dentry SET kind = 'directory' WHERE inode = {F}"),
    (
        "dentry",
        (
            "INSERT INTO dentry SELECT parent, x'7878', born, died, inode, kind, 1 FROM dentry"
            f" WHERE inode = {D}"
        ),
    ),
    (
        "dentry",
        (
            "INSERT INTO dentry SELECT parent, name, 3, 4, inode, kind, traced FROM dentry"
            f" WHERE inode = {F} AND born = 2"
        ),
    ),
    ("dentry", "DELETE FROM orphan"),
    ("version", f"UPDATE version SET died = 4 WHERE inode = {F} AND died <> {NEVER}"),
    ("version", f"UPDATE version SET size = size + 1 WHERE inode = {F}"),
    ("version", f"UPDATE version SET manifest = zeroblob(32) WHERE inode = {F} AND died = {NEVER}"),
    ("version", f"UPDATE version SET manifest = zeroblob(31) WHERE inode = {F} AND died = {NEVER}"),
    ("version", f"UPDATE version SET mode = 4096 WHERE inode = {F}"),
    ("inode", f"DELETE FROM version WHERE inode = {H} AND died = {NEVER}"),
    ("inode", f"UPDATE inode SET links = 1 WHERE id = {H}"),
    ("inode", "UPDATE inode SET links = 0 WHERE id = (SELECT inode FROM dentry WHERE name = x'70')"),
    ("dentry", "UPDATE dentry SET traced = 0 WHERE name = x'68'"),
    ("dentry", "UPDATE dentry SET traced = 0 WHERE name = x'6f'"),
    ("dentry", f"UPDATE dentry SET traced = 0 WHERE inode = {D}"),
    ("dentry", f"UPDATE dentry SET traced = 2 WHERE inode = {F}"),
    ("dentry", "UPDATE dentry SET traced = 0 WHERE name = x'70' AND parent = 1"),
    ("dentry", "UPDATE dentry SET born = 1 WHERE name = x'68'"),
    ("version", f"UPDATE version SET born = born + 1 WHERE inode = {F} AND died = {NEVER}"),
    ("version", f"UPDATE version SET mtime_sub_ns = 1000 WHERE inode = {F}"),
    ("version", f"UPDATE version SET mtime_sub_ns = -1 WHERE inode = {F}"),
    ("version", f"UPDATE version SET mtime_set = 1000 WHERE inode = {F}"),
    ("version", f"UPDATE version SET target = x'61', size = 3 WHERE inode = {F}"),
    ("version", f"UPDATE version SET target = x'', size = 0 WHERE inode = {L}"),
    ("version", f"UPDATE version SET size = 2 WHERE inode = {L}"),
    ("version", f"UPDATE version SET policy = 'all' WHERE inode = {F}"),
    ("version", f"UPDATE version SET policy = 'most' WHERE inode = {D}"),
    ("version", "DELETE FROM xattr_set"),
    ("version", f"UPDATE version SET xattrs = x'01' WHERE inode = {F}"),
    ("xattr_set", "UPDATE xattr_set SET refs = refs + 1"),
    ("xattr_set", f"UPDATE version SET xattrs = x'' WHERE inode = {H}"),
    ("xattr_set", "UPDATE xattr_set SET entries = x'90'"),
    ("xattr_set", f"INSERT INTO xattr_set VALUES (x'{hash_bytes(b'junk').hex()}', 0, x'{b'junk'.hex()}')"),
    ("xattr_set", f"INSERT INTO xattr_set VALUES (x'{hash_bytes(b'').hex()}', 0, x'')"),
    ("leaf", "UPDATE leaf SET refs = refs + 1 WHERE size = 300 - 44"),
    ("leaf", f"UPDATE version SET manifest = x'', size = 0 WHERE inode = {F} AND died = {NEVER}"),
    ("leaf", "UPDATE leaf SET size = size + 1"),
    ("leaf", "UPDATE leaf SET entries = zeroblob(36)"),
    ("leaf", "DELETE FROM chunk WHERE refs = 300"),
    ("leaf", "UPDATE chunk SET size = 2"),
    ("chunk", "UPDATE chunk SET refs = refs - 1"),
    ("chunk", f"INSERT INTO chunk VALUES (x'{'01' * 32}', 1, 1, 3)"),
    ("chunk", "INSERT INTO chunk VALUES (zeroblob(32), 1, 1, 3)"),  # that is a hole's name
    ("chunk", "UPDATE chunk SET copies = 1"),
    ("chunk", "UPDATE chunk SET size = 0"),
    ("change", "INSERT INTO change VALUES (4711, x'90')"),
    ("change", "UPDATE change SET entries = x'c1'"),
    ("change", "UPDATE change SET entries = x'90'"),  # a change of nothing
    ("snapshot", "INSERT INTO snapshot VALUES ('later', 4711, 1, 0)"),
    ("snapshot", "INSERT INTO snapshot VALUES ('41', 1, 1, 0)"),
    ("detached", "INSERT INTO detached VALUES (4711, 1)"),
    ("detached", f"INSERT INTO detached VALUES ({F}, 1)"),
    ("detached", "INSERT INTO detached SELECT inode, 1 FROM dentry WHERE kind = 'directory' LIMIT 1"),
    ("orphan", "UPDATE orphan SET died = died - 1"),
    ("orphan", "INSERT INTO orphan VALUES (1, 1)"),
    ("orphan", f"INSERT INTO orphan VALUES ({F}, 1)"),
    ("session", "UPDATE session SET needs = 1000"),
    ("session", "UPDATE session SET user_id = 99"),
    ("lock", "UPDATE clock SET locks = 1"),  # more of them: test_verify_locks
    ("lock_key", "INSERT INTO lock_key VALUES (1, 1, x'', 1, 4711)"),
    ("group", "UPDATE group_member SET fileserver = 99 WHERE group_id = 7 AND position = 1"),
    ("group", "UPDATE group_member SET fileserver = 1 WHERE group_id = 7"),
    ("group", "DELETE FROM group_member WHERE group_id = 7 AND position = 0"),
    ("group", "DELETE FROM replica_group WHERE id = 7"),
    ("people", f"INSERT INTO user_group SELECT {A}, 'staff', 0"),
    ("people", "INSERT INTO user_group VALUES (0, 'admin', 0)"),
    ("people", "INSERT INTO user_group VALUES (4711, 'staff', 0)"),
    ("people", f"INSERT INTO membership VALUES ({A}, 4711)"),
    ("people", f"UPDATE users SET name = '#' || id WHERE id = {A}"),
    ("people", f"UPDATE users SET state = 'disabled' WHERE id = {A}"),
    ("people", "INSERT INTO one_time VALUES (x'01', 'join', 1, 4711, '')"),
]


@pytest.mark.parametrize(
    ("invariant", "sql"), PLANTED, ids=[f"{name}-{at}" for at, (name, _) in enumerate(PLANTED)]
)
def test_what_is_broken_is_found_under_its_name(broken: Ledger, invariant: str, sql: str) -> None:
    assert broken.database.write(lambda tx: tx.run(sql)), "the story breaks nothing"
    findings = broken.read(verify.run).findings
    assert invariant in {one.invariant for one in findings}, findings
    assert all(one.detail for one in findings)


def test_a_leaf_names_no_hole_of_no_bytes(broken: Ledger) -> None:
    entries = HOLE + bytes(4)

    def plant(tx: Tx) -> None:
        tx.run("UPDATE leaf SET hash = ?, entries = ? WHERE size = 44", hash_bytes(entries), entries)

    broken.database.write(plant)
    told = [one.detail for one in broken.read(verify.run).findings if one.invariant == "leaf"]
    assert any("names a hole of no bytes" in one for one in told), told


def test_a_hole_that_is_a_chunk_is_told_once(broken: Ledger) -> None:
    broken.database.write(lambda tx: tx.run("INSERT INTO chunk VALUES (?, 65536, 1, 0)", HOLE))
    [finding] = broken.read(verify.run).findings
    assert finding.detail == "fileservers are to hold a hole, as a chunk of 65536 bytes"


def test_every_invariant_is_broken_by_some_story() -> None:
    assert {name for name, _ in PLANTED} == set(verify.INVARIANTS)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM session",
        "INSERT INTO membership SELECT id, 0 FROM users WHERE name = '#' || id",
        "INSERT INTO refresh_token SELECT x'01', id, 1 FROM users WHERE state = 'removed'",
    ],
)
def test_who_was_shut_out_has_nothing_left(broken: Ledger, sql: str) -> None:
    def plant(tx: Tx) -> None:
        tx.run("INSERT INTO user_group VALUES (0, 'staff', 0)")
        tx.run(f"UPDATE users SET state = 'removed', name = '#' || id WHERE id = {A}")
        tx.run(sql)

    broken.database.write(plant)
    told = {one.detail.partition(" ")[2] for one in broken.read(verify.run).findings}
    assert "are 1 people and no active administrator" in told
    assert len(told) == (1 if sql.startswith("DELETE") else 3), told


def test_findings_have_a_limit(broken: Ledger) -> None:
    broken.database.write(lambda tx: tx.run("UPDATE group_member SET fileserver = 99"))
    assert len(broken.read(verify.run).findings) == FINDINGS_MAX


def test_references_are_compared_whatever_the_order() -> None:
    one, other = Tally(), Tally()
    for digest, times in ((b"a" * 32, 2), (b"b" * 32, 1)):
        one.add(digest, times)
    for digest in (b"a" * 32, b"b" * 32, b"a" * 32):
        other.add(digest)
    assert one == other
    other.add(b"a" * 32)
    assert one != other
    said = [(b"a" * 32, 2), (b"b" * 32, 1), (b"\xff" * 32, 1)]
    seen = [(b"a" * 32, 1), (b"b" * 32, 1), (b"a" * 32, 1), (b"a" * 32, 1)]
    for rows in (3, 10_000_000):
        assert differences(rows, lambda: said, lambda: seen) == [(b"a" * 32, 2, 3), (b"\xff" * 32, 1, 0)]
