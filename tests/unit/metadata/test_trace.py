"""From directories back to paths: at any commit, for each person what they may see."""

from __future__ import annotations

import pytest

from cairnfs.core.permissions import Person
from cairnfs.ids import CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.trace import Traced, paths, trace
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from tests.unit.metadata.counting import Counting


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def inode(ledger: Ledger, path: str) -> InodeId:
    return InodeId(ledger.stat(path).inode)


def where(ledger: Ledger, person: Person, directory: InodeId, at: int) -> Traced | None:
    place = (directory, CommitNumber(at))
    return ledger.read(lambda tx: trace(tx, person, [place])).get(place)


def test_a_directory_had_another_path_before_its_ancestor_moved(ledger: Ledger) -> None:
    before = ledger.commit(mkdir("/a/b/c", parents=True)).commit
    deep = inode(ledger, "/a/b/c")
    after = ledger.commit(rename("/a", "/z")).commit
    gone = ledger.commit(remove("/z", recursive=True)).commit
    seen = [where(ledger, ledger.admin, deep, at) for at in (before - 1, before, after, gone)]
    assert [one and one.path for one in seen] == [None, b"/a/b/c", b"/z/b/c", None]
    ledger.reap()
    assert where(ledger, ledger.admin, deep, gone) is None
    assert where(ledger, ledger.admin, deep, after) == Traced(seen[2].path, True, True)  # type: ignore[union-attr]


def test_what_may_be_walked_and_what_may_be_read(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/open"), mkdir("/open/walk", mode=0o711), mkdir("/open/walk/free"))
    ledger.commit(mkdir("/closed", mode=0o700), mkdir("/closed/in"))
    directories = [
        inode(ledger, one) for one in ("/", "/open", "/open/walk", "/open/walk/free", "/closed/in")
    ]

    def told(person: Person) -> list[bytes | None]:
        found = ledger.read(lambda tx: paths(moment.look(tx, None), person, directories))
        return list(found.values())

    assert told(ann) == [b"/", b"/open", None, b"/open/walk/free", None]
    assert told(ledger.admin) == [b"/", b"/open", b"/open/walk", b"/open/walk/free", b"/closed/in"]
    walked = where(ledger, ann, directories[2], ledger.newest())
    assert walked is not None
    assert (walked.may_walk, walked.may_read) == (True, False)


def test_what_no_path_can_name_has_none(ledger: Ledger) -> None:
    long = "/" + "/".join(["n" * 255] * 15)
    ledger.commit(mkdir(long, parents=True))
    ledger.commit(mkdir("/" + "m" * 255 + "/" + "m" * 255, parents=True))
    deep = inode(ledger, long)
    assert where(ledger, ledger.admin, deep, ledger.newest()) is not None
    ledger.commit(rename("/" + "n" * 255, "/" + "m" * 255 + "/" + "m" * 255 + "/x"))
    assert where(ledger, ledger.admin, deep, ledger.newest()) is None


def test_many_directories_at_many_commits_take_a_statement_a_level(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(*[mkdir(f"/d{n}/e/f", parents=True) for n in range(50)])
    directories = [inode(ledger, f"/d{n}/e/f") for n in range(50)]
    commits = [CommitNumber(ledger.commit(write(f"/d{n}/x", b"x")).commit) for n in range(20)]
    counting: list[Counting] = []

    def look(tx: Tx) -> int:
        counting.append(Counting(tx))
        return len(trace(counting[-1], ann, [(one, at) for one in directories for at in commits]))

    assert ledger.read(look) == 1000
    assert len(counting[-1].statements) == 4
