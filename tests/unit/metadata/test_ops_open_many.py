"""open_many: what open tells of each file, of many at once, and of one commit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.manifest import LEAF_ENTRIES
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import contents
from cairnfs.metadata.ops.open_many import open_many
from cairnfs.testing.ledger import Ledger, mkdir, remove, symlink, write
from cairnfs.wire import names, problems
from cairnfs.wire.directory import Opened, OpenManyReply, OpenManyRequest, OpenReply, Wanted
from tests.unit.metadata.counting import Counting
from tests.unit.metadata.random_trees import grow


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = Ledger(database)
    yield made
    made.verify()


def wanted(path: str | bytes, known: str | None = None) -> Wanted:
    text, base64 = names.to_text(path if isinstance(path, bytes) else path.encode())
    return Wanted(path=text, path_b64=base64, known=known)


def ask(
    ledger: Ledger, files: Sequence[Wanted], person: Person | None = None, at: int | None = None
) -> OpenManyReply:
    request = OpenManyRequest(files=list(files), at=None if at is None else str(at))
    return ledger.read(lambda tx: open_many(tx, person or ledger.admin, request))


def one_by_one(ledger: Ledger, file: Wanted, person: Person | None = None, at: int | None = None) -> object:
    """What open says of a file: as open_many tells it, or the error's code."""
    try:
        path = names.from_text(file.path, file.path_b64)
        reply: OpenReply = ledger.open(path, person=person, at=at, known=file.known, limit=LEAF_ENTRIES)
    except e.CairnError as error:
        return error.code, error.path
    return Opened(
        entry=reply.entry, unchanged=reply.unchanged, chunks=reply.chunks, next_start=reply.next_start
    )


def told(reply: OpenManyReply) -> list[object]:
    for one in reply.results:
        assert (one.opened is None) != (one.error is None)
    return [one.opened or (one.error and (one.error.code, one.error.path)) for one in reply.results]


def test_it_tells_what_open_tells(ledger: Ledger, seed: int) -> None:
    rng = random.Random(seed)
    ann = ledger.person("ann")  # first: what grows may take the place of where homes are
    trees = grow(ledger, rng, 20)
    paths = [*dict.fromkeys(path for tree in trees.values() for path in tree), "/none", "/a/none/x"]
    etags = [one.etag for path in trees[max(trees)] for one in [ledger.stat(path)]]
    for at in (None, *rng.sample(sorted(trees), 4)):
        files = [wanted(path, rng.choice([None, *etags])) for path in paths]
        for person in (ledger.admin, ann):
            each = [one_by_one(ledger, one, person, at) for one in files]
            assert told(ask(ledger, files, person, at)) == each


def test_known_versions_need_no_chunks(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/a", b"1"), write("/d/b", b"2"))
    old = [wanted(path, ledger.stat(path).etag) for path in ("/d/a", "/d/b")]
    ledger.commit(write("/d/b", b"3"))
    reply = ask(ledger, old)
    assert reply.commit == ledger.newest()
    assert [(one.opened.unchanged, len(one.opened.chunks)) for one in reply.results if one.opened] == [
        (True, 0),
        (False, 1),
    ]
    before = ask(ledger, old, at=ledger.newest() - 1)
    assert [one.opened.unchanged for one in before.results if one.opened] == [True, True]


def test_what_cannot_be_opened_has_its_error_in_its_place(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(
        mkdir("/d"), write("/d/f", b"1"), write("/d/shut", b"2", mode=0o600), symlink("/d/way", "f"),
        symlink("/d/loop", "loop"), mkdir("/d/closed", mode=0o700), write("/d/closed/f"),
    )  # fmt: skip
    files = [
        *map(wanted, ("/d/f", "/d", "/d/none", "/d/f/x", "/d/shut", "/d/way", "/d/loop", "/d/closed/f", "x")),
        wanted("/d/f", "no etag"),
        wanted("/d/f"),
    ]
    reply = ask(ledger, files, ann)
    codes = [one.error.code if one.error else one.opened and one.opened.entry.name for one in reply.results]
    assert codes == [
        "f", "is_a_directory", "not_found", "not_a_directory", "forbidden", "way", "symlink_loop",
        "forbidden", "bad_name", "bad_request", "f",
    ]  # fmt: skip
    for one, file in zip(reply.results, files, strict=True):
        if one.error is not None and file.known is None and file.path != "x":
            assert problems.to_error(one.error).path == file.path


def test_a_reply_ends_where_it_holds_no_more_chunks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def file(name: str, chunks: int) -> Any:
        return write(f"/d/{name}", *[b"%d" % n for n in range(chunks)])

    many = LEAF_ENTRIES
    ledger.commit(mkdir("/d"), file("a", 3), file("b", many + 9), file("c", many), file("d", 0), file("e", 2))
    files = [wanted(f"/d/{name}") for name in "abcade"]
    files.insert(4, wanted("/none"))
    whole = told(ask(ledger, files))
    assert [len(one.chunks) for one in whole if isinstance(one, Opened)] == [3, many, many, 3, 0, 2]
    begun = whole[1]
    assert isinstance(begun, Opened)
    rest = ledger.open("/d/b", start=begun.next_start)
    assert (len(rest.chunks), rest.offset, rest.next_start) == (9, begun.next_start, None)
    for room, sizes in ((1, [1, 1, 1, 3, 1]), (many + 3, [2, 4, 1])):
        monkeypatch.setattr(contents, "CONTENTS_CHUNKS_MAX", room)
        found: list[object] = []
        met = []
        while len(found) < len(files):
            part = told(ask(ledger, files[len(found) :]))
            assert part
            found += part
            met.append(len(part))
        assert found == whole
        assert met == sizes


def test_a_request_names_1_to_1000_files(ledger: Ledger) -> None:
    with pytest.raises(e.BadRequest):
        ask(ledger, [])
    with pytest.raises(e.TooManyOperations):
        ask(ledger, [wanted("/")] * 1001)
    with pytest.raises(e.NoSuchCommit):
        ask(ledger, [wanted("/")], at=99)


def test_many_files_cost_no_more_statements_than_few(ledger: Ledger) -> None:
    ledger.commit(*[mkdir(f"/d/{n}", parents=True) for n in range(10)])
    ledger.commit(*[write(f"/d/{n}/{m}", b"%d" % m) for n in range(10) for m in range(10)])
    files = [wanted(f"/d/{n}/{m}") for n in range(10) for m in range(10)]

    def statements(tx: Tx, some: list[Wanted]) -> list[str]:
        counting = Counting(tx)
        open_many(counting, ledger.admin, OpenManyRequest(files=some))
        return counting.statements

    ask(ledger, files[:1])  # what everybody is called is remembered from here on
    few, many = (ledger.read(lambda tx, f=some: statements(tx, f)) for some in (files[:1], files))  # type: ignore[misc]
    assert few == many


def test_a_file_may_be_asked_for_twice(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"1", b"2"), symlink("/way", "f"))
    first, second, third = told(ask(ledger, [wanted("/f"), wanted("/way"), wanted("/f")]))
    assert isinstance(first, Opened)
    assert isinstance(second, Opened)
    assert first == third
    assert first.chunks == second.chunks
    ledger.commit(remove("/way"))
