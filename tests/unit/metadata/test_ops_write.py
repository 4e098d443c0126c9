"""Writing files: new ones, new versions, expectations, and the right to do so."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.manifest import LEAF_ENTRIES
from cairnfs.testing.ledger import Ledger, chunk, mkdir, remove, write


def test_a_new_file_belongs_to_whom_wrote_it(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    reply = ledger.commit(write("/home/ann/notes", b"text"), person=ann)
    entry = ledger.stat("/home/ann/notes")
    assert (entry.owner, entry.mode, entry.size, entry.kind) == ("ann", 0o644, 4, "file")
    assert entry.commit == reply.commit
    assert entry.mtime_us == reply.at_us
    assert entry.etag == reply.results[0].etag == f"1.{entry.inode}.{reply.commit}"


def test_a_new_version_keeps_inode_owner_and_mode(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(write("/home/ann/run", b"1", mode=0o777), person=ann)
    before = ledger.stat("/home/ann/run")
    ledger.commit(write("/home/ann/run", b"22", mode=0o600, mtime_us=123_456))
    after = ledger.stat("/home/ann/run")
    assert (after.inode, after.owner, after.mode) == (before.inode, "ann", 0o777)
    assert (after.size, after.mtime_us) == (2, 123_456)
    assert ledger.stat("/home/ann/run", at=before.commit) == before


def test_chunks_come_back_in_order(ledger: Ledger) -> None:
    content = [b"%d" % n for n in range(LEAF_ENTRIES + 3)]
    ledger.commit(write("/big", *content))
    assert [one.hash for one in ledger.open("/big").chunks] == [chunk(one).hash for one in content]
    ledger.commit(write("/empty"))
    assert (ledger.open("/empty").chunks, ledger.stat("/empty").size) == ([], 0)


def test_parents_are_made_for_whom_writes(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(write("/home/ann/a/b/c", b"x", parents=True), person=ann)
    assert [ledger.stat(path).owner for path in ("/home/ann/a", "/home/ann/a/b")] == ["ann", "ann"]
    assert ledger.stat("/home/ann/a/b").mode == 0o755
    with pytest.raises(e.NotFound):
        ledger.commit(write("/home/ann/z/y", b"x"), person=ann)
    with pytest.raises(e.NotADirectory):
        ledger.commit(write("/home/ann/a/b/c/d", b"x", parents=True), person=ann)


def test_a_directory_is_not_written(ledger: Ledger) -> None:
    for path in ("/", "/home"):
        with pytest.raises(e.IsADirectory):
            ledger.commit(write(path, b"x"))


def test_an_expected_version_must_be_the_present_one(ledger: Ledger) -> None:
    first = ledger.commit(write("/f", b"1")).results[0].etag
    second = ledger.commit(write("/f", b"2", expected=first)).results[0].etag
    with pytest.raises(e.VersionChanged):
        ledger.commit(write("/f", b"3", expected=first))
    ledger.commit(remove("/f", expected=second))
    with pytest.raises(e.VersionChanged):
        ledger.commit(write("/f", b"3", expected=second))
    ledger.commit(write("/f", b"4"))
    with pytest.raises(e.VersionChanged):  # the same path, but another file
        ledger.commit(write("/f", b"5", expected=second))


def test_creating_expects_nothing(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"1", expected="none"))
    with pytest.raises(e.Exists):
        ledger.commit(write("/f", b"2", expected="none"))
    with pytest.raises(e.Exists):
        ledger.commit(write("/home", b"2", expected="none"))


def test_a_version_of_another_incarnation_is_refused(ledger: Ledger) -> None:
    etag = ledger.commit(write("/f", b"1")).results[0].etag or ""
    with pytest.raises(e.IncarnationChanged):
        ledger.commit(write("/f", b"2", expected="9" + etag.removeprefix("1")))


def test_operations_of_one_commit_see_each_other(ledger: Ledger) -> None:
    reply = ledger.commit(
        mkdir("/d"), write("/d/f", b"1"), write("/d/f", b"22"), write("/d/g", b"3"), remove("/d/g")
    )
    assert [one.name for one in ledger.list("/d")] == ["f"]
    assert ledger.stat("/d/f").size == 2
    assert reply.results[1] == reply.results[2]
    assert reply.results[4].etag is None


def test_the_first_refusal_refuses_all(ledger: Ledger) -> None:
    before, newest = ledger.tree(), ledger.newest()
    with pytest.raises(e.NotFound):
        ledger.commit(write("/a", b"1"), mkdir("/b"), remove("/missing"), write("/c", b"2"))
    assert (ledger.tree(), ledger.newest()) == (before, newest)
    assert ledger.verify()["chunks"] == 0


@pytest.mark.parametrize(
    ("path", "mode", "error"),
    [
        ("/home/ann/x", None, e.Forbidden),
        ("/locked/x", None, e.Forbidden),
        ("/open/x", None, None),
        ("/x", None, e.Forbidden),
    ],
)
def test_a_new_name_needs_the_right_to_its_directory(
    ledger: Ledger, path: str, mode: int | None, error: type[e.CairnError] | None
) -> None:
    ledger.person("ann")
    bob = ledger.person("bob")
    ledger.commit(mkdir("/locked", mode=0o755), mkdir("/open", mode=0o777))
    if error is None:
        ledger.commit(write(path, b"x", mode=mode), person=bob)
    else:
        with pytest.raises(error):
            ledger.commit(write(path, b"x", mode=mode), person=bob)


def test_a_new_version_needs_the_right_to_the_file(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=0o777), write("/d/mine", b"1"), write("/d/ours", b"1", mode=0o666))
    ledger.commit(write("/d/ours", b"2"), person=bob)
    with pytest.raises(e.Forbidden):
        ledger.commit(write("/d/mine", b"2"), person=bob)


def test_walking_needs_the_right_to_every_directory(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=0o700), mkdir("/d/open", mode=0o777), write("/d/open/f", b"x", mode=0o666))
    for operation in (write("/d/open/f", b"y"), write("/d/open/g", b"y"), remove("/d/open/f")):
        with pytest.raises(e.Forbidden):
            ledger.commit(operation, person=bob)
    with pytest.raises(e.Forbidden):  # what is not there is no secret's end either
        ledger.stat("/d/open/missing", person=bob)
