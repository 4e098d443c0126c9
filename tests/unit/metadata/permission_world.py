"""The people and trees of the table of permissions in a ledger, and how operations are asked for it.

What belongs here: making them, and answers as codes. What does not: what is due (`tests/permission_table`).
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cairnfs.core.manifest import HOLE
from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError, Forbidden, NotDurable, NotFound
from cairnfs.ids import CommitNumber, Path, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import changes, diff, du, find, history, log
from cairnfs.metadata.ops.change_user import ChangeUser
from cairnfs.metadata.ops.changes import Position
from cairnfs.metadata.ops.commit import Commit, prepare
from cairnfs.metadata.ops.emptying import Looked, look_below
from cairnfs.metadata.ops.locks import list as list_locks
from cairnfs.metadata.ops.locks.acquire import Acquire
from cairnfs.metadata.ops.locks.release import Release
from cairnfs.metadata.ops.open_many import open_many
from cairnfs.metadata.ops.read_xattrs import read_xattrs
from cairnfs.metadata.ops.stat import stat
from cairnfs.metadata.ops.user_groups import CreateGroup
from cairnfs.metadata.rows import clock, fileservers
from cairnfs.testing.ledger import NEVER_LATE, Ledger, write
from cairnfs.wire import problems
from cairnfs.wire.commits import (
    Attributes,
    Base,
    CommitReply,
    CommitRequest,
    MakeDirectory,
    Operation,
    Write,
)
from cairnfs.wire.directory import (
    ChunkRef,
    Entry,
    Opened,
    OpenManyRequest,
    PathText,
    StatRequest,
    Wanted,
    XattrsRequest,
)
from cairnfs.wire.history import DiffRequest, HistoryRequest, LogRequest, PathChange
from cairnfs.wire.locks import AcquireRequest, ListLocksRequest, LockPath, LockToken, ReleaseRequest
from cairnfs.wire.people import ChangeUserRequest, CreateGroupRequest
from cairnfs.wire.search import FindRequest, UsageRequest
from tests.permission_table import (
    ADMIN,
    CHANGES,
    FILESERVER,
    KEEPER,
    MEMBER,
    MEMBERS,
    OTHER,
    OWNER,
    SHUT_OUT,
    TOP,
    Case,
    world,
)
from tests.unit.metadata.building import Building
from tests.unit.metadata.copying import Copying
from tests.unit.metadata.holders import Holder
from tests.unit.metadata.leaning import Leaning

#: Cases of which the trees are made in one commit.
_AT_ONCE = 50


class World:
    """A ledger with all people of the table."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.people = {name: ledger.person(name) for name in (OWNER, MEMBER, OTHER, KEEPER, *SHUT_OUT[:2])}
        self.people[ADMIN] = ledger.admin
        self.people[SHUT_OUT[2]] = Person(UserId(4711), SHUT_OUT[2], "user")
        server = ledger.read(fileservers.every)[0]
        self.people[FILESERVER] = Person(server.user_id, FILESERVER, "fileserver")
        for user_group, members in MEMBERS.items():
            request = CreateGroupRequest(
                request_id=secrets.token_hex(16), user_group=user_group, members=list(members)
            )
            ledger.do(CreateGroup(ledger.admin, request, deadline=NEVER_LATE))
        self.stand(SHUT_OUT[0], "disabled")
        self.stand(SHUT_OUT[1], "removed")

    def stand(self, name: str, state: str | None = None, role: str | None = None) -> None:
        """Give a person another state or role."""
        request = ChangeUserRequest(request_id=secrets.token_hex(16), user=name, state=state, role=role)  # type: ignore[arg-type]
        self.ledger.do(ChangeUser(self.ledger.admin, request, deadline=NEVER_LATE))

    def commit(self, *operations: Operation, who: str = ADMIN) -> CommitReply:
        """Commit as the control plane does, the look below what is to be removed included."""
        request = CommitRequest(request_id=secrets.token_hex(16), operations=list(operations))
        person = self.people[who]
        made = prepare(person, request, (), body_hash=bytes(32), deadline=NEVER_LATE)
        if made.recursive:
            made.looked = self.look_below(person, made)
        reply = self.ledger.do(made)
        assert isinstance(reply, CommitReply)
        return reply

    def look_below(self, person: Person, made: Commit) -> Looked:
        """What is looked at before the clock."""
        return self.ledger.read(lambda tx: look_below(tx, person, made.recursive))

    def stat(self, path: str, *, who: str = ADMIN, follow: bool = False, at: int | None = None) -> Entry:
        """What a path leads to."""
        request = StatRequest(paths=[PathText(path=path)], follow=follow, at=None if at is None else str(at))
        [result] = self.ledger.read(lambda tx: stat(tx, self.people[who], request)).results
        if result.error is not None:
            raise problems.to_error(result.error)
        assert result.entry is not None
        return result.entry

    def xattrs(self, path: str, *, who: str = ADMIN, at: int | None = None) -> dict[bytes, bytes]:
        """The extended attributes that a person is told of."""
        request = XattrsRequest(paths=[PathText(path=path)], at=None if at is None else str(at))
        [result] = self.ledger.read(lambda tx: read_xattrs(tx, self.people[who], request)).results
        if result.error is not None:
            raise problems.to_error(result.error)
        assert result.xattrs is not None
        return {one.raw_name(): one.value for one in result.xattrs}

    def open_many(self, path: str, *, who: str = ADMIN, known: str | None = None) -> Opened:
        """A file's version and chunks."""
        request = OpenManyRequest(files=[Wanted(path=path, known=known)])
        [result] = self.ledger.read(lambda tx: open_many(tx, self.people[who], request)).results
        if result.error is not None:
            raise problems.to_error(result.error)
        assert result.opened is not None
        return result.opened

    def lock(self, path: str, *, who: str, **how: Any) -> None:
        """Take a lock, and give it back."""
        person = self.people[who]
        request = AcquireRequest(
            request_id=secrets.token_hex(16),
            session=self.ledger.begin(person),
            owner=secrets.token_hex(16),
            token=secrets.token_hex(16),
            paths=[LockPath(path=path)],
            **how,
        )
        reply = self.ledger.do(Acquire(person, request, deadline=NEVER_LATE))
        released = ReleaseRequest(locks=[LockToken(lock=reply.lock, token=request.token)])
        self.ledger.do(Release(person, released, deadline=NEVER_LATE))

    @contextmanager
    def locked(self, path: str) -> Iterator[None]:
        """An administrator has a lock there."""
        holder = Holder(self.ledger)
        holder.lock(path)
        yield
        holder.release()

    def lean(self, case: Case) -> None:
        """Make a file of what only the file of the case has."""
        content = case.path.encode()
        base = Base(path=case.path + _BASES[case.verb])
        made = write(f"{case.path}/o/n", content)
        try:
            Leaning(self.ledger, self.people[case.who]).commit(made, bases=[base])
        except NotDurable as error:
            raise Forbidden("what may not be read vouches for nothing") from error

    def made(self, cases: Sequence[Case]) -> Iterator[tuple[Case, CommitNumber]]:
        """Each case when its tree is there, with the commit that made it."""
        self.commit(*world_of_all())
        waiting = iter(cases)
        while some := list(itertools.islice(waiting, _AT_ONCE)):
            number = self.commit(*(one for case in some for one in world(case))).commit
            for case in some:
                yield case, CommitNumber(number)

    def answer(self, case: Case, at: int) -> str:
        """The code of what refuses a case; empty where nothing does. What is refused changes nothing."""
        if case.verb in _BASES:
            self.ledger.commit(write(f"{case.path}/a/d/f", case.path.encode()))
        before = self.ledger.newest()
        try:
            if case.verb in _BASES:
                self.lean(case)
            elif case.verb in CHANGES:
                self.commit(CHANGES[case.verb](case.path, case.who, str(at)), who=case.who)
            elif case.verb in _TREES:
                source, target = (case.path + one for one in _TREES[case.verb])
                replace = case.verb == "copy-tree-over"
                Copying(self.ledger, source, target, person=self.people[case.who], replace=replace).run()
            elif case.verb in _ATTACHED:
                begun, target = (case.path + one for one in _ATTACHED[case.verb])
                building = Building(self.ledger, begun, person=self.people[case.who])
                building.extend(MakeDirectory(path="/inside"))
                self.commit(
                    building.attaching(target, replace="over" in case.verb, parents=True), who=case.who
                )
            else:
                self._read(case, at)
        except CairnError as error:
            assert self.ledger.newest() == before, f"{case}: refused, and yet there was a commit"
            return error.code
        assert self.ledger.newest() == before + (case.verb not in READS), case
        return ""

    def _read(self, case: Case, at: int) -> None:
        if case.verb in LOOKING:
            told = self.ledger.read(lambda tx: LOOKING[case.verb](tx, self.people[case.who], case.path, at))
            if not told:
                raise Forbidden("it was not found")
        elif case.verb in _LISTED:
            with self.locked(f"{case.path}/a/d/f"):
                request = ListLocksRequest(path=case.path + _LISTED[case.verb])
                page = self.ledger.read(lambda tx: list_locks.page(tx, self.people[case.who], request))
            if [one.path for item in page.locks for one in item.paths] != [f"{case.path}/a/d/f"]:
                raise Forbidden("it was not told")
        elif case.verb in _LOCKS:
            path, how = _LOCKS[case.verb]
            self.lock(case.path + path, who=case.who, **how)
        else:
            _READS[case.verb](self, case.path, case.who)


