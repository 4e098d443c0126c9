"""Modes, owners, times and policies: who may set them, and what is left then."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database
from cairnfs.testing.ledger import (
    Ledger,
    attributes_of,
    chattr,
    link,
    mkdir,
    remove,
    rename,
    symlink,
    write,
)
from cairnfs.wire.commits import Operation


class World:
    """A ledger with ann, bob, and a user group `staff` that ann is in."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.ann = ledger.person("ann")
        self.bob = ledger.person("bob")
        ledger.user_group("staff", self.ann)
        ledger.commit(mkdir("/d", mode=0o777), symlink("/d/s", "f"))
        self.commit(write("/d/f", b"x", mode=0o644), mkdir("/d/dir"), who=self.ann)

    def commit(self, *operations: Operation, who: Person | None = None) -> int:
        return self.ledger.commit(*operations, person=who).commit

    def mode(self, path: str) -> int:
        return self.ledger.stat(path).mode


@pytest.fixture
def world(ledger: Ledger) -> World:
    """In memory."""
    return World(ledger)


def test_what_is_refused_changes_nothing(database: Database) -> None:
    world = World(Ledger(database))
    ann, bob, ledger = world.ann, world.bob, world.ledger
    refused: list[tuple[Person, Operation, type[e.CairnError]]] = [
        (bob, chattr("/d/f", mode=0o666), e.Forbidden),
        (bob, chattr("/d/f", mtime_us=1), e.Forbidden),
        (bob, chattr("/d/f", mtime_now=True), e.Forbidden),
        (bob, chattr("/d/f", xattrs={b"user.a": b"1"}), e.Forbidden),
        (bob, chattr("/d/f", owner="bob"), e.Forbidden),
        (bob, chattr("/d/dir", policy="async"), e.Forbidden),
        (ann, chattr("/d/f", owner="bob"), e.Forbidden),
        (ann, chattr("/d/f", group="bob"), e.Forbidden),
        (ann, chattr("/d/f", owner="nobody-at-all"), e.NoSuchUser),
        (ann, chattr("/d/f", group="nothing-at-all"), e.NoSuchGroup),
        (ann, chattr("/d/f", policy="async"), e.BadRequest),
        (ann, chattr("/d/f", xattrs={b"trusted.a": b"1"}), e.Forbidden),
        (ann, chattr("/d/f", xattrs={b"system.a": b"1"}), e.BadXattr),
        (ann, chattr("/d/f", mode=0o10000), e.BadRequest),
        (ann, chattr("/d/f", mtime_us=1, mtime_now=True), e.BadRequest),
        (ann, chattr("/d/missing", mode=0o600), e.NotFound),
        (ann, chattr("/", mode=0o777), e.Forbidden),
        (ann, chattr("/d/f", mode=0o600, expected="1.1.1"), e.VersionChanged),
    ]
    before, newest = ledger.everything(), ledger.newest()
    for who, operation, error in refused:
        with pytest.raises(error) as raised:
            world.commit(mkdir("/d/first"), operation, who=who)
        assert type(raised.value) is error, operation
        assert (ledger.everything(), ledger.newest()) == (before, newest), operation
    ledger.verify()


def test_lenient_takes_what_may_be_and_leaves_the_rest(world: World) -> None:
    given = attributes_of(
        mode=0o6755, owner="bob", group="staff", mtime_us=5, mtime_sub_ns=7,
        xattrs={b"user.a": b"1", b"trusted.b": b"2"}, lenient=True,
    )  # fmt: skip
    world.commit(write("/d/n", b"x", attributes=given), who=world.ann)
    entry = world.ledger.stat("/d/n")
    assert (entry.owner, entry.group, entry.mtime_ns) == ("ann", "staff", 5007)
    # It was to run as bob, who does not have it: now it runs as nobody. The group's is as asked.
    assert entry.mode == 0o2755
    assert world.ledger.xattrs("/d/n") == {b"user.a": b"1"}


def test_a_tree_that_cannot_keep_its_group_is_of_the_group_of_the_directory_around_it(world: World) -> None:
    world.commit(chattr("/d", group="staff", mode=0o2777))
    cases = (("root", True, "staff"), ("ann", False, "ann"), (None, False, "staff"))
    for owner_group, handed_on, got in cases:
        path = f"/d/of-{owner_group}"
        world.commit(
            mkdir(path, attributes=attributes_of(mode=0o755, group=owner_group, lenient=True)),
            mkdir(f"{path}/in", attributes=attributes_of(mode=0o755, group=owner_group, lenient=True)),
            write(f"{path}/in/f", b"x", attributes=attributes_of(mode=0o644, lenient=True)),
            who=world.ann,
        )
        assert world.ledger.stat(path).group == got
        assert world.mode(path) == (0o2755 if handed_on else 0o755)
        assert world.ledger.stat(f"{path}/in/f").group == ("staff" if handed_on else "ann")


