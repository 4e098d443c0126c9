"""Listing locks: who holds what and who waits, by the paths that the asker may see, page by page."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from cairnfs.core.locks.conflict import conflict
from cairnfs.core.permissions import Person
from cairnfs.errors import BadCursor, BadRequest, CairnError, Deadlock, Forbidden, NotFound
from cairnfs.metadata.databases.opening import begin_incarnation
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops.locks import list as lists
from cairnfs.metadata.ops.locks.paths import NAMES_LOOKED, PATHS_SHOWN
from cairnfs.metadata.ops.locks.standing import standing
from cairnfs.metadata.rows import locks as rows
from cairnfs.testing.ledger import Ledger, chattr, link, mkdir, remove, rename, symlink, write
from cairnfs.wire.locks import ListLocksReply, ListLocksRequest, LockItem
from tests.unit.metadata.counting import Counting
from tests.unit.metadata.holders import Holder
from tests.unit.metadata.lock_rows import BELOW, INODE, Rows


class World:
    """Ann's home, which others may only walk; a place for all; locks as rows."""

    def __init__(self, database: Database) -> None:
        self.ledger = ledger = Ledger(database)
        self.ann, self.bob = ledger.person("ann"), ledger.person("bob")
        self.by = {"ann": ledger.begin(self.ann), "bob": ledger.begin(self.bob)}
        ledger.commit(mkdir("/shut"), mkdir("/shut/in"), mkdir("/all"), write("/shut/in/f"), write("/all/f"))
        ledger.commit(chattr("/shut", mode=0o700, owner="ann"), chattr("/shut/in", owner="ann"))
        self.rows = Rows(ledger)

    def put(self, number: int, who: str, *paths: str, **rest: Any) -> None:
        """A request of ann's or bob's."""
        person = self.ann if who == "ann" else self.bob
        self.rows.put(number, self.by[who], self.rows.keys(*paths), person=person, **rest)

    def page(self, person: Person | None = None, path: str = "/", **rest: Any) -> ListLocksReply:
        """One page; an administrator's unless somebody is named."""
        request = ListLocksRequest(path=path, **rest)
        return self.ledger.read(lambda tx: lists.page(tx, person or self.ledger.admin, request))

    def told(self, person: Person | None = None, path: str = "/", **rest: Any) -> dict[int, LockItem]:
        """All pages."""
        found: dict[int, LockItem] = {}
        cursor = None
        while True:
            page = self.page(person, path, cursor=cursor, **rest)
            found |= {one.lock: one for one in page.locks}
            if (cursor := page.cursor) is None:
                return found

    def paths(self, person: Person | None = None, path: str = "/", **rest: Any) -> dict[int, list[str]]:
        """The paths of all, by number."""
        told = self.told(person, path, **rest)
        return {number: [at.path for at in one.paths] for number, one in told.items()}


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_one_sees_locks_by_the_paths_one_may_see(world: World) -> None:
    world.put(1, "ann", "/shut/in/f")
    world.put(2, "ann", "/all/f", "/shut/in/g")
    world.put(3, "bob", "/all/new", shared=True)
    world.put(4, "ann", "/shut")
    assert world.paths(world.bob) == {2: ["/all/f"], 3: ["/all/new"], 4: ["/shut"]}
    assert world.paths(world.ann) == {
        1: ["/shut/in/f"],
        2: ["/all/f", "/shut/in/g"],
        3: ["/all/new"],
        4: ["/shut"],
    }
    assert world.paths() == world.paths(world.ann)
    assert world.told(world.bob)[2].more == 0, "how many others there are is not told either"
    with pytest.raises(Forbidden):
        world.page(world.bob, "/shut/in")


def test_only_what_is_at_or_below_the_path_is_listed(world: World) -> None:
    world.put(1, "ann", "/all/f")
    world.put(2, "ann", "/all/new")
    world.put(3, "ann", "/all")
    world.put(4, "ann", "/shut/in/f")
    world.put(5, "ann", "/")
    world.put(6, "ann", "/shut/in/x", "/all/x")
    assert set(world.told()) == {1, 2, 3, 4, 5, 6}
    assert set(world.told(path="/all")) == {1, 2, 3, 6}
    assert set(world.told(path="/all/f")) == {1}
    assert set(world.told(path="/all/new")) == {2}, "a name that nothing has yet"
    assert world.paths(path="/shut") == {4: ["/shut/in/f"], 6: ["/shut/in/x", "/all/x"]}
    assert set(world.told(world.bob, "/all")) == {1, 2, 3, 6}
    assert world.paths(world.bob, "/shut") == {}, "its other path is elsewhere"
    with pytest.raises(NotFound):
        world.page(path="/none/f")


