"""Routes of the cluster: the map, joining and heartbeats of fileservers, status.

Thin. What a heartbeat says of a fileserver's state is made true at once; that one does not come is
the detector's business (`duties/detector.py`). One event loop.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from cairnfs import __version__
from cairnfs.clock import Clock
from cairnfs.control.auth.tokens import Issuer, RefreshTtl, new_secret
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import BadRequest, NotFound
from cairnfs.ids import FileserverId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import cluster, fileservers
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.cluster import (
    ZONE_MAX_CHARS,
    ClusterMap,
    HeartbeatReply,
    HeartbeatRequest,
    JoinReply,
    JoinRequest,
    RegisterRequest,
    StatusReply,
)
from cairnfs.wire.codec import Empty

_BOOT_CHARS = range(8, 65)


class ClusterRoutes:
    """The cluster endpoints but verification."""

    def __init__(self, driver: Driver, clock: Clock, issuer: Issuer, database_kind: str) -> None:
        self._driver = driver
        self._issuer = issuer
        self._ttl = RefreshTtl(clock)
        self._kind = database_kind

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.CLUSTER_MAP.name: self.map,
            endpoints.STATUS.name: self.status,
            endpoints.JOIN.name: self.join,
            endpoints.REGISTER.name: self.register,
            endpoints.HEARTBEAT.name: self.heartbeat,
        }

    async def map(self, context: Context, request: Empty) -> ClusterMap:
        """Groups, their members and where these are."""
        return await self._driver.read(cluster.cluster_map)

    async def status(self, context: Context, request: Empty) -> StatusReply:
        """The cluster for people."""
        return await self._driver.read(
            lambda tx: cluster.status(tx, database=self._kind, version=__version__)
        )

    async def join(self, context: Context, request: JoinRequest) -> JoinReply:
        """A new fileserver, by a one-time token. It may not have a boot id yet: it registers next."""
        _check_place(request.address, request.boot or None, request.zone, request.capacity_bytes)
        receipt_key, secret = secrets.token_bytes(32), new_secret()
        joined = await self._driver.submit(
            fileservers.Join(
                request,
                hash_bytes(request.join_token.encode()),
                receipt_key=receipt_key,
                refresh_hash=hash_bytes(secret.encode()),
                refresh_expires_us=self._ttl.expires_us("fileserver"),
                deadline=context.deadline,
            )
        )
        issued = self._issuer.issue(joined.user_id, joined.name, "fileserver")
        return JoinReply(
            fileserver=joined.fileserver,
            cluster_id=joined.cluster_id,
            incarnation=joined.incarnation,
            receipt_key=receipt_key,
            refresh_token=secret,
            token=issued.token,
            expires_at_us=issued.expires_at_us,
        )

    async def register(self, context: Context, request: RegisterRequest) -> HeartbeatReply:
        """A known fileserver starts again."""
        _check_place(request.address, request.boot, request.zone, request.capacity_bytes)
        return await self._driver.submit(
            fileservers.Register(
                _fileserver(context), context.user.user_id, request, deadline=context.deadline
            )
        )

    async def heartbeat(self, context: Context, request: HeartbeatRequest) -> HeartbeatReply:
        """A fileserver is alive."""
        fileserver, user = _fileserver(context), context.user.user_id

        def beat(tx: Tx) -> tuple[HeartbeatReply, str]:
            reply = fileservers.heartbeat(tx, fileserver, user, request)
            return reply, fileservers.state(tx, fileserver)

        reply, state = await self._driver.light(beat)
        told: Literal["full", "up"] = "full" if request.full else "up"
        if state != told:
            await self._driver.submit(
                fileservers.SetState(
                    fileserver, told, deadline=context.deadline, seen_counter=request.counter
                )
            )
        return reply


def _fileserver(context: Context) -> FileserverId:
    number = context.params["fileserver"]
    if not number.isdigit() or len(number) > 18:
        raise NotFound("a fileserver is named by its number")
    return FileserverId(int(number))


def _check_place(address: str, boot: str | None, zone: str, capacity_bytes: int) -> None:
    """Raises BadRequest for what no fileserver would say of itself."""
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port is not None
    except ValueError:
        fine = False
    plain = address.isascii() and address.isprintable() and " " not in address
    if not fine or not plain or parts.path or parts.query or parts.fragment or len(address) > 255:
        raise BadRequest("address is http://HOST:PORT or https://HOST:PORT")
    if boot is not None and not (len(boot) in _BOOT_CHARS and boot.isalnum() and boot.isascii()):
        raise BadRequest("boot is 8 to 64 letters and digits")
    if len(zone) > ZONE_MAX_CHARS or not zone.isprintable():
        raise BadRequest(f"zone has at most {ZONE_MAX_CHARS} printable characters")
    if capacity_bytes < 0:
        raise BadRequest("capacity_bytes is not negative")