def world_of_all() -> list[Operation]:
    """What all cases are below."""
    from cairnfs.wire.commits import Attributes, MakeDirectory

    return [MakeDirectory(path=TOP, parents=True, attributes=Attributes(mode=0o755))]


def _nothing(world: World, path: str, who: str) -> None:
    try:
        world.stat(f"{path}/a/d/nothing", who=who)
    except NotFound:
        return
    raise AssertionError("nothing was found")


def _known(world: World, path: str, who: str) -> None:
    etag = world.stat(f"{path}/a/d/f").etag
    world.ledger.open(f"{path}/a/d/f", person=world.people[who], known=etag)


_READS: dict[str, Callable[[World, str, str], object]] = {
    "stat": lambda w, c, who: w.stat(f"{c}/a/d/f", who=who),
    "stat-behind-symlink": lambda w, c, who: w.stat(f"{c}/a/d/s", who=who, follow=True),
    "stat-root-of-case": lambda w, c, who: w.stat(c, who=who),
    "stat-directory": lambda w, c, who: w.stat(f"{c}/a/d", who=who),
    "lstat": lambda w, c, who: w.stat(f"{c}/a/d/s", who=who),
    "stat-nothing": _nothing,
    "list": lambda w, c, who: w.ledger.list(f"{c}/a/d", person=w.people[who]),
    "list-below": lambda w, c, who: w.ledger.list(f"{c}/a/d/t", person=w.people[who]),
    "read": lambda w, c, who: w.ledger.open(f"{c}/a/d/f", person=w.people[who]),
    "read-behind-symlink": lambda w, c, who: w.ledger.open(f"{c}/a/d/s", person=w.people[who]),
    "read-known": _known,
    "open-many": lambda w, c, who: w.open_many(f"{c}/a/d/f", who=who),
    "open-many-behind-symlink": lambda w, c, who: w.open_many(f"{c}/a/d/s", who=who),
    "open-many-known": lambda w, c, who: w.open_many(f"{c}/a/d/f", who=who, known=w.stat(f"{c}/a/d/f").etag),
    "walk": lambda w, c, who: w.ledger.walk(f"{c}/a/d", person=w.people[who], contents=True),
    "walk-from-afar": lambda w, c, who: w.ledger.walk(c, person=w.people[who]),
    "walk-below": lambda w, c, who: w.ledger.walk(f"{c}/a/d/t", person=w.people[who]),
    "readlink": lambda w, c, who: w.stat(f"{c}/a/d/s", who=who).target,
    "get-xattrs": lambda w, c, who: w.xattrs(f"{c}/a/d/f", who=who),
    "get-xattrs-behind-symlink": lambda w, c, who: w.xattrs(f"{c}/a/d/s", who=who),
}
#: Whether what is looked for is told.
LOOKING: dict[str, Callable[[Tx, Person, str, int], bool]] = {
    "history": lambda tx, who, c, _: bool(history.page(tx, who, HistoryRequest(path=f"{c}/a/d/f")).items),
    "log": lambda tx, who, c, _: _in_the_log(tx, who, f"{c}/a/d/f", f"{c}/a/d/f"),
    "diff": lambda tx, who, c, at: (
        not diff.page(tx, who, DiffRequest(path=f"{c}/a/d/f", a=str(at), b="0s")).differences
    ),
    "find": lambda tx, who, c, _: _finds(tx, who, f"{c}/a/d/f", f"{c}/a/d/f", None),
    "find-below": lambda tx, who, c, _: _finds(tx, who, f"{c}/a/d", f"{c}/a/d/f", "f"),
    "find-from-afar": lambda tx, who, c, _: _finds(tx, who, c, f"{c}/a/d/f", "f"),
    "find-from-afar-by-walking": lambda tx, who, c, _: _finds(tx, who, c, f"{c}/a/d/f", None),
    "log-from-afar": lambda tx, who, c, _: _in_the_log(tx, who, c, f"{c}/a/d/f"),
    "changes-from-afar": lambda tx, who, c, at: any(
        one.path == f"{c}/a/d/f" for one in _changes(tx, who, c, at)
    ),
    "usage-from-afar": lambda tx, who, c, _: du.usage(tx, who, UsageRequest(path=c)).closed == 0,
}
#: Trees that are copied: from where, to where.
_TREES = {
    "copy-tree-from": ("/a/d/e", "/o/n"),
    "copy-tree-to": ("/o/p", "/a/d/n"),
    "copy-tree-over": ("/o/p", "/a/d/e"),
}
#: Trees that are attached: for where they were begun, to where they go.
_ATTACHED = {
    "attach": ("/o/n", "/a/d/n"),
    "attach-where-begun": ("/a/d/n", "/a/d/n"),
    "attach-with-parents": ("/o/n", "/a/d/n/n"),
    "attach-over-empty": ("/o/n", "/a/d/e"),
    "attach-over-file": ("/o/n", "/a/d/f"),
    "attach-over-full": ("/o/n", "/a/d/t"),
}
#: Locks: what is asked for, and how.
_LOCKS: dict[str, tuple[str, dict[str, Any]]] = {
    "lock": ("/a/d/f", {}),
    "lock-shared": ("/a/d/f", {"mode": "shared"}),
    "lock-behind-symlink": ("/a/d/s", {}),
    "lock-symlink": ("/a/d/s", {"follow": False}),
    "lock-symlink-shared": ("/a/d/s", {"follow": False, "mode": "shared"}),
    "lock-nothing": ("/a/d/n", {}),
    "lock-nothing-shared": ("/a/d/n", {"mode": "shared"}),
    "lock-subtree": ("/a/d/t", {"subtree": True}),
    "lock-subtree-shared": ("/a/d/t", {"subtree": True, "mode": "shared"}),
}
#: From where a lock on a file is looked for.
_LISTED = {"list-locks": "/a/d/f", "list-locks-below": "/a/d", "list-locks-from-afar": ""}
#: Files that have what a new one is made of.
_BASES = {"base": "/a/d/f", "base-behind-symlink": "/a/d/s"}
READS = frozenset(_LOCKS) | frozenset(_READS) | frozenset(LOOKING) | frozenset(_LISTED)
VERBS = READS | frozenset(CHANGES) | frozenset(_TREES) | frozenset(_ATTACHED) | frozenset(_BASES)


