"""A small cluster for tests of the client: one control plane and fileservers in dictionaries.

It keeps the promises that a client may rely on (one commit at a time, first answers kept, receipts for
what is stored, history) and does on demand what clients must live through: hang, lose, lie, be full.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

from cairnfs.client.connection import Connection
from cairnfs.client.credentials import GivenToken
from cairnfs.client.filesystem import Filesystem
from cairnfs.clock import Clock, SystemClock
from cairnfs.core.placement import required
from cairnfs.errors import (
    Aborted,
    CairnError,
    Exists,
    NoSuchTree,
    NotFound,
    RequestReused,
    SessionEnded,
    TokenExpired,
    TokenInvalid,
)
from cairnfs.ids import GROUPS, UserId
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Caller, Context, application
from cairnfs.net.transport import Transport
from cairnfs.wire import codec, commits, detached, directory, endpoints, problems, receipts, sessions
from cairnfs.wire.auth import WhoamiReply
from cairnfs.wire.cluster import ClusterMap, FileserverInfo, StatusReply
from cairnfs.wire.codec import Empty
from tests.unit.client.fake_directory import FakeDirectory
from tests.unit.client.fake_fileserver import CLUSTER_ID, KEY, FakeFileserver
from tests.unit.client.fake_tree import Names, Node, Tree

CONTROL = "http://control"


class FakeCluster(FakeDirectory):
    """The control plane and its fileservers, behind one in-process transport."""

    def __init__(self, fileservers: int = 3, copies: int = 3, clock: Clock | None = None) -> None:
        super().__init__()
        self.clock = clock or SystemClock()
        self.copies = copies
        self.transport = InProcessTransport()
        self.tokens = {"alice": Caller(UserId(7), "alice", "user", 2**60)}
        self.expired: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.stop = asyncio.Event()
        self.on_put: Callable[[], Any] = _at_once
        self.servers = [FakeFileserver(number + 1, self) for number in range(fileservers)]
        self.map_version = 1
        self.sessions: dict[str, sessions.RenewRequest | None] = {}
        #: What each session was begun for, in order.
        self.needs: list[int | None] = []
        self.times = (5000, 10000, 15000)
        self.commit_sizes: list[int] = []
        #: Operations in each page that was staged or put into a detached tree.
        self.pages: list[int] = []
        self.staged: dict[str, dict[int, commits.StageRequest]] = {}
        self.detached: dict[str, Tree] = {}
        self.extended: set[str] = set()
        #: Chunks of which a base is not believed.
        self.uncertain: set[bytes] = set()
        self.committed = asyncio.Event()
        self.hanging = asyncio.Event()
        self.refusals: list[CairnError] = []
        self._replies: dict[str, tuple[bytes, commits.CommitReply | CairnError]] = {}
        self._names = Names()
        names = [endpoint.name for endpoint in endpoints.CONTROL]
        handlers = {name: self._counted(name, getattr(self, name, _nothing)) for name in names}
        self.app = application(
            endpoints=endpoints.CONTROL,
            handlers=handlers,
            authenticate=self.authenticate,
            clock=self.clock,
            title="fake control",
        )
        self.transport.apps[CONTROL] = self.app
        for server in self.servers:
            server.start()

    def filesystem(self, transport: Transport | None = None, **options: Any) -> Filesystem:
        """A client of this cluster."""
        options.setdefault("tokens", GivenToken("alice"))
        options.setdefault("clock", self.clock)
        return Filesystem(Connection(transport or self.transport, CONTROL, **options))

    def content(self, path: bytes) -> bytes:
        """A file's bytes from whoever has them."""
        held = {digest: content for server in self.servers for digest, content in server.chunks.items()}
        return b"".join(held[chunk.hash] for chunk in self.tree[path].chunks)

    async def for_ever(self) -> None:
        """Hang, until the test is over."""
        self.hanging.set()
        await self.stop.wait()
        raise NotFound("the test is over")

    def authenticate(self, token: str) -> Caller:
        if token in self.expired:
            raise TokenExpired
        if token not in self.tokens:
            raise TokenInvalid
        return self.tokens[token]

    def _counted(self, name: str, handler: Callable[[Context, Any], Any]) -> Callable[[Context, Any], Any]:
        async def handle(context: Context, request: Any) -> Any:
            self.calls[name] += 1
            return await handler(context, request)

        return handle

    # sessions and cluster

    async def begin_session(
        self, context: Context, request: sessions.SessionRequest
    ) -> sessions.SessionReply:
        name = secrets.token_hex(16)
        self.needs.append(request.needs)
        self.sessions[name] = None
        renew, suspend, lease = self.times
        return sessions.SessionReply(
            session=name,
            incarnation=1,
            commit=len(self.trees) - 1,
            renew_ms=renew,
            suspend_ms=suspend,
            lease_ms=lease,
        )

    async def renew_session(self, context: Context, request: sessions.RenewRequest) -> sessions.RenewReply:
        if context.params["session"] not in self.sessions:
            raise SessionEnded("no such session")
        self.sessions[context.params["session"]] = request
        return sessions.RenewReply(commit=len(self.trees) - 1, incarnation=1)

    async def end_session(self, context: Context, request: Any) -> Empty:
        self.sessions.pop(context.params["session"], None)
        return Empty()

    async def cluster_map(self, context: Context, request: Any) -> ClusterMap:
        numbers = [server.number for server in self.servers]
        turned = [
            numbers[group % len(numbers) :] + numbers[: group % len(numbers)] for group in range(GROUPS)
        ]
        return ClusterMap(
            cluster_id=CLUSTER_ID,
            version=self.map_version,
            incarnation=1,
            copies=self.copies,
            fileservers=[
                FileserverInfo(
                    id=server.number,
                    address=server.origin,
                    state="full" if server.full else "up",
                    boot=server.boot,
                )
                for server in self.servers
            ],
            groups=[members[: self.copies] for members in turned],
            epochs=[1] * GROUPS,
        )

    async def status(self, context: Context, request: Any) -> StatusReply:
        return StatusReply(
            cluster_id=CLUSTER_ID,
            ready=True,
            commit=len(self.trees) - 1,
            incarnation=1,
            copies=self.copies,
            groups_clean=GROUPS,
            groups_dirty=0,
            fileservers=[],
            sessions=len(self.sessions),
            database="none",
            version="0",
        )

    async def whoami(self, context: Context, request: Any) -> WhoamiReply:
        user = context.user
        return WhoamiReply(
            user=user.name, user_id=user.user_id, role=user.role, cluster_id=CLUSTER_ID, expires_at_us=0
        )

    # transactions

    async def commit_many(
        self, context: Context, request: commits.CommitManyRequest
    ) -> commits.CommitManyReply:
        results = []
        for one in request.commits:
            try:
                results.append(commits.CommitResult(reply=await self.commit(context, one)))
            except CairnError as error:
                results.append(commits.CommitResult(error=problems.from_error(error)))
        return commits.CommitManyReply(results=results)

    async def commit(self, context: Context, request: commits.CommitRequest) -> commits.CommitReply:
        body = codec.encode(request.operations)
        if request.request_id in self._replies:
            first, answer = self._replies[request.request_id]
            if first != body:
                raise RequestReused
        else:
            if self.refusals:
                raise self.refusals.pop(0)
            try:
                answer = self._commit(request)
            except CairnError as error:
                answer = error
            self._replies[request.request_id] = (body, answer)
        if isinstance(answer, CairnError):
            raise answer
        return answer

    # detached trees

    async def begin_tree(
        self, context: Context, request: detached.BeginTreeRequest
    ) -> detached.BeginTreeReply:
        self.detached[request.request_id] = {b"/": Node(0, 0, "directory", mode=request.mode or 0o755)}
        return detached.BeginTreeReply(tree=request.request_id)

    async def extend_tree(
        self, context: Context, request: detached.ExtendTreeRequest
    ) -> detached.ExtendTreeReply:
        if request.tree not in self.detached:
            raise NoSuchTree
        if request.request_id not in self.extended:
            tree = dict(self.detached[request.tree])
            proven = self._proven(request)
            for operation in request.operations:
                path = directory.PathText(path=operation.path, path_b64=operation.path_b64).raw()
                if not isinstance(operation, commits.Link) and path in tree:
                    raise Exists
                self._names.apply(tree, operation, len(self.trees), proven)
            self.detached[request.tree] = tree
            self.extended.add(request.request_id)
        self.pages.append(len(request.operations))
        return detached.ExtendTreeReply(made=len(request.operations))

    async def drop_tree(self, context: Context, request: detached.DropTreeRequest) -> detached.DropTreeReply:
        return detached.DropTreeReply(dropped=self.detached.pop(request.tree, None) is not None)

    def _attach(self, tree: Tree, operation: commits.Attach, number: int) -> commits.OperationResult:
        path = directory.PathText(path=operation.path, path_b64=operation.path_b64).raw()
        if path in tree:
            raise Exists
        inode = 0
        for inside, node in self.detached.pop(operation.tree).items():
            node.commit = number
            inode = self._names.place(tree, path if inside == b"/" else path + inside, node).inode
        return commits.OperationResult(inode=inode)

    # staged pages

    async def stage(self, context: Context, request: commits.StageRequest) -> commits.StageReply:
        self.staged.setdefault(request.request_id, {})[request.page] = request
        self.pages.append(len(request.operations))
        return commits.StageReply(page=request.page)

    def _proven(self, request: Any) -> set[bytes]:
        """What receipts speak of, and what is in a base that the session needs still."""
        proven: set[bytes] = set()
        for base in request.bases:
            path = directory.PathText(path=base.path, path_b64=base.path_b64).raw()
            tree = self.trees[base.at] if base.tree is None else self.detached.get(base.tree, {})
            if path in tree:
                proven.update(chunk.hash for chunk in tree[path].chunks if chunk.hash not in self.uncertain)
        boots = {server.number: server.boot for server in self.servers}
        for receipt in request.receipts:
            if request.session not in self.sessions:
                raise SessionEnded
            body = receipts.check(receipt, KEY)
            for holding in body.holdings:
                alive = [holder for holder in holding.holders if boots.get(holder.fileserver) == holder.boot]
                if len(alive) >= required(self.copies, "majority"):
                    proven.update(chunk.hash for chunk in holding.chunks)
        return proven

    def _commit(self, request: commits.CommitRequest) -> commits.CommitReply:
        tree = dict(self.tree)
        number = len(self.trees)
        staged = self.staged.pop(request.request_id, {})
        results: list[commits.OperationResult] = []
        pages: list[Any] = [*(staged[page] for page in range(request.staged)), request]
        for page in pages:
            proven = self._proven(page)
            results = [
                self._attach(tree, operation, number)
                if isinstance(operation, commits.Attach)
                else self._names.apply(tree, operation, number, proven)
                for operation in page.operations
            ]
        self.trees.append(tree)
        self.commit_sizes.append(len(request.operations))
        self.committed.set()
        return commits.CommitReply(commit=number, at_us=number, incarnation=1, results=results)

    async def settle(self, context: Context, request: commits.SettleRequest) -> commits.SettleReply:
        if request.request_id not in self._replies:
            self._replies[request.request_id] = (b"", Aborted("it was given up"))
            return commits.SettleReply(outcome="aborted")
        _, answer = self._replies[request.request_id]
        if isinstance(answer, CairnError):
            return commits.SettleReply(outcome="refused", error=problems.from_error(answer))
        return commits.SettleReply(outcome="committed", reply=answer)


async def _nothing(context: Context, request: Any) -> Any:
    raise NotFound("this fake does not do that")


async def _at_once() -> None:
    return
