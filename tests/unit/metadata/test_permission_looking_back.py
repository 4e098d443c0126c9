"""What finding and looking back tell of what one may not see, and copying trees of it."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.ids import CommitNumber, Incarnation, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import changes, diff, du, find, history, log
from cairnfs.metadata.ops.changes import Position
from cairnfs.metadata.ops.trace import Traced, within_path
from cairnfs.testing.ledger import Ledger
from cairnfs.wire import codec
from cairnfs.wire.commits import Attributes, MakeDirectory, Remove, Rename, Write, Xattr
from cairnfs.wire.history import DiffRequest, HistoryRequest, LogRequest
from cairnfs.wire.search import FindRequest, UsageRequest
from tests.permission_table import OTHER, OWNER, setattr_
from tests.unit.metadata.copying import Copying
from tests.unit.metadata.permission_world import World


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger)


def all_events(tx: Tx, who: Person, path: str) -> bytes:
    at = Position(CommitNumber(1))
    found = changes.page(tx, who, Path(path.encode()), at, Incarnation(1)).events
    return b"".join(codec.encode(event) for _, event in found)


#: All that tells of paths that were not named, about a path, as it is sent.
TELLING: dict[str, Callable[[Tx, Person, str], bytes]] = {
    "log": lambda tx, who, path: codec.encode(log.page(tx, who, LogRequest(path=path))),
    "changes": all_events,
    "history": lambda tx, who, path: codec.encode(history.page(tx, who, HistoryRequest(path=path))),
    "diff": lambda tx, who, path: codec.encode(diff.page(tx, who, DiffRequest(path=path, a="1", b="0s"))),
    "diff-backwards": lambda tx, who, path: codec.encode(
        diff.page(tx, who, DiffRequest(path=path, a="0s", b="1"))
    ),
    "find-walking": lambda tx, who, path: codec.encode(find.find(tx, who, FindRequest(path=path))),
    "find-by-name": lambda tx, who, path: codec.encode(
        find.find(tx, who, FindRequest(path=path, name="secret*"))
    ),
    "usage": lambda tx, who, path: codec.encode(du.usage(tx, who, UsageRequest(path=path, depth=9))),
}


@pytest.fixture
def hiding(world: World) -> World:
    """Names that nobody may list, though whoever knows them may walk on; and all that happened there."""
    world.commit(MakeDirectory(path="/all", mode=0o777), MakeDirectory(path="/all/seen", mode=0o777))
    world.commit(MakeDirectory(path="/all/x", mode=0o711))
    world.commit(MakeDirectory(path="/all/x/secret1", mode=0o755))
    world.commit(Write(path="/all/x/secret1/secret2", chunks=[], size=0))
    world.commit(MakeDirectory(path="/all/x/secret1/secret3", parents=True))
    world.commit(Write(path="/all/x/secret1/secret3/f", chunks=[], size=0))
    world.commit(Rename(path="/all/x/secret1/secret2", target="/all/seen/moved"))
    world.commit(Rename(path="/all/seen/moved", target="/all/x/secret1/secret4"))
    world.commit(Rename(path="/all/x/secret1/secret3/f", target="/all/seen/g"))
    world.commit(MakeDirectory(path="/all/z", mode=0o700))
    world.commit(Write(path="/all/z/secret5", chunks=[], size=0))
    world.commit(Rename(path="/all/z/secret5", target="/all/seen/h"))
    world.commit(Rename(path="/all/x/secret1", target="/all/x/secret6"))
    world.commit(Remove(path="/all/x/secret6/secret4"))
    return world


@pytest.mark.parametrize("verb", TELLING)
@pytest.mark.parametrize("path", ["/", "/all", "/all/x", "/all/seen", "/all/seen/g", "/all/seen/h"])
def test_nothing_tells_names_that_may_not_be_listed(hiding: World, verb: str, path: str) -> None:
    told = hiding.ledger.read(lambda tx: TELLING[verb](tx, hiding.people[OTHER], path))
    assert b"secret" not in told


@pytest.mark.parametrize("verb", TELLING)
def test_whoever_knows_the_name_is_told_of_what_may_be_listed_behind_it(hiding: World, verb: str) -> None:
    told = hiding.ledger.read(lambda tx: TELLING[verb](tx, hiding.people[OTHER], "/all/x/secret6"))
    below = {"log": b"secret4", "changes": b"secret4", "find-walking": b"secret3", "find-by-name": b"secret3"}
    assert below.get(verb, b"secret6") in told
    assert b"secret5" not in told


def test_the_secrets_are_found_by_whoever_shows_all_that_may_be_listed_where_it_is(hiding: World) -> None:
    careless = patch.object(Traced, "shows", lambda up, path, named: up.may_read or within_path(path, named))
    with careless:
        told = hiding.ledger.read(lambda tx: TELLING["log"](tx, hiding.people[OTHER], "/"))
    assert b"secret2" in told


def test_a_log_below_what_is_closed_is_refused(hiding: World) -> None:
    path, carl = "/all/z/secret5", hiding.people[OTHER]
    for verb in TELLING.keys() - {"changes"}:
        with pytest.raises(e.Forbidden):
            hiding.ledger.read(lambda tx, tell=TELLING[verb]: tell(tx, carl, path))  # type: ignore[misc]
    # A stream goes on whatever becomes of the path: it has nothing to tell.
    assert not hiding.ledger.read(lambda tx: all_events(tx, carl, path)).count(b"secret5")
    assert hiding.ledger.read(lambda tx: all_events(tx, hiding.ledger.admin, path)).count(b"secret5")


def test_a_copied_tree_runs_as_nobody_else_and_has_no_trusted_attributes(world: World) -> None:
    given = [Xattr(name="trusted.x", value=b"secret"), Xattr(name="user.x", value=b"plain")]
    world.commit(
        MakeDirectory(path="/d", mode=0o755),
        MakeDirectory(path="/o", mode=0o777),
        Write(path="/d/f", chunks=[], size=0,
              attributes=Attributes(mode=0o6755, owner=OWNER, group="guild", xattrs=given)),
        Write(path="/d/g", chunks=[], size=0, attributes=Attributes(mode=0o6755, owner=OWNER, group="club")),
    )  # fmt: skip
    Copying(world.ledger, "/d", "/o/kept", person=world.people[OTHER], preserve=True).run()
    Copying(world.ledger, "/d", "/o/plain", person=world.people[OTHER]).run()
    for path in ("/o/kept/f", "/o/plain/f", "/o/plain/g", "/o/kept/g"):
        entry = world.stat(path)
        assert (entry.owner, entry.mode & 0o6000) == (OTHER, 0), path
    assert world.xattrs("/o/kept/f") == {b"user.x": b"plain"}


def test_trees_are_copied_with_the_rights_to_read_all_of_them_and_to_write_there(world: World) -> None:
    world.commit(
        MakeDirectory(path="/d", mode=0o755),
        MakeDirectory(path="/d/e", mode=0o755),
        Write(path="/d/e/f", chunks=[], size=0),
        MakeDirectory(path="/o", mode=0o777),
        MakeDirectory(path="/closed", mode=0o755),
    )

    def copies(target: str = "/o/n", at: int | None = None) -> None:
        Copying(world.ledger, "/d", target, person=world.people[OTHER], at=at).run()

    then = world.ledger.newest()
    with pytest.raises(e.Forbidden):
        copies("/closed/n")
    for path in ("/d/e/f", "/d/e", "/d"):
        for mode in (0o700, 0o711) if path != "/d/e/f" else (0o733,):
            world.commit(setattr_(path, mode=mode))
            with pytest.raises(e.Forbidden):
                copies()
        world.commit(setattr_(path, mode=0o755))
    # As it was, when it might be read; and a right that goes away on the way stops it.
    world.commit(setattr_("/d", mode=0o700))
    copies("/o/then", at=then)
    world.commit(setattr_("/d", mode=0o755))
    going = Copying(world.ledger, "/d", "/o/n", person=world.people[OTHER])
    with pytest.raises(e.Forbidden):
        going.run(lambda: world.commit(setattr_("/o", mode=0o755)))
    world.commit(setattr_("/o", mode=0o777))
    going = Copying(world.ledger, "/d", "/o/n", person=world.people[OTHER])
    world.stand(OTHER, "active")
    with pytest.raises(e.Unauthenticated):
        going.run(lambda: world.stand(OTHER, "disabled"))