def _in_the_log(tx: Tx, who: Person, path: str, wanted: str) -> bool:
    commits = log.page(tx, who, LogRequest(path=path)).commits
    return any(one.path == wanted for commit in commits for one in commit.changes)


def _changes(tx: Tx, who: Person, path: str, at: int) -> Iterator[PathChange]:
    begin = Position(CommitNumber(at - 1))
    while True:
        page = changes.page(tx, who, Path(path.encode()), begin, clock.read(tx).incarnation)
        for _, event in page.events:
            yield from event.changes
        if page.position in (begin, Position(CommitNumber(at))):
            return
        begin = page.position


def _finds(tx: Tx, who: Person, path: str, wanted: str, name: str | None) -> bool:
    found = find.find(tx, who, FindRequest(path=path, name=name)).found
    return any(one.path == wanted for one in found)


def a_file(path: str, mode: int = 0o644, owner: str = OWNER, **rest: object) -> Write:
    attributes = Attributes(mode=mode, owner=owner, group=owner, **rest)  # type: ignore[arg-type]
    return Write(path=path, chunks=[ChunkRef(HOLE, 4)], size=4, attributes=attributes)


def a_directory(path: str, mode: int = 0o755, owner: str = OWNER) -> MakeDirectory:
    return MakeDirectory(path=path, attributes=Attributes(mode=mode, owner=owner, group=owner))


def prepared(world: World, who: str, *operations: Operation) -> Commit:
    """What a client has made ready."""
    request = CommitRequest(request_id=secrets.token_hex(16), operations=list(operations))
    made = prepare(world.people[who], request, (), body_hash=bytes(32), deadline=NEVER_LATE)
    made.looked = world.look_below(world.people[who], made)
    return made