def test_what_is_locked_from_above_is_listed(world: World) -> None:
    world.put(1, "ann", "/all", subtree=True, shared=True)
    world.put(2, "ann", "/all", shared=True)
    world.put(3, "ann", "/", subtree=True, shared=True)
    world.put(4, "ann", "/shut", subtree=True)
    world.put(5, "bob", "/all/f", held=False)
    assert world.paths(world.bob, "/all/f") == {1: ["/all"], 3: ["/"], 5: ["/all/f"]}
    assert list(world.told(path="/all/none", limit=1)) == [1, 3]
    assert list(world.told(world.ann, "/shut/in/f")) == [3, 4]
    assert {number: one.waiting for number, one in world.told(path="/all/f").items()} == {1: 1, 3: 1, 5: 0}
    assert list(world.told(path="/all")) == [1, 2, 3, 5]


def test_paths_are_what_they_are_called_now(world: World) -> None:
    world.ledger.commit(mkdir("/d"), symlink("/l", "/d"), write("/d/f"))
    world.put(1, "ann", "/d/f")
    # These ask nobody: the clock says that there are no locks.
    world.rows.run("UPDATE clock SET locks = 0")
    world.ledger.commit(rename("/d", "/all/e"))
    assert world.paths(world.bob) == {1: ["/all/e/f"]}
    world.ledger.commit(rename("/all/e", "/d"))
    assert world.paths(world.bob, "/l") == {1: ["/d/f"]}, "a symlink leads there"
    world.ledger.commit(remove("/d", recursive=True))
    assert world.paths(world.ann) == {1: []}, "it is her own"
    assert world.told(world.ann)[1].more == 1
    assert world.paths(world.bob) == {}
    assert world.paths() == {1: []}
    world.rows.run("UPDATE clock SET locks = 1")


def test_names_one_may_walk_to_and_not_list(world: World) -> None:
    world.ledger.commit(mkdir("/walk", mode=0o711), mkdir("/walk/in"), write("/walk/in/f"))
    world.put(1, "ann", "/walk/in/f")
    assert world.paths(world.bob) == {}
    assert world.paths(world.bob, "/walk") == {}
    for path in ("/walk/in", "/walk/in/f"):
        assert world.paths(world.bob, path) == {1: ["/walk/in/f"]}, "who knows the name may go on"


def test_a_file_is_found_under_its_other_names(world: World) -> None:
    world.ledger.commit(link("/shut/in/f", "/all/g"), mkdir("/other"), link("/shut/in/f", "/other/h"))
    keys = {*world.rows.keys("/shut/in/f"), *world.rows.keys("/all/g")[1:], *world.rows.keys("/other/h")[1:]}
    world.rows.put(1, world.by["ann"], sorted(keys), person=world.ann)
    assert world.paths(world.bob) == {1: ["/all/g", "/other/h"]}
    assert world.paths(world.bob, "/other") == {1: ["/other/h"]}
    assert world.paths(world.bob, "/all/g") == {1: ["/all/g"]}
    assert world.paths(path="/all") == {1: ["/all/g", "/shut/in/f"]}
    assert world.paths(world.ann, "/shut/in") == {1: ["/shut/in/f"]}
    more = [link("/all/g", f"/other/{n}") for n in range(NAMES_LOOKED)]
    world.rows.run("UPDATE clock SET locks = 0")
    world.ledger.commit(*more)
    world.rows.run("UPDATE clock SET locks = 1")
    assert world.paths(path="/other")[1], "one of its many names"


