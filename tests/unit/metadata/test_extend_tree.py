"""Detached trees: built page by page where nobody looks, attached by one commit, whoever may."""

from __future__ import annotations

from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.metadata.ops import detached_handle
from cairnfs.metadata.ops.detached_handle import Opened
from cairnfs.metadata.rows import groups
from cairnfs.testing.ledger import (
    Ledger,
    attributes_of,
    chattr,
    chunk,
    link,
    mkdir,
    remove,
    symlink,
    write,
)
from cairnfs.wire.commits import Base, Operation
from tests.unit.metadata.building import Building
from tests.unit.metadata.governing import change


def test_a_tree_appears_at_once(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    assert building.extend(mkdir("/a"), write("/a/f", b"one"), symlink("/a/s", "f")) == 3
    building.extend(write("/a/g", b"two"), mkdir("/a/b"), link("/a/f", "/a/b/also f"))
    before = ledger.newest()
    assert ledger.verify()["detached"] == 1
    assert b"/t" not in ledger.tree()
    assert building.attach().commit == before + 1
    assert ledger.verify()["detached"] == 0
    assert {path.decode() for path in ledger.tree()} >= {"/t", "/t/a", "/t/a/f", "/t/a/s", "/t/a/b/also f"}
    assert b"/t" not in ledger.tree(at=before)
    assert ledger.stat("/t/a/f").links == 2
    assert ledger.stat("/t/a/b/also f").inode == ledger.stat("/t/a/f").inode
    with pytest.raises(e.NoSuchTree):
        building.attach("/other")
    with pytest.raises(e.NoSuchTree):
        building.extend(mkdir("/x"))


# -- what a page makes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (mkdir("/"), e.Exists),
        (mkdir("/a"), e.Exists),
        (write("/a/f"), e.Exists),
        (symlink("/a/f", "x"), e.Exists),
        (link("/a/f", "/a/s"), e.Exists),
        (mkdir("/b/c"), e.NotFound),
        (write("/a/f/x"), e.NotADirectory),
        (write("/a/s/x"), e.NotADirectory),
        (link("/a/nothing", "/a/x"), e.NotFound),
        (link("/a", "/x"), e.LinkToDirectory),
        (link("/", "/x"), e.LinkToDirectory),
        (mkdir("/x", parents=True), e.BadRequest),
        (write("/x", parents=True), e.BadRequest),
        (write("/x", expected="1.1.1"), e.BadRequest),
        (symlink("/x", "y", replace=True), e.BadRequest),
        (link("/a/f", "/x", replace=True), e.BadRequest),
        (link("/a/f", "/x", follow=True), e.BadRequest),
        (remove("/a"), e.BadRequest),
        (mkdir("/x", attributes=attributes_of(owner="who")), e.NoSuchUser),
        (mkdir("/x", attributes=attributes_of(group="who")), e.NoSuchGroup),
    ],
)
def test_what_cannot_be_made_is_refused(
    ledger: Ledger, operation: Operation, error: type[e.CairnError]
) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"), write("/a/f", b"one"), symlink("/a/s", "f"))
    for page in ([operation], [mkdir("/fine"), operation]):
        with pytest.raises(error):
            building.extend(*page)
    building.attach()
    assert set(ledger.tree()) >= {b"/t", b"/t/a", b"/t/a/f", b"/t/a/s"}
    assert b"/t/fine" not in ledger.tree()


