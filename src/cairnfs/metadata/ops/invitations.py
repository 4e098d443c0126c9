"""invitations: secrets that work once, for a person to sign up or a fileserver to join.

What belongs here: asking for one, what it grants, listing and revoking; each is known by its hash, and to
people by the first digits of that. What does not: spending one (`tokens`, in the tx that it pays for). They
count while who asked for them is an active administrator: `change_user` deletes the others.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cairnfs.core.permissions import Person
from cairnfs.errors import BadCursor, Busy, NotFound
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import tokens as secrets
from cairnfs.metadata.ops.governing import Governing, find_group
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, tokens
from cairnfs.metadata.rows import people as rows
from cairnfs.metadata.rows.tokens import OneTime
from cairnfs.metadata.state import State
from cairnfs.wire.people import (
    SECRET_ID_DIGITS,
    InvitationInfo,
    InvitationsReply,
    ListInvitationsRequest,
    PersonRole,
)

_HASH_DIGITS = 64
_PURPOSES = (secrets.INVITATION, secrets.JOIN)


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an invitation grants: the column `detail`, as JSON. `user_groups` are numbers."""

    role: PersonRole = "user"
    user_groups: tuple[int, ...] = ()
    note: str = ""


class Issue(Governing):
    """Keep a secret that works once."""

    reply_key = None
    answer_type = None

    def __init__(
        self,
        person: Person,
        purpose: str,
        secret_hash: bytes,
        *,
        ttl_ms: int,
        deadline: float,
        role: PersonRole = "user",
        user_groups: Iterable[str] = (),
        note: str = "",
    ) -> None:
        """`purpose`: see `ops/tokens`. `deadline` in seconds of the monotonic clock."""
        super().__init__(person, deadline)
        self._purpose = purpose
        self._hash = secret_hash
        self._ttl_us = ttl_ms * 1000
        self._role = role
        self._user_groups = list(user_groups)
        self._note = note

    def apply(self, state: State) -> int:
        """Answers when it expires, in us. Raises Forbidden, NoSuchGroup; Busy where the id is in use."""
        self.require_governor(state)
        tx = state.tx
        detail = ""
        if self._purpose == secrets.INVITATION:
            groups = tuple(dict.fromkeys(find_group(tx, name).id for name in self._user_groups))
            detail = msgspec.json.encode(Grant(self._role, groups, self._note)).decode()
        if tokens.one_times(tx, *_between(identify(self._hash)), _PURPOSES, 0, 1):
            raise Busy("draw another secret")
        expires_us = state.now_us + self._ttl_us
        tokens.insert_one_time(
            tx, OneTime(self._hash, self._purpose, expires_us, self.person.user_id, detail)
        )
        return expires_us


class Revoke(Governing):
    """Let a secret work no more."""

    reply_key = None
    answer_type = None

    def __init__(self, person: Person, identity: str, *, deadline: float) -> None:
        """`identity` is what `identify` gives. Raises NotFound for what is none."""
        super().__init__(person, deadline)
        self._range = _between(identity)
        self._identity = identity
        if self._range[0] == b"":
            raise NotFound(_NONE.format(identity[:40]))

    def apply(self, state: State) -> None:
        """Raises Forbidden, NotFound."""
        self.require_governor(state)
        found = tokens.one_times(state.tx, *self._range, _PURPOSES, state.now_us, 1)
        if not found:
            raise NotFound(_NONE.format(self._identity))
        secrets.spend_one_time(state.tx, found[0].hash)


_NONE = "no invitation and no join token that still works is {}"


def identify(secret_hash: bytes) -> str:
    """What a secret is called by people: so many digits of its hash."""
    return secret_hash.hex()[:SECRET_ID_DIGITS]


def grant(invitation: OneTime) -> Grant:
    """What an invitation grants."""
    return msgspec.json.decode(invitation.detail, type=Grant) if invitation.detail else Grant()


def granted_groups(tx: Tx, granted: Grant) -> list[int]:
    """The user groups of a grant that still are."""
    return rows.groups_among(tx, granted.user_groups)


def page(tx: Tx, request: ListInvitationsRequest) -> InvitationsReply:
    """What still works, in the order of the ids. Raises BadCursor."""
    low, high = b"", b"\xff" * 32
    if request.after:
        low = _between(request.after)[1]
        if not low:
            raise BadCursor("after is the id of an invitation")
    found = tokens.one_times(tx, low, high, _PURPOSES, tx.now_us(), request.limit + 1)
    more, found = found[request.limit :], found[: request.limit]
    people, grants = People(tx, clock.read(tx)), [grant(one) for one in found]
    names = people.names(
        [*(one.issuer for one in found), *(group for each in grants for group in each.user_groups)]
    )
    return InvitationsReply(
        invitations=[_told(one, each, names) for one, each in zip(found, grants, strict=True)],
        next=identify(found[-1].hash) if more else None,
    )


def _told(one: OneTime, granted: Grant, names: dict[int, str]) -> InvitationInfo:
    return InvitationInfo(
        id=identify(one.hash),
        purpose="fileserver" if one.purpose == secrets.JOIN else "person",
        role=granted.role,
        user_groups=[names[group] for group in granted.user_groups],
        note=granted.note,
        issuer=names[one.issuer],
        expires_at_us=one.expires_us,
    )


def _between(identity: str) -> tuple[bytes, bytes]:
    """The lowest and the highest hash that are called so; nothing for what calls none."""
    if len(identity) != SECRET_ID_DIGITS or not set(identity) <= set("0123456789abcdef"):
        return b"", b""
    return (
        bytes.fromhex(identity.ljust(_HASH_DIGITS, "0")),
        bytes.fromhex(identity.ljust(_HASH_DIGITS, "f")),
    )
