"""stat, list and open: now and at any commit, page by page, with the right to look."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.manifest import LEAF_ENTRIES
from cairnfs.metadata.databases.opening import begin_incarnation
from cairnfs.metadata.ops import cursors
from cairnfs.metadata.ops import list as lists
from cairnfs.metadata.ops.list import Cursor
from cairnfs.metadata.ops.stat import stat
from cairnfs.testing.ledger import Ledger, chunk, mkdir, remove, rename, write
from cairnfs.wire.directory import ListRequest, PathText, StatRequest


def test_many_paths_at_once_each_with_its_own_error(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/f", b"x"), write("/d/g", b"yy"))
    texts = [PathText.of(one) for one in (b"/d/g", b"/missing", b"/d/f/x", b"/", b"/d/f", b"/d")]
    reply = ledger.read(lambda tx: stat(tx, ledger.admin, StatRequest(paths=[*texts, PathText(path="x//y")])))
    assert [one.entry.size if one.entry else one.error and one.error.code for one in reply.results] == [
        2,
        "not_found",
        "not_a_directory",
        0,
        1,
        0,
        "bad_name",
    ]
    root = reply.results[3].entry
    assert root is not None
    assert (root.name, root.inode, root.kind, root.owner) == ("", 1, "directory", "admin")
    assert reply.commit == ledger.newest()


def test_a_request_names_1_to_1000_paths(ledger: Ledger) -> None:
    with pytest.raises(e.BadRequest):
        ledger.read(lambda tx: stat(tx, ledger.admin, StatRequest(paths=[])))
    with pytest.raises(e.TooManyOperations):
        ledger.read(lambda tx: stat(tx, ledger.admin, StatRequest(paths=[PathText(path="/")] * 1001)))


def test_a_directory_has_the_time_of_its_last_change(ledger: Ledger) -> None:
    made = ledger.commit(mkdir("/d"), write("/f", b"x"), mkdir("/e"))
    assert ledger.stat("/d").mtime_us == made.at_us
    steps = [
        ledger.commit(write("/d/a", b"x")),
        ledger.commit(rename("/f", "/d/b")),
        ledger.commit(remove("/d/a")),
        ledger.commit(rename("/d/b", "/f")),
    ]
    same = ledger.commit(write("/f", b"yy"))
    ledger.commit(write("/e/x", b"1"))
    times = [made.at_us, *[one.at_us for one in steps], steps[-1].at_us]
    assert [ledger.stat("/d", at=one.commit).mtime_us for one in (made, *steps, same)] == times
    assert ledger.stat("/d").mtime_us == steps[-1].at_us
    assert [one.mtime_us for one in ledger.list("/", at=made.commit) if one.name == "d"] == [made.at_us]


def test_every_commit_reads_as_it_was(ledger: Ledger) -> None:
    trees = {0: {}, ledger.newest(): ledger.tree()}
    for operation in (
        write("/f", b"1"),
        write("/f", b"2"),
        mkdir("/d"),
        rename("/f", "/d/f"),
        write("/f", b"3"),
        rename("/f", "/d/f"),
        rename("/d", "/e"),
        remove("/e", recursive=True),
        mkdir("/d"),
    ):
        commit = ledger.commit(operation).commit
        trees[commit] = ledger.tree()
        ledger.reap()
    for number, tree in trees.items():
        assert ledger.tree(number) == tree


def test_a_time_means_the_newest_commit_until_then(ledger: Ledger) -> None:
    first, second = ledger.commit(write("/f", b"1")), ledger.commit(write("/f", b"22"))

    def at(us: int) -> str:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(us // 1_000_000, UTC).strftime(
            f"%Y-%m-%dT%H:%M:%S.{us % 1_000_000:06}Z"
        )

    assert ledger.stat("/f", at=at(first.at_us)).size == 1
    assert ledger.stat("/f", at=at(second.at_us - 1)).size == 1
    assert ledger.stat("/f", at=at(second.at_us)).size == 2
    assert ledger.stat("/f", at="0s").size == 2
    for long_ago in ("2020-01-01T00:00Z", "0001-01-01T00:00Z", "1w", "999999999w"):
        with pytest.raises(e.NoSuchCommit):
            ledger.stat("/f", at=long_ago)


def test_commits_that_cannot_be_read(ledger: Ledger) -> None:
    newest = ledger.commit(mkdir("/d")).commit
    with pytest.raises(e.NoSuchCommit):
        ledger.stat("/", at=newest + 1)
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", newest))
    with pytest.raises(e.BeforeHorizon):
        ledger.stat("/", at=newest - 1)
    assert ledger.stat("/d", at=newest).kind == "directory"
    with pytest.raises(e.BadRequest):
        ledger.stat("/", at="10 m")
    with pytest.raises(e.NoSuchSnapshot):
        ledger.stat("/", at="yesterday")


# list


def test_names_come_in_the_order_of_their_bytes(ledger: Ledger) -> None:
    given = [b"b", b"B", b"\xff", b"a", "é".encode(), b"aa", b"10", b"9"]
    ledger.commit(mkdir("/d"), *[write(b"/d/" + name) for name in given])
    for limit in (1, 3, 8, 1000):
        assert [one.raw_name() for one in ledger.list("/d", limit=limit)] == sorted(given)


def test_all_pages_read_the_same_commit(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), *[write(f"/d/{n}") for n in "abcdef"])
    ask = ListRequest(path="/d", limit=2)
    first = ledger.read(lambda tx: lists.page(tx, ledger.admin, ask))
    ledger.commit(remove("/d/c"), write("/d/cc"), rename("/d", "/e"), mkdir("/d"))
    names, cursor = [one.name for one in first.entries], first.cursor
    while cursor:
        more = ListRequest(path="/d", limit=2, cursor=cursor)
        page = ledger.read(lambda tx, r=more: lists.page(tx, ledger.admin, r))  # type: ignore[misc]
        assert page.commit == first.commit
        names, cursor = names + [one.name for one in page.entries], page.cursor
    assert names == list("abcdef")


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "k" * 20_000])
def test_cursors_that_no_listing_gave(ledger: Ledger, cursor: str) -> None:
    request = ListRequest(path="/", cursor=cursor)
    with pytest.raises(e.BadCursor):
        ledger.read(lambda tx: lists.page(tx, ledger.admin, request))


def test_a_cursor_is_of_one_directory_and_incarnation(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), mkdir("/e"))
    request = ListRequest(path="/", limit=1)
    cursor = ledger.read(lambda tx: lists.page(tx, ledger.admin, request)).cursor or ""
    assert ledger.read(lambda tx: cursors.read(tx, cursor, Cursor)).inode == 1
    with pytest.raises(e.BadCursor):
        ledger.read(lambda tx: lists.page(tx, ledger.admin, ListRequest(path="/d", cursor=cursor)))
    ledger.database.write(lambda tx: begin_incarnation(tx, "test"))
    with pytest.raises(e.BadCursor):
        ledger.read(lambda tx: lists.page(tx, ledger.admin, ListRequest(path="/", cursor=cursor)))


def test_listing_needs_a_directory_and_a_sane_limit(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"x"))
    with pytest.raises(e.NotADirectory):
        ledger.list("/f")
    with pytest.raises(e.NotFound):
        ledger.list("/missing")
    for limit in (0, -1, 1001):
        with pytest.raises(e.BadRequest):
            ledger.list("/", limit=limit)


@pytest.mark.parametrize(("mode", "may"), [(0o755, True), (0o754, False), (0o751, False), (0o750, False)])
def test_listing_needs_read_and_walk(ledger: Ledger, mode: int, may: bool) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=mode), write("/d/f", b"x"))
    if may:
        assert ledger.list("/d", person=bob)
    else:
        with pytest.raises(e.Forbidden):
            ledger.list("/d", person=bob)


# open


def test_a_known_version_needs_no_chunks(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"1"))
    etag = ledger.stat("/f").etag
    same = ledger.open("/f", known=etag)
    assert (same.unchanged, same.chunks) == (True, [])
    ledger.commit(write("/f", b"2"))
    changed = ledger.open("/f", known=etag)
    assert (changed.unchanged, len(changed.chunks)) == (False, 1)
    assert ledger.open("/f", known=etag, at=ledger.newest() - 1).unchanged


def test_chunks_from_any_byte_in_any_portions(ledger: Ledger) -> None:
    content = [b"x" * (1 + n % 7) + b"%d" % n for n in range(2 * LEAF_ENTRIES + 10)]
    ledger.commit(write("/f", *content))
    whole = b"".join(content)
    starts = [0]
    for one in content:
        starts.append(starts[-1] + len(one))
    for start in (
        0,
        1,
        starts[255],
        starts[256],
        starts[256] - 1,
        starts[256] + 1,
        starts[511],
        starts[512],
        len(whole) - 1,
    ):
        for limit in (1, 2, 255, 256, 257, 16384):
            reply = ledger.open("/f", start=start, limit=limit)
            at = starts.index(reply.offset)
            assert reply.offset <= start < reply.offset + reply.chunks[0].size
            assert [one.hash for one in reply.chunks] == [chunk(one).hash for one in content[at : at + limit]]
            end = reply.offset + sum(one.size for one in reply.chunks)
            assert reply.next_start == (None if end == len(whole) else end)
    last = ledger.open("/f", start=len(whole))
    assert (last.chunks, last.next_start, last.offset) == ([], None, len(whole))


def test_a_leaf_may_come_twice(ledger: Ledger) -> None:
    ledger.commit(write("/zeros", *[b"0000"] * (3 * LEAF_ENTRIES)))
    reply = ledger.open("/zeros", start=4 * 2 * LEAF_ENTRIES + 2, limit=3)
    assert (reply.offset, len(reply.chunks), reply.next_start) == (2048, 3, 2060)


def test_what_cannot_be_opened(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"12345"))
    with pytest.raises(e.IsADirectory):
        ledger.open("/home")
    with pytest.raises(e.NotFound):
        ledger.open("/missing")
    for start in (6, -1):
        with pytest.raises(e.BadRange):
            ledger.open("/f", start=start)
    for limit in (0, 16385):
        with pytest.raises(e.BadRequest):
            ledger.open("/f", limit=limit)
    with pytest.raises(e.BadRequest):
        ledger.open("/f", known="x")


def test_chunks_are_named_only_to_whom_may_read(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(write("/f", b"secret", mode=0o600))
    assert ledger.stat("/f", person=bob).size == 6
    with pytest.raises(e.Forbidden):
        ledger.open("/f", person=bob)
    with pytest.raises(e.Forbidden):
        ledger.list("/home/admin", person=bob)


def test_the_past_is_read_by_the_rights_of_the_past(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d"), write("/d/f", b"1", mode=0o644))
    before = ledger.newest()
    ledger.commit(remove("/d/f"), write("/d/f", b"2", mode=0o600))
    assert ledger.open("/d/f", at=before, person=bob).chunks
    with pytest.raises(e.Forbidden):
        ledger.open("/d/f", person=bob)
