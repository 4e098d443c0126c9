"""fileservers: join, register at each start, heartbeat, and what the detector finds.

What belongs here: the verbs. What does not: times (`control/duties`), who gets which group (`placing`).
All but the heartbeat hold the clock: they change the cluster map.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.errors import Conflict, Forbidden, NotFound
from cairnfs.ids import BootId, ClusterId, FileserverId, Incarnation, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import leader, placing
from cairnfs.metadata.ops import tokens as secrets
from cairnfs.metadata.rows import clock, fileservers, tokens, users
from cairnfs.metadata.rows.fileservers import Fileserver
from cairnfs.metadata.rows.users import User
from cairnfs.metadata.state import State, Want
from cairnfs.wire.cluster import HeartbeatReply, HeartbeatRequest, JoinRequest, RegisterRequest
from cairnfs.wire.cluster import State as Health


class Joined(NamedTuple):
    """A new fileserver and its service identity. No person can have that name."""

    fileserver: FileserverId
    user_id: UserId
    name: str
    cluster_id: ClusterId
    incarnation: Incarnation


class Join:
    """A new fileserver, by a one-time join token. Answers `Joined`."""

    reply_key = None
    answer_type = None

    def __init__(
        self,
        request: JoinRequest,
        token_hash: bytes,
        *,
        receipt_key: bytes,
        refresh_hash: bytes,
        refresh_expires_us: int,
        deadline: float,
    ) -> None:
        """Hashes are of the join token and of the new refresh token."""
        self.deadline = deadline
        self._request = request
        self._token_hash = token_hash
        self._receipt_key = receipt_key
        self._refresh = (refresh_hash, refresh_expires_us)

    def __repr__(self) -> str:
        return f"Join({self._request.address!r})"

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> Joined:
        """Raises JoinRefused."""
        tx, request = state.tx, self._request
        secrets.check_one_time(tx, self._token_hash, secrets.JOIN)
        state.flush()
        secrets.spend_one_time(tx, self._token_hash)
        user = UserId(state.take("next_user"))
        fileserver = FileserverId(state.take("next_fileserver"))
        name = f"fileserver:{fileserver}"
        users.insert(tx, User(user, name, "fileserver", "", "", state.now_us))
        tokens.insert_refresh(tx, self._refresh[0], user, self._refresh[1])
        row = Fileserver(
            id=fileserver,
            user_id=user,
            address=request.address,
            zone=request.zone,
            state="up",
            boot=BootId(request.boot),
            counter=0,
            receipt_key=self._receipt_key,
            used_bytes=0,
            free_bytes=request.capacity_bytes,
            chunks=0,
        )
        fileservers.insert(tx, row)
        placing.place(state)
        state.change_map()
        return Joined(fileserver, user, name, state.clock.cluster_id, state.clock.incarnation)


class Register:
    """A known fileserver started again. Answers what a heartbeat answers."""

    reply_key = None
    answer_type = None

    def __init__(
        self, fileserver: FileserverId, user: UserId, request: RegisterRequest, *, deadline: float
    ) -> None:
        """`user`: whose token came with the request."""
        self.deadline = deadline
        self._fileserver = fileserver
        self._user = user
        self._request = request

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> HeartbeatReply:
        """Its groups are dirty from a new start on. Raises NotFound, Forbidden."""
        known, request = _own(state.tx, self._fileserver, self._user), self._request
        state.flush()
        if request.boot != known.boot:
            placing.distrust(state, known.id)
        fileservers.restart(
            state.tx, known.id, request.address, request.zone, BootId(request.boot), request.capacity_bytes
        )
        return HeartbeatReply(
            map_version=state.change_map(),
            incarnation=state.clock.incarnation,
            commit=state.counters["commit_number"],
        )


class SetState:
    """What the detector found. Answers whether the state changed."""

    reply_key = None
    answer_type = None

    def __init__(
        self,
        fileserver: FileserverId,
        health: Health,
        *,
        deadline: float,
        seen_counter: int | None = None,
        term: int | None = None,
    ) -> None:
        """`seen_counter`: only if its counter still is that. `term`: see `ops/leader`."""
        self.deadline = deadline
        self._fileserver = fileserver
        self._health = health
        self._seen = seen_counter
        self._term = term

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> bool:
        """Changes the map."""
        leader.require(state.tx, self._term)
        changed = fileservers.set_state(state.tx, self._fileserver, self._health, self._seen)
        if changed:
            state.change_map()
        return changed


def heartbeat(tx: Tx, fileserver: FileserverId, user: UserId, request: HeartbeatRequest) -> HeartbeatReply:
    """A fileserver is alive. A light write.

    Raises NotFound, Forbidden, and Conflict where the heartbeat is of an earlier start.
    """
    known, now = _own(tx, fileserver, user), clock.read(tx)
    beat = known.boot == request.boot and fileservers.beat(
        tx,
        fileserver,
        BootId(request.boot),
        request.counter,
        request.used_bytes,
        request.free_bytes,
        request.chunks,
    )
    if not beat:
        raise Conflict("the fileserver started again since", hint="register first")
    return HeartbeatReply(map_version=now.map_version, incarnation=now.incarnation, commit=now.commit_number)


def state(tx: Tx, fileserver: FileserverId) -> str:
    """Its present state. Raises NotFound."""
    known = fileservers.find(tx, fileserver)
    if known is None:
        raise NotFound(f"no fileserver {fileserver}")
    return known.state


def every(tx: Tx) -> list[Fileserver]:
    """All fileservers, receipt keys included."""
    return fileservers.every(tx)


def _own(tx: Tx, fileserver: FileserverId, user: UserId) -> Fileserver:
    known = fileservers.find(tx, fileserver)
    if known is None:
        raise NotFound(f"no fileserver {fileserver}")
    if known.user_id != user:
        raise Forbidden(f"this is not the token of fileserver {fileserver}")
    return known
