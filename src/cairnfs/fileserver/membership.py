"""A fileserver's place in the cluster: registering, heartbeats, the cluster map, tokens.

What belongs here: what this server knows of the others and they of it. What does not: the first join
(`join.py`), chunks. One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from cairnfs.clock import Clock
from cairnfs.core.leases import HeartbeatTimes
from cairnfs.core.placement import first_reader, group_of
from cairnfs.errors import CairnError, Unavailable
from cairnfs.fileserver import credentials
from cairnfs.fileserver.credentials import Credentials, Known
from cairnfs.fileserver.forward import Forwarder, Peer
from cairnfs.fileserver.join import Place, patiently, require_same_cluster
from cairnfs.ids import BootId, ClusterId, CommitNumber, FileserverId, GroupId, Hash, Incarnation
from cairnfs.net.calls import Calls
from cairnfs.net.serving import Caller
from cairnfs.net.tokens import TokenChecker
from cairnfs.net.transport import Transport
from cairnfs.wire import endpoints
from cairnfs.wire.auth import RefreshRequest
from cairnfs.wire.cluster import (
    ClusterMap,
    FileserverInfo,
    HeartbeatReply,
    HeartbeatRequest,
    RegisterRequest,
)

log = structlog.get_logger("cairnfs.fileserver")

CLUSTER = "cluster.json"
HEARTBEAT_S = HeartbeatTimes().beat_ms / 1000
CALL_TIMEOUT_S = 2.0
#: A token is renewed when it has less than this to live (it lives 15 minutes).
TOKEN_MARGIN_US = 5 * 60 * 1_000_000
KEYS_EVERY_S = 300.0
#: States in which a member is not sent new chunks.
_AWAY = frozenset({"suspect", "down", "full"})


@dataclass(frozen=True, slots=True)
class Load:
    """What a heartbeat tells of the store."""

    used_bytes: int
    free_bytes: int
    chunks: int
    full: bool


class Membership:
    """What this fileserver is in its cluster. Until `begin`, everything asked raises Unavailable."""

    def __init__(
        self, place: Place, control: str, transport: Transport, clock: Clock, load: Callable[[], Load]
    ) -> None:
        """`control` is the control plane's origin; `load` is asked for each heartbeat."""
        self._place = place
        self._clock = clock
        self._load = load
        self._transport = transport
        self.anonymous = Calls(transport, control, clock=clock)
        self._calls = Calls(transport, control, clock=clock, token=self._current_token)
        self._boot = BootId("")
        self._credentials: Credentials | None = None
        self._checker: TokenChecker | None = None
        self._map: ClusterMap | None = None
        self._fileservers: dict[int, FileserverInfo] = {}
        self._token = ""
        self._token_expires_us = 0
        self._keys_at = 0.0
        self._counter = 0
        self.commit = CommitNumber(0)
        self._forwarders: dict[FileserverId, Forwarder] = {}
        self._beat: asyncio.Task[None] | None = None

    # -- what others ask ------------------------------------------------------------------------

    @property
    def id(self) -> FileserverId:
        """This server's id. Raises Unavailable before it joined."""
        return FileserverId(self._own().fileserver)

    @property
    def cluster_id(self) -> ClusterId:
        """The cluster's id."""
        return ClusterId(self._own().cluster_id)

    @property
    def receipt_key(self) -> bytes:
        """The key that only this server and the control plane hold."""
        return self._own().receipt_key

    @property
    def incarnation(self) -> Incarnation:
        """The incarnation that the control plane last said."""
        return Incarnation(self._known_map().incarnation)

    @property
    def map_version(self) -> int:
        """The version of the cluster map that is known here."""
        return self._known_map().version

    def copies(self) -> int:
        """The policy's number of copies."""
        return self._known_map().copies

    def members(self, group: GroupId) -> tuple[FileserverId, ...]:
        """The members of a group, the primary first."""
        return tuple(FileserverId(member) for member in self._known_map().groups[group])

    def read_elsewhere(self, chunk: Hash) -> bool:
        """Whether readers ask another member first, as long as all are well."""
        members = self.members(group_of(chunk))
        return bool(members) and first_reader(members, chunk) != self.id

    def peer(self, fileserver: FileserverId) -> Peer:
        """Where another fileserver is now. Raises Unavailable for one that the map does not have."""
        info = self._fileservers.get(fileserver)
        if info is None:
            raise Unavailable(f"fileserver {fileserver} is not in the cluster map")
        calls = Calls(self._transport, info.address, clock=self._clock, token=self._current_token)
        return Peer(fileserver, calls, info.state not in _AWAY)

    def forwarder(self, fileserver: FileserverId) -> Forwarder:
        """The way to a fellow member."""
        if fileserver not in self._forwarders:
            self._forwarders[fileserver] = Forwarder(self._clock, lambda: self.peer(fileserver))
        return self._forwarders[fileserver]

    async def _current_token(self) -> str:
        return self._token

    def authenticate(self, token: str) -> Caller:
        """Who a token names. Raises TokenInvalid, TokenExpired, Unavailable before the keys are known."""
        if self._checker is None:
            raise Unavailable("the fileserver has not joined its cluster yet")
        return self._checker(token)

    # -- life -----------------------------------------------------------------------------------

    def begin(self, own: Credentials, boot: BootId) -> None:
        """Take who this server is, and what it knew of the cluster when it last ran: reads go on at
        once, even while the control plane is away."""
        self._credentials, self._boot = own, boot
        known = credentials.load(self._place.directory / CLUSTER, Known)
        if known is not None:
            self._checker = TokenChecker(known.keys, self.cluster_id, self._clock)
            self._take_map(known.map)

    async def register(self) -> None:
        """Tell the control plane of this start, then keep the heartbeat. Returns when it is known.

        Waits as long as the control plane is away. Raises ForeignCluster, NotFound.
        """
        await patiently(self._clock, self._register)
        self._beat = asyncio.create_task(self._heartbeats())

    async def stop(self) -> None:
        """End the heartbeat and the ways to other members."""
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)
        for forwarder in self._forwarders.values():
            await forwarder.close()

    async def _register(self) -> None:
        keys = await self.anonymous.call(endpoints.KEYS, timeout_s=CALL_TIMEOUT_S)
        require_same_cluster(keys, self._own())
        self._checker = TokenChecker(keys.keys, self.cluster_id, self._clock)
        self._keys_at = self._clock.monotonic()
        await self._renew_token()
        load = self._load()
        request = RegisterRequest(
            address=self._place.address,
            boot=self._boot,
            zone=self._place.zone,
            capacity_bytes=load.used_bytes + load.free_bytes,
        )
        reply = await self._calls.call(
            endpoints.REGISTER, request, params=self._params(), timeout_s=CALL_TIMEOUT_S
        )
        self.commit = CommitNumber(reply.commit)
        await self.refresh_map()
        self._remember()
        log.info("registered", fileserver=self.id, address=self._place.address)

    def _remember(self) -> None:
        if self._checker is not None:
            known = Known(keys=self._checker.keys, map=self._known_map())
            credentials.save(self._place.directory / CLUSTER, known)

    async def refresh_map(self) -> None:
        """Fetch the cluster map. Raises CairnError."""
        self._take_map(await self._calls.call(endpoints.CLUSTER_MAP, timeout_s=CALL_TIMEOUT_S))

    def _take_map(self, fresh: ClusterMap) -> None:
        self._map = fresh
        self._fileservers = {info.id: info for info in fresh.fileservers}

    async def _heartbeats(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_S)
            try:
                await self._beat_once()
            except CairnError as error:
                if error.retryable:
                    log.info("no heartbeat", error=str(error))
                else:
                    log.error("the control plane refuses this fileserver", error=str(error))

    async def _beat_once(self) -> None:
        if self._token_expires_us - self._clock.now_us() < TOKEN_MARGIN_US:
            await self._renew_token()
        if self._clock.monotonic() - self._keys_at > KEYS_EVERY_S:
            await self._renew_keys()
        load = self._load()
        self._counter += 1
        reply: HeartbeatReply = await self._calls.call(
            endpoints.HEARTBEAT,
            HeartbeatRequest(
                boot=self._boot,
                counter=self._counter,
                used_bytes=load.used_bytes,
                free_bytes=load.free_bytes,
                chunks=load.chunks,
                full=load.full,
            ),
            params=self._params(),
            timeout_s=CALL_TIMEOUT_S,
        )
        self.commit = CommitNumber(max(self.commit, reply.commit))
        known = self._known_map()
        if (reply.map_version, reply.incarnation) != (known.version, known.incarnation):
            await self.refresh_map()
            self._remember()

    async def _renew_token(self) -> None:
        reply = await self.anonymous.call(
            endpoints.REFRESH,
            RefreshRequest(refresh_token=self._own().refresh_token),
            timeout_s=CALL_TIMEOUT_S,
        )
        self._token, self._token_expires_us = reply.token, reply.expires_at_us

    async def _renew_keys(self) -> None:
        keys = await self.anonymous.call(endpoints.KEYS, timeout_s=CALL_TIMEOUT_S)
        if self._checker is not None:
            self._checker.update(keys.keys)
        self._keys_at = self._clock.monotonic()

    def _own(self) -> Credentials:
        if self._credentials is None:
            raise Unavailable("the fileserver has not joined its cluster yet")
        return self._credentials

    def _known_map(self) -> ClusterMap:
        if self._map is None:
            raise Unavailable("the fileserver does not know its cluster yet")
        return self._map

    def _params(self) -> dict[str, str]:
        return {"fileserver": str(self.id)}