def test_of_two_pages_with_one_name_the_second_is_refused(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    first, second = building.page(mkdir("/b"), write("/x")), building.page(write("/y"), mkdir("/b"))
    assert ledger.do(first).made == 2
    with pytest.raises(e.Exists, match="already"):
        ledger.do(second)
    one, other = building.page(write("/c", b"1")), building.page(write("/c", b"2"))
    made, refused = ledger.batch([one, other])
    assert (made.made, type(refused)) == (1, e.Exists)
    building.attach()
    assert set(ledger.tree()) >= {b"/t/b", b"/t/x", b"/t/c"}


def test_pages_that_know_nothing_of_each_other_both_count(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"), write("/f", b"one"))
    pages = [building.page(write(f"/a/{n}", b"same"), link("/f", f"/f{n}")) for n in range(3)]
    assert [one.made for one in ledger.batch(pages[:2])] == [2, 2]
    assert ledger.do(pages[2]).made == 2
    building.attach()
    assert ledger.stat("/t/f").links == 4


def test_links_of_a_tree_are_links_afterwards(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(
        write("/f", b"one"), mkdir("/a"), link("/f", "/a/g"), symlink("/s", "f"), link("/s", "/a/s")
    )
    building.extend(link("/f", "/a/h"), link("/s", "/a/t"))
    building.extend(link("/a/h", "/a/i"))
    building.attach()
    assert (ledger.stat("/t/f").links, ledger.stat("/t/s").links) == (4, 3)
    ledger.commit(remove("/t/f"), remove("/t/a", recursive=True))
    ledger.reap()
    assert ledger.stat("/t/s").links == 1
    assert set(ledger.tree()) & {b"/t/f", b"/t/a"} == set()


def test_a_file_has_no_more_names_than_it_may(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnfs.metadata.ops.tree_page.LINKS_MAX", 3)
    building = Building(ledger, "/t")
    building.extend(write("/f"), link("/f", "/g"))
    building.extend(link("/f", "/h"))
    with pytest.raises(e.TooManyLinks):
        building.extend(link("/g", "/i"))
    with pytest.raises(e.TooManyLinks):
        building.extend(write("/x"), *[link("/x", f"/x{n}") for n in range(3)])
    building.attach()


def test_a_trees_user_group_is_that_of_where_it_goes(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    crew = ledger.user_group("crew", ann)
    ledger.commit(mkdir("/shared", attributes=attributes_of(mode=0o2777, group="crew")))
    building = Building(ledger, "/shared/new/t", person=ann, mode=0o750)
    building.extend(mkdir("/a", mode=0o700), write("/a/f", b"x", mode=0o600))
    building.extend(write("/a/g", b"x", attributes=attributes_of(group="ann")))
    building.attach(parents=True)
    found = {path: ledger.stat(path) for path in ("/shared/new/t", "/shared/new/t/a", "/shared/new/t/a/f")}
    assert {one.group for one in found.values()} == {"crew"}
    assert [one.mode for one in found.values()] == [0o2750, 0o2700, 0o600]
    assert ledger.stat("/shared/new/t/a/g").group == "ann"
    assert crew


def test_times_are_those_given_and_else_one(ledger: Ledger) -> None:
    building = Building(ledger, "/t", attributes=attributes_of(mtime_us=5))
    building.extend(mkdir("/a", attributes=attributes_of(mtime_us=6, mtime_sub_ns=7)), mkdir("/b"))
    building.extend(write("/a/f", mtime_us=8), write("/b/f"), mkdir("/a/c"))
    at_us = building.attach().at_us
    assert [ledger.stat(path).mtime_us for path in ("/t", "/t/a", "/t/a/f")] == [5, 6, 8]
    rest = {ledger.stat(path).mtime_us for path in ("/t/b", "/t/b/f", "/t/a/c")}
    assert len(rest) == 1
    assert at_us - 60_000_000 < rest.pop() <= at_us
    ledger.commit(write("/t/a/g"))
    assert ledger.stat("/t/a").mtime_us > at_us  # from now on as everywhere


# -- whether its chunks are durable ---------------------------------------------------------------------


def test_chunks_need_receipts(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    with pytest.raises(e.NotDurable) as refused:
        building.extend(write("/f", b"one", b"two"), receipts=[])
    assert set(refused.value.chunks) == {chunk(b"one").hash, chunk(b"two").hash}
    with pytest.raises(e.NotDurable):
        building.extend(
            write("/f", b"one"),
            receipts=[ledger.receipt([chunk(b"one")], session=building.session, holders=1)],
        )
    ann = ledger.person("ann")
    with pytest.raises(e.ReceiptInvalid):
        building.extend(write("/f", b"one"), receipts=[ledger.receipt([chunk(b"one")], ann)])
    with pytest.raises(e.IncarnationChanged):
        building.extend(write("/f", b"one"), receipts=[ledger.receipt([chunk(b"one")], incarnation=7)])
    wrong = chunk(b"one")._replace(size=4)
    with pytest.raises(e.LengthMismatch):
        building.extend(write("/f", b"one"), receipts=[ledger.receipt([wrong])])
    with pytest.raises(e.SessionEnded):
        building.extend(write("/f", b"one"), session="0" * 32)
    building.extend(write("/f", b"one"))
    building.attach()


def test_what_one_holder_lacks_makes_its_group_dirty(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    two = ledger.receipt([chunk(b"one")], session=building.session, holders=2)
    building.extend(write("/f", b"one"), receipts=[two])
    assert len(ledger.read(groups.dirty)) == 1
    building.attach()


def test_files_of_the_tree_are_bases_of_others(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"), write("/a/f", b"one", b"two"))
    inside = Base(path="/a/f", tree=building.tree)
    building.extend(write("/g", b"two", b"one"), receipts=[], bases=[inside])
    building.extend(write("/h", b"two", b"new"), receipts=[ledger.receipt([chunk(b"new")])], bases=[inside])
    with pytest.raises(e.NotDurable):
        building.extend(write("/i", b"other"), receipts=[], bases=[inside])
    late = building.page(write("/j", b"one"), receipts=[], bases=[inside])
    other = Building(ledger, "/u")
    never = other.page(write("/k", b"one"), receipts=[], bases=[inside])
    assert ledger.do(late).made == 1
    building.attach()
    ledger.commit(remove("/t", recursive=True))
    ledger.reap()
    with pytest.raises(e.NotDurable):  # the base is gone, and so may its chunks be
        ledger.do(never)


def test_a_stricter_policy_than_when_it_was_begun_refuses_it(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d", mode=0o777))
    building = Building(ledger, "/d/t")
    building.extend(write("/f", b"one"))
    ledger.commit(chattr("/d", policy="all"))
    with pytest.raises(e.NotDurable):
        building.attach()
    building.attach("/t")
    strict = Building(ledger, "/d/u")
    two = ledger.receipt([chunk(b"one")], session=strict.session, holders=2)
    with pytest.raises(e.NotDurable):
        strict.extend(write("/f", b"one"), receipts=[two])
    strict.extend(write("/f", b"one"))
    strict.attach()


# -- who may --------------------------------------------------------------------------------------------


def test_a_tree_is_for_whom_it_was_begun(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    building = Building(ledger, "/home/ann/t", person=ann)
    building.extend(mkdir("/a"))
    for other in (bob, ledger.admin):
        with pytest.raises(e.Forbidden):
            ledger.read(lambda tx, who=other: detached_handle.open_handle(tx, who, building.tree))  # type: ignore[misc]
        with pytest.raises(e.Forbidden):
            building.page(mkdir("/b"), person=other, receipts=[])
        with pytest.raises(e.Forbidden):
            building.attach("/home/bob/t", person=other)
        with pytest.raises(e.Forbidden):
            Building(ledger, "/u").extend(
                write("/f", b"x"), receipts=[], bases=[Base(path="/a", tree=building.tree)]
            )
    opened = ledger.read(lambda tx: detached_handle.open_handle(tx, ann, building.tree))
    assert isinstance(opened, Opened)
    building.attach()
    with pytest.raises(e.NoSuchTree):
        ledger.read(lambda tx: detached_handle.open_handle(tx, ann, building.tree))


@pytest.mark.parametrize("path", ["/t", "/closed/t", "/closed/a/t", "/read/t"])
def test_where_one_may_not_write_no_tree_is_begun(ledger: Ledger, path: str) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/closed", mode=0o700), mkdir("/read", mode=0o755))
    with pytest.raises(e.Forbidden):
        Building(ledger, path, person=ann)
    building = Building(ledger, "/home/ann/t", person=ann)
    with pytest.raises(e.Forbidden):
        building.attach(path, parents=True)
    assert ledger.verify()["detached"] == 1
    building.attach()


def test_a_tree_may_be_begun_for_what_is_there(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(write("/f"))
    with pytest.raises(e.NotADirectory):
        Building(ledger, "/f/t")
    for path in ("/", "/home/ann", "/f"):
        building = Building(ledger, path, person=ann)
        building.extend(mkdir("/a"))
        with pytest.raises((e.RootIsFixed, e.Forbidden)):
            building.attach(replace=True)
        building.attach(f"/home/ann/{len(path)}")
    assert ledger.stat("/home/ann/1/a").owner == "ann"


def test_attributes_are_those_that_one_may_set(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    ledger.user_group("crew", ann)
    ledger.user_group("club", bob)
    building = Building(ledger, "/home/ann/t", person=ann)
    for refused in (
        attributes_of(owner="bob"),
        attributes_of(group="club"),
        attributes_of(xattrs={b"trusted.x": b""}),
    ):
        with pytest.raises(e.Forbidden):
            building.extend(write("/f", attributes=refused))
    lenient: dict[str, Any] = {"owner": "bob", "group": "club", "lenient": True}
    xattrs = {b"user.x": b"1", b"trusted.x": b""}
    building.extend(
        write("/f", attributes=attributes_of(group="crew", mode=0o2755, xattrs={b"user.x": b"1"})),
        write(
            "/g",
            attributes=attributes_of(mode=0o6755, xattrs=xattrs, **lenient),
        ),
        mkdir("/d", attributes=attributes_of(mode=0o0700, **lenient)),
    )
    building.attach()
    f, g = ledger.stat("/home/ann/t/f"), ledger.stat("/home/ann/t/g")
    assert (f.owner, f.group, f.mode) == ("ann", "crew", 0o2755)
    assert (g.owner, g.group, g.mode) == ("ann", "ann", 0o755)
    assert ledger.xattrs("/home/ann/t/g") == {b"user.x": b"1"}


def test_who_becomes_somebody_else_meanwhile_asks_again(ledger: Ledger) -> None:
    ann = ledger.person("ann", "admin")
    building = Building(ledger, "/t", person=ann)
    page = building.page(mkdir("/a", attributes=attributes_of(owner="admin")))
    ledger.do(change(ledger.admin, "ann", role="user"))
    with pytest.raises(e.Busy):
        ledger.do(page)
    with pytest.raises(e.Forbidden):
        building.extend(mkdir("/a", attributes=attributes_of(owner="admin")))
    building.extend(mkdir("/a"))
    with pytest.raises(e.Forbidden):
        building.attach()
    building.attach("/home/ann/t")


def test_a_name_that_means_somebody_else_meanwhile_is_looked_up_again(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    named = building.page(mkdir("/a", attributes=attributes_of(owner="new", lenient=True)))
    plain = building.page(mkdir("/b"))
    ledger.person("new")
    with pytest.raises(e.Busy):
        ledger.do(named)
    assert ledger.do(plain).made == 1
    building.attach()
