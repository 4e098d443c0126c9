"""The chunk plane: what a fileserver serves."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import chunks, verification
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

PUT_CHUNKS = Endpoint(
    "put_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/put",
    Empty,
    chunks.PutReply,
    "user",
    "Store chunks here and at the other members",
    (e.HashMismatch, e.LengthMismatch, e.TooLarge, e.NotAMember, e.NoSpace, e.TooFewCopies),
    "request",
    chunks.PUT_BODY_MAX_BYTES,
    {
        chunks.SESSION_HEADER: True,
        chunks.BEGIN_HEADER: True,
        chunks.DURABILITY_HEADER: False,
        chunks.MAP_HEADER: False,
    },
)
FORWARD_CHUNKS = Endpoint(
    "forward_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/forward",
    Empty,
    chunks.ForwardReply,
    "fileserver",
    "A member passes chunks on to this one",
    (e.HashMismatch, e.LengthMismatch, e.TooLarge, e.NoSpace),
    "request",
    chunks.PUT_BODY_MAX_BYTES,
    {chunks.BEGIN_HEADER: True},
)
GET_CHUNKS = Endpoint(
    "get_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/get",
    chunks.GetRequest,
    Empty,
    "user",
    "Read chunks",
    (e.TooLarge,),
    "reply",
)
INVENTORY = Endpoint(
    "inventory",
    "fileserver",
    "POST",
    "/v1/inventory",
    verification.InventoryRequest,
    verification.InventoryReply,
    "fileserver",
    "Which chunks are here",
)

FETCH_CHUNKS = Endpoint(
    "fetch_chunks",
    "fileserver",
    "POST",
    "/v1/chunks/fetch",
    chunks.FetchRequest,
    chunks.FetchReply,
    "fileserver",
    "Copy chunks that this member lacks from other members",
    (e.TooLarge, e.NoSpace),
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    PUT_CHUNKS,
    FORWARD_CHUNKS,
    GET_CHUNKS,
    INVENTORY,
    FETCH_CHUNKS,
)