def test_who_a_file_runs_as(world: World) -> None:
    world.commit(chattr("/d/f", mode=0o6777), who=world.ann)
    assert world.mode("/d/f") == 0o6777
    world.commit(write("/d/f", b"y"), who=world.bob)
    assert world.mode("/d/f") == 0o777
    world.commit(chattr("/d/f", mode=0o6766), who=world.ann)
    world.commit(write("/d/f", b"z"), who=world.bob)
    assert world.mode("/d/f") == 0o2766  # no program of the group's
    world.commit(chattr("/d/f", group="staff"), who=world.ann)
    assert world.mode("/d/f") == 0o766
    world.commit(chattr("/d/f", mode=0o6755))
    world.commit(write("/d/f", b"by an administrator"))
    assert world.mode("/d/f") == 0o6755
    world.commit(chattr("/d/f", owner="bob"))
    assert world.mode("/d/f") == 0o755
    # Who is not in the group cannot let a file run as it.
    world.commit(chattr("/d/f", mode=0o2755), who=world.bob)
    assert world.mode("/d/f") == 0o755


def test_a_directory_hands_its_group_on(world: World) -> None:
    world.commit(mkdir("/g", attributes=attributes_of(mode=0o2777, group="staff")))
    world.commit(write("/g/f", b"x", mode=0o2755), mkdir("/g/a/b", parents=True), who=world.bob)
    told = {name: (world.ledger.stat(name).group, world.mode(name)) for name in ("/g/f", "/g/a", "/g/a/b")}
    assert told == {"/g/f": ("staff", 0o755), "/g/a": ("staff", 0o2755), "/g/a/b": ("staff", 0o2755)}
    world.commit(write("/g/h", b"x", mode=0o2755), who=world.ann)
    assert world.mode("/g/h") == 0o2755


def test_times_of_directories_by_hand_and_by_entries(world: World) -> None:
    ledger = world.ledger
    by_hand = world.commit(chattr("/d/dir", mtime_us=1000, mtime_sub_ns=5), who=world.ann)
    world.commit(chattr("/d/dir", mode=0o777), who=world.ann)
    assert ledger.stat("/d/dir").mtime_ns == 1_000_005
    made = ledger.commit(write("/d/dir/a", b"x"))
    assert ledger.stat("/d/dir").mtime_ns == made.at_us * 1000
    written = ledger.commit(write("/d/dir/a", b"y"), chattr("/d/dir/a", mode=0o600))
    assert ledger.stat("/d/dir").mtime_ns == made.at_us * 1000
    # In one commit what was set by hand stays, whatever came first.
    both = world.commit(remove("/d/dir/a"), chattr("/d/dir", mtime_us=7), write("/d/dir/b"))
    assert ledger.stat("/d/dir").mtime_us == 7
    last = ledger.commit(link("/d/dir/b", "/d/dir/c"))
    assert ledger.stat("/d/dir").mtime_us == last.at_us
    told = [ledger.stat("/d/dir", at=at).mtime_us for at in (by_hand, made.commit, written.commit, both)]
    assert told == [1000, made.at_us, made.at_us, 7]
    touched = ledger.commit(chattr("/d/dir", mtime_now=True))
    assert ledger.stat("/d/dir").mtime_us == touched.at_us


def test_twice_in_one_commit_with_a_write_and_a_rename(world: World) -> None:
    before = world.ledger.newest()
    commit = world.commit(
        chattr("/d/f", mode=0o600), write("/d/f", b"new"), chattr("/d/f", mode=0o640, mtime_us=9),
        rename("/d/f", "/d/g"), chattr("/d/g", xattrs={b"user.a": b"1"}), chattr("/d/g", xattrs={}),
        who=world.ann,
    )  # fmt: skip
    entry = world.ledger.stat("/d/g")
    assert (entry.mode, entry.size, entry.mtime_us, entry.commit) == (0o640, 3, 9, commit)
    rows = world.ledger.read(lambda tx: tx.rows("SELECT born FROM version WHERE inode = ?", entry.inode))
    assert len(rows) == 2
    assert world.ledger.stat("/d/f", at=before).mode == 0o644


def test_setting_what_is_set_changes_no_version(world: World) -> None:
    before = world.ledger.stat("/d/f").etag
    world.commit(chattr("/d/f", mode=0o644, owner="ann", group="ann", xattrs={}), who=world.ann)
    assert world.ledger.stat("/d/f").etag == before


def test_the_root_has_attributes_and_a_version_to_expect(world: World) -> None:
    etag = world.ledger.stat("/").etag
    world.commit(chattr("/", mode=0o711, expected=etag))
    assert world.mode("/") == 0o711
    with pytest.raises(e.VersionChanged):
        world.commit(chattr("/", mode=0o755, expected=etag))


def test_symlinks_have_owners_and_times_and_no_modes(world: World) -> None:
    world.commit(chattr("/d/s", owner="ann", mtime_us=3, mode=0o600, follow=False))
    entry = world.ledger.stat("/d/s")
    assert (entry.owner, entry.mtime_us, entry.mode) == ("ann", 3, 0o777)


def test_moving_a_directory_elsewhere_needs_the_directory_itself(world: World) -> None:
    world.commit(mkdir("/e", mode=0o777))
    with pytest.raises(e.Forbidden):
        world.commit(rename("/d/dir", "/e/dir"), who=world.bob)
    world.commit(rename("/d/dir", "/d/other"), who=world.bob)
