"""A database with everything at hand to try operations on it: no driver, no server, no waiting.

    ledger = Ledger(database)                fileservers joined, an administrator signed up
    ledger.commit(write("/a", b"text"))      one commit in one tx; raises what refuses it
    ledger.batch([one, two])                 several operations in one tx, as the driver does it
    ledger.tree(at=3)                        all paths as an administrator sees them at a commit

What belongs here: making requests, receipts and people for tests and measurements. Not for use by two
threads.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

from cairnfs.core.manifest import Chunk
from cairnfs.core.permissions import Person
from cairnfs.core.placement import group_of
from cairnfs.errors import CairnError
from cairnfs.ids import CommitNumber, FileserverId, SessionId, UserId
from cairnfs.metadata import guard
from cairnfs.metadata import verify as verification
from cairnfs.metadata.databases.seam import Again, Database, Tx
from cairnfs.metadata.ops import cluster, read_xattrs, sessions, stat, tokens
from cairnfs.metadata.ops import list as lists
from cairnfs.metadata.ops import open as opening
from cairnfs.metadata.ops import walk as walking
from cairnfs.metadata.ops.commit import Commit, prepare
from cairnfs.metadata.ops.fileservers import Join
from cairnfs.metadata.ops.reap import Reap
from cairnfs.metadata.ops.user_groups import CreateGroup
from cairnfs.metadata.ops.users import CreateUser
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State
from cairnfs.metadata.state.placement import PlacesCache
from cairnfs.testing.requests import (
    Text,
    attributes_of,
    chattr,
    chunk,
    copy,
    link,
    mkdir,
    raw,
    remove,
    rename,
    setxattr,
    symlink,
    write,
)
from cairnfs.wire import names
from cairnfs.wire.cluster import ClusterMap, JoinRequest
from cairnfs.wire.commits import CommitReply, CommitRequest, Operation, Write
from cairnfs.wire.directory import (
    ChunkRef,
    Entry,
    ListRequest,
    OpenReply,
    OpenRequest,
    PathText,
    StatRequest,
    WalkItem,
    WalkRequest,
    XattrsRequest,
)
from cairnfs.wire.locks import LockProof
from cairnfs.wire.people import CreateGroupRequest
from cairnfs.wire.problems import to_error
from cairnfs.wire.receipts import Holder, Holding, ReceiptBody

__all__ = [
    "NEVER_LATE",
    "Ledger",
    "Text",
    "attributes_of",
    "chattr",
    "chunk",
    "copy",
    "link",
    "mkdir",
    "raw",
    "remove",
    "rename",
    "setxattr",
    "symlink",
    "write",
]  # fmt: skip

R = TypeVar("R")
_TRIES = 3
#: A deadline that no test reaches.
NEVER_LATE = float("inf")


class Ledger:
    """See the module. `admin` is the first administrator, `session` a live one of hers."""

    def __init__(self, database: Database, *, fileservers: int = 3) -> None:
        """`database` is new and empty."""
        self.database = database
        self._places = PlacesCache()
        self._map: ClusterMap | None = None
        self._numbers = itertools.count(1)
        for _ in range(fileservers):
            self.join()
        self.admin = self.person("admin", "admin")
        self.session = self.begin(self.admin)

    def batch(self, operations: Sequence[Any]) -> list[Any]:
        """Run operations in one tx, as the driver does; give answers, and refusals as values."""

        def run(tx: Tx) -> list[Any]:
            state = State(tx, clock.lock(tx), self._places)
            state.prefetch(want for operation in operations for want in operation.wants())
            guard.prefetch(state, operations)
            outcomes: list[Any] = []
            for operation in operations:
                mark = state.mark()
                try:
                    outcomes.append(guard.apply(operation, state))
                except CairnError as error:
                    state.undo(mark)
                    outcomes.append(error)
            state.flush()
            return outcomes

        for _ in range(_TRIES):
            with suppress(Again):  # a machine with more to do than this may exceed a limit
                return self.database.write(run)
        return self.database.write(run)

    def do(self, operation: Any) -> Any:
        """Run one operation. Raises what refuses it."""
        outcome = self.batch([operation])[0]
        if isinstance(outcome, CairnError):
            raise outcome
        return outcome

    def commit(
        self,
        *operations: Operation,
        person: Person | None = None,
        message: str = "",
        locks: Sequence[LockProof] = (),
    ) -> CommitReply:
        """Commit with receipts for every chunk. Raises what refuses it."""
        reply = self.do(self.prepared(*operations, person=person, message=message, locks=locks))
        assert isinstance(reply, CommitReply)
        return reply

    def prepared(
        self,
        *operations: Operation,
        person: Person | None = None,
        receipts: Iterable[ReceiptBody] | None = None,
        session: SessionId | None = None,
        message: str = "",
        deadline: float = NEVER_LATE,
        locks: Sequence[LockProof] = (),
    ) -> Commit:
        """A commit ready to be run, with receipts for every chunk unless others are given."""
        who = person or self.admin
        session = session or (self.session if who == self.admin else self.begin(who))
        chunks = [
            Chunk(one.hash, one.size)  # type: ignore[arg-type]
            for operation in operations
            if isinstance(operation, Write)
            for one in operation.chunks
        ]
        given = [self.receipt(chunks, who, session)] if receipts is None else list(receipts)
        request = CommitRequest(
            request_id=secrets.token_hex(16),
            operations=list(operations),
            session=session,
            message=message,
            locks=list(locks),
        )
        return prepare(who, request, given, body_hash=bytes(32), deadline=deadline)

    def receipt(
        self,
        chunks: Iterable[Chunk],
        person: Person | None = None,
        session: SessionId | None = None,
        *,
        holders: int = 7,
        begin: int | None = None,
        incarnation: int | None = None,
    ) -> ReceiptBody:
        """What a fileserver says of these chunks: that the first `holders` of each group have them."""
        cluster_map = self.map()
        boots = {one.id: one.boot for one in cluster_map.fileservers}
        holdings = [
            Holding(
                [Holder(one, boots[one]) for one in cluster_map.groups[group_of(each.hash)][:holders]],
                [ChunkRef(*each)],
            )
            for each in chunks
        ]
        return ReceiptBody(
            cluster_id=cluster_map.cluster_id,
            incarnation=cluster_map.incarnation if incarnation is None else incarnation,
            fileserver=1,
            user=(person or self.admin).user_id,
            session=session or self.session,
            begin=self.newest() if begin is None else begin,
            holdings=holdings,
        )

    def join(self) -> FileserverId:
        """One more fileserver."""
        number = next(self._numbers)
        token = b"join token %d" % number
        self.database.write(lambda tx: tokens.issue_one_time(tx, token, tokens.JOIN, 2**62))
        request = JoinRequest(
            join_token="", address=f"http://127.0.0.1:{7100 + number}", boot=f"{number:032x}"
        )
        joined = self.do(
            Join(
                request,
                token,
                receipt_key=b"key",
                refresh_hash=b"refresh %d" % number,
                refresh_expires_us=2**62,
                deadline=NEVER_LATE,
            )
        )
        return FileserverId(joined.fileserver)

    def person(self, name: str, role: Literal["user", "admin"] = "user") -> Person:
        """A new user with a home."""
        user = self.do(CreateUser(name, role, "hash", deadline=NEVER_LATE))
        return Person(UserId(user.id), name, role)

    def user_group(self, name: str, *members: Person) -> int:
        """The number of a new user group of these people."""
        request = CreateGroupRequest(
            request_id=secrets.token_hex(16), user_group=name, members=[one.name for one in members]
        )
        return int(self.do(CreateGroup(self.admin, request, deadline=NEVER_LATE)).group_id)

    def begin(self, person: Person) -> SessionId:
        """A new session of a person."""
        session = SessionId(secrets.token_hex(16))
        self.do(sessions.BeginSession(session, person.user_id, "test", deadline=NEVER_LATE))
        return session

    def reap(self, rows: int = 500) -> None:
        """End what is below removed directories, page by page, until nothing waits."""
        for _ in range(10_000):
            if not self.do(Reap(deadline=NEVER_LATE, rows=rows)):
                return
        raise AssertionError("reaping never ends")

    def read(self, function: Callable[[Tx], R]) -> R:
        """Look at one snapshot."""
        return self.database.read(function)

    def map(self) -> ClusterMap:
        """The cluster map."""
        if self._map is None or self.read(clock.read).map_version != self._map.version:
            self._map = self.read(cluster.cluster_map)
        return self._map

    def newest(self) -> CommitNumber:
        """The newest commit."""
        return self.read(clock.read).commit_number

    def stat(
        self,
        path: Text,
        *,
        person: Person | None = None,
        at: int | str | None = None,
        follow: bool = False,
    ) -> Entry:
        """What a path leads to. Raises what stat says."""
        when = None if at is None else str(at)
        request = StatRequest(paths=[PathText.of(raw(path))], at=when, follow=follow)
        result = self.read(lambda tx: stat.stat(tx, person or self.admin, request)).results[0]
        if result.error is not None:
            raise to_error(result.error)
        assert result.entry is not None
        return result.entry

    def walk(
        self, path: Text, *, person: Person | None = None, at: int | str | None = None, **rest: Any
    ) -> list[WalkItem]:
        """Everything below a directory, in pages."""
        text, base64 = names.to_text(raw(path))
        when = None if at is None else str(at)
        request = WalkRequest(path=text, path_b64=base64, at=when, **rest)
        found: list[WalkItem] = []
        while True:
            page = self.read(lambda tx, r=request: walking.page(tx, person or self.admin, r))  # type: ignore[misc]
            found += page.items
            if page.cursor is None:
                return found
            request = WalkRequest(path=text, path_b64=base64, cursor=page.cursor, **rest)

    def list(
        self, path: Text, *, person: Person | None = None, at: int | str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """All entries of a directory, in pages of `limit`."""
        text, base64 = names.to_text(raw(path))
        found: list[Entry] = []
        cursor = None
        while True:
            request = ListRequest(
                path=text, path_b64=base64, cursor=cursor, limit=limit, at=None if at is None else str(at)
            )
            page = self.read(lambda tx, r=request: lists.page(tx, person or self.admin, r))  # type: ignore[misc]
            found += page.entries
            cursor = page.cursor
            if cursor is None:
                return found

    def open(
        self, path: Text, *, person: Person | None = None, at: int | str | None = None, **rest: Any
    ) -> OpenReply:
        """A file's chunks."""
        text, base64 = names.to_text(raw(path))
        request = OpenRequest(path=text, path_b64=base64, at=None if at is None else str(at), **rest)
        return self.read(lambda tx: opening.open_file(tx, person or self.admin, request))

    def xattrs(
        self, path: Text, *, person: Person | None = None, at: int | str | None = None, follow: bool = False
    ) -> dict[bytes, bytes]:
        """The extended attributes of what a path leads to, as `person` is told of them."""
        request = XattrsRequest(
            paths=[PathText.of(raw(path))], at=None if at is None else str(at), follow=follow
        )
        [result] = self.read(lambda tx: read_xattrs.read_xattrs(tx, person or self.admin, request)).results
        if result.error is not None:
            raise to_error(result.error)
        return {one.raw_name(): one.value for one in result.xattrs or []}

    def everything(self, at: int | str | None = None) -> dict[bytes, Entry]:
        """Every path, the root included, with all that stat tells of it."""
        found = {b"/": self.stat("/", at=at)}
        pending = [b""]
        while pending:
            up = pending.pop()
            for entry in self.list(up or b"/", at=at):
                path = up + b"/" + entry.raw_name()
                found[path] = entry
                if entry.kind == "directory":
                    pending.append(path)
        return found

    def tree(self, at: int | str | None = None) -> dict[bytes, tuple[ChunkRef, ...] | bytes | None]:
        """Every path below the root: a file's chunks, a symlink's target, None for a directory."""
        found: dict[bytes, tuple[ChunkRef, ...] | bytes | None] = {}
        pending = [b""]
        while pending:
            up = pending.pop()
            for entry in self.list(up or b"/", at=at):
                path = up + b"/" + entry.raw_name()
                if entry.kind == "directory":
                    pending.append(path)
                    found[path] = None
                elif entry.kind == "symlink":
                    found[path] = entry.raw_target()
                else:
                    found[path] = tuple(self.open(path, at=at).chunks)
        return found

    def verify(self) -> dict[str, int]:
        """Counts of a database in which no invariant is broken."""
        reply = self.read(verification.run)
        assert not reply.findings, reply.findings
        return reply.counts
