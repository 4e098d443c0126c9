"""Receipts: a fileserver's proven word that it and others hold chunks durably.

The body is msgpack of ReceiptBody; the proof is HMAC-SHA256 over exactly those bytes under the
fileserver's own key, which only it and the control plane hold. A receipt speaks for one session
of one user. What does not belong here: whether a receipt suffices for a commit (`core`). Any thread.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from cairnfs.errors import ReceiptInvalid
from cairnfs.wire.commits import Receipt
from cairnfs.wire.directory import ChunkRef


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """A fileserver that holds the chunks, at one of its starts."""

    fileserver: int
    boot: str


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """Chunks that the same holders have."""

    holders: list[Holder]
    chunks: list[ChunkRef]


class ReceiptBody(msgspec.Struct, frozen=True, array_like=True):
    """`begin` is the begin number stored with the chunks; `session` and `user` whose upload it was."""

    cluster_id: str
    incarnation: int
    fileserver: int
    user: int
    session: str
    begin: int
    holdings: list[Holding]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ReceiptBody)


def sign(body: ReceiptBody, key: bytes) -> Receipt:
    """The receipt of this body."""
    encoded = _encoder.encode(body)
    return Receipt(fileserver=body.fileserver, body=encoded, mac=_mac(encoded, key))


def check(receipt: Receipt, key: bytes) -> ReceiptBody:
    """The body of a genuine receipt. Raises ReceiptInvalid."""
    if not hmac.compare_digest(_mac(receipt.body, key), receipt.mac):
        raise ReceiptInvalid("the receipt's proof does not fit")
    try:
        body = _decoder.decode(receipt.body)
    except msgspec.MsgspecError as error:
        raise ReceiptInvalid("the receipt cannot be read") from error
    if body.fileserver != receipt.fileserver:
        raise ReceiptInvalid("the receipt names another fileserver")
    return body


def _mac(encoded: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"cairn receipt 1\0" + encoded, hashlib.sha256)