def test_places_in_the_queue(world: World) -> None:
    """A holder, a writer and two readers behind it, and a reader of the same owner as the writer."""
    world.put(1, "ann", "/all/f")
    world.put(2, "bob", "/all/f", held=False)
    world.put(3, "ann", "/all/f", shared=True, held=False, owner="r1")
    world.put(4, "ann", "/all/f", shared=True, held=False, owner="r2")
    world.put(5, "bob", "/all/f", shared=True, held=False)
    world.put(6, "ann", "/all/f", held=False, owner="last")
    told = world.told()
    assert {number: (one.place, one.waiting) for number, one in told.items()} == {
        1: (0, 5),
        2: (1, 3),
        3: (2, 1),
        4: (2, 1),
        5: (1, 1),
        6: (5, 0),
    }
    assert [one.state for one in told.values()] == ["held"] + ["waiting"] * 5
    assert [one.mode for one in told.values()][1:3] == ["exclusive", "shared"]


def test_who_waits_above_and_below_is_counted_once(world: World) -> None:
    world.put(1, "ann", "/all", subtree=True)
    world.put(2, "bob", "/all/f", "/all/g", held=False)
    world.put(3, "bob", "/all/h", shared=True, held=False, owner="other")
    world.put(4, "ann", "/", subtree=True, held=False, owner="root")
    world.put(5, "bob", "/all/f", held=False, owner="last")
    assert {number: (one.place, one.waiting) for number, one in world.told().items()} == {
        1: (0, 4),
        2: (1, 2),
        3: (1, 1),
        4: (3, 1),
        5: (3, 0),
    }


def test_what_an_item_tells_to_whom(world: World) -> None:
    world.put(7, "ann", "/all/f", subtree=True)
    world.put(8, "bob", "/all/f", held=False)
    own, others, all_of = (world.told(who)[7] for who in (world.ann, world.bob, None))
    assert own == all_of.__class__(
        lock=7, state="held", mode="exclusive", subtree=True, paths=own.paths, user="ann", label="test",
        session=world.by["ann"], fence=7, asked_us=7, granted_us=7, waiting=1, mine=True,
    )  # fmt: skip
    assert (others.mine, others.session, others.user, others.label) == (False, "", "ann", "test")
    assert (all_of.mine, all_of.session) == (False, world.by["ann"])
    assert world.told(world.bob)[8].granted_us == world.told(world.bob)[8].fence == 0


def test_pages_go_on_by_number(world: World) -> None:
    for number in range(1, 12):
        world.put(number, "ann" if number % 2 else "bob", f"/all/{number}" if number != 6 else "/shut/in/f")
    for limit in (1, 2, 3, 10, 11, 1000):
        for path in ("/", "/all"):
            whole = [number for number in range(1, 12) if number != 6]
            seen = list(world.told(world.ann, path, limit=limit))
            assert seen == ([*range(1, 12)] if path == "/" else whole)
    assert list(world.told(world.bob, limit=2)) == [*range(1, 12)], "the sixth is his own"
    first = world.page(limit=3)
    world.rows.run("DELETE FROM lock_key WHERE lock = 4")
    world.rows.run("DELETE FROM lock WHERE id = 4")
    assert first.cursor is not None
    assert [one.lock for one in world.page(limit=3, cursor=first.cursor).locks] == [5, 6, 7]


def test_a_page_looks_at_no_more_keys_than_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"/all/{n}" for n in range(50)]
    world.put(1, "ann", *many)
    world.put(2, "bob", "/all/x")
    world.put(3, "bob", "/all/y")
    told = world.told()[1]
    assert (len(told.paths), told.more) == (PATHS_SHOWN, 50 - PATHS_SHOWN)
    monkeypatch.setattr(lists, "KEYS_LOOKED", 6)
    pages = [world.page()]
    while pages[-1].cursor is not None:
        pages.append(world.page(cursor=pages[-1].cursor))
    assert [[one.lock for one in page.locks] for page in pages] == [[1], [2, 3]]


def test_pages_of_what_nobody_may_see_say_that_there_is_more(world: World) -> None:
    for number in range(1, 5):
        world.put(number, "ann", f"/shut/in/{number}")
    world.put(5, "ann", "/all/f")
    page = world.page(world.bob, limit=2)
    assert (page.locks, page.cursor is None) == ([], False)
    assert world.paths(world.bob, limit=2) == {5: ["/all/f"]}


