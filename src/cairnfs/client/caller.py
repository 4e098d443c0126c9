"""Who the caller is, as their token says: for telling apart what is kept on this machine for whom.

What belongs here: reading a token's claims, unchecked, since only the cluster's word counts for rights. What
does not: getting tokens (`credentials.py`). Used from one event loop.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import msgspec

from cairnfs.client.credentials import TokenSource


class Caller(NamedTuple):
    """A user of a cluster, by their ids."""

    cluster_id: str
    user_id: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str


async def caller_of(tokens: TokenSource) -> Caller | None:
    """Whose tokens these are; None where they do not say. Raises what getting a token raises."""
    token = await tokens.token()
    try:
        body = (token or "").split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Claims)
    except (IndexError, ValueError, msgspec.MsgspecError):
        return None
    return Caller(claims.iss, claims.sub)