def test_a_page_costs_the_same_however_many_there_are(world: World) -> None:
    def statements() -> list[str]:
        def count(tx: Any) -> list[str]:
            counting = Counting(tx)
            lists.page(counting, world.bob, ListLocksRequest(path="/all"))
            return counting.statements

        return world.ledger.read(count)

    world.put(1, "ann", "/all/a")
    world.put(2, "bob", "/all/a", held=False)
    statements()  # people are remembered
    few = statements()
    for number in range(3, 60):
        world.put(number, "ann", f"/all/{number}", owner=str(number))
        world.put(number + 100, "bob", "/all/a", held=False, owner=str(number))
    assert statements() == few


def broken(world: World, number: int) -> None:
    row = (number, world.ann.user_id, world.ann.user_id, number)
    world.ledger.database.write(lambda tx: tx.run("INSERT INTO broken_lock VALUES (?, 1, ?, ?, ?, '')", *row))


def test_cursors_of_elsewhere(world: World) -> None:
    for number in range(1, 4):
        world.put(number, "ann", f"/all/{number}")
        broken(world, number + 10)
    here = world.page(path="/all", limit=1).cursor
    there = world.page(broken=True, limit=1).cursor
    refused: list[tuple[type[CairnError], dict[str, Any]]] = [
        (BadCursor, {"cursor": here}),
        (BadCursor, {"path": "/all/f", "cursor": here}),
        (BadCursor, {"cursor": here, "broken": True}),
        (BadCursor, {"cursor": there}),
        (BadCursor, {"cursor": "garbage"}),
        (BadCursor, {"cursor": "garbage", "broken": True}),
        (BadRequest, {"limit": 0}),
        (BadRequest, {"limit": 1001}),
    ]
    for error, request in refused:
        with pytest.raises(error):
            world.page(**request)
    world.ledger.database.write(lambda tx: begin_incarnation(tx, "a test"))
    for request in ({"path": "/all", "cursor": here}, {"cursor": there, "broken": True}):
        with pytest.raises(BadCursor):
            world.page(**request)


def test_keys_are_told_apart(world: World) -> None:
    """The number of an inode is one thing as a file, as a directory above, and as a directory of a name."""
    world.put(1, "ann", "/all/f")
    inode = world.rows.inode("/all/f")
    assert {(INODE, inode, b""), (BELOW, 1, b"")} <= set(world.rows.keys("/all/f"))
    assert world.paths(path="/all/f") == {1: ["/all/f"]}
    world.put(2, "bob", "/all/f", shared=True, held=False)
    assert set(world.told(path="/all/f")) == {1, 2}


@pytest.mark.parametrize("seed", range(4))
def test_whoever_waits_is_told_the_same_place(ledger: Ledger, seed: int) -> None:
    """The listing against what each waiter is told, and the number of those who wait, counted one by one."""
    chance = random.Random(seed)
    print(f"seed {seed}")
    ledger.commit(mkdir("/d/e", parents=True), write("/d/f"), write("/d/e/g"), link("/d/f", "/h"))
    paths = ("/", "/d", "/d/e", "/d/f", "/d/e/g", "/d/new", "/h", "/x")
    holders = [Holder(ledger) for _ in range(8)]
    for _ in range(40):
        with suppress(Deadlock):
            chance.choice(holders).ask(
                *chance.sample(paths, chance.choice((1, 1, 2))),
                shared=chance.random() < 0.5,
                subtree=chance.random() < 0.2,
                wait=True,
            )
    told = ledger.read(lambda tx: lists.page(tx, ledger.admin, ListLocksRequest())).locks
    requests = {
        one.number: one for one in ledger.read(lambda tx: rows.requests(tx, [one.lock for one in told]))
    }
    assert sum(one.state == "waiting" for one in told) > 5
    for one in told:
        me = requests[one.lock]
        waits = [other for other in requests.values() if not other.held and conflict(me, other)]
        before = sum(other.number < me.number for other in waits)
        assert one.place == (0 if me.held else before + 1)
        assert one.waiting == len(waits) - (0 if me.held else before)
    for holder in holders:
        for lock, reply in holder.replies.items():
            shown = holder.proof(lock).token
            now = ledger.read(lambda tx, n=lock, t=shown: standing(tx, ledger.admin, n, t))  # type: ignore[misc]
            [item] = [one for one in told if one.lock == reply.lock]
            assert (item.place, item.state, item.fence) == (now.place, now.state, now.fence)
