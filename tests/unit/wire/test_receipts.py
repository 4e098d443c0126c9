"""Receipts: only the fileserver's own key makes one, and nothing in it can be changed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.errors import ReceiptInvalid
from cairnfs.wire import codec, receipts
from cairnfs.wire.commits import Receipt
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.receipts import Holder, Holding, ReceiptBody, check, sign

KEY = b"k" * 32
BODY = ReceiptBody(
    cluster_id="c" * 32,
    incarnation=1,
    fileserver=7,
    user=3,
    session="5" * 32,
    begin=41,
    holdings=[
        Holding(holders=[Holder(7, "b" * 32), Holder(8, "d" * 32)], chunks=[ChunkRef(b"\1" * 32, 4096)])
    ],
)


def test_a_receipt_comes_back_as_it_was_signed() -> None:
    sent = codec.encode(sign(BODY, KEY))
    assert check(codec.decode(Receipt, sent), KEY) == BODY


def test_the_proof_is_frozen() -> None:
    """The published form; a change here is a change of the protocol."""
    receipt = sign(BODY, KEY)
    assert receipt.mac.hex() == "5555f7d1b62eb86323b6f38f8007fa3637ac7e61db416b75b598336b640eb79a"


def test_another_key_does_not_fit() -> None:
    with pytest.raises(ReceiptInvalid, match="proof"):
        check(sign(BODY, KEY), b"K" * 32)


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, flip: int) -> None:
    receipt = sign(BODY, KEY)
    body = bytearray(receipt.body)
    body[place % len(body)] ^= flip
    with pytest.raises(ReceiptInvalid):
        check(Receipt(fileserver=7, body=bytes(body), mac=receipt.mac), KEY)


@pytest.mark.parametrize("mac", [b"", b"\0" * 32, b"short"])
def test_no_proof_is_no_receipt(mac: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        check(Receipt(fileserver=7, body=sign(BODY, KEY).body, mac=mac), KEY)


def test_the_outside_names_the_one_who_signed() -> None:
    receipt = sign(BODY, KEY)
    with pytest.raises(ReceiptInvalid, match="another fileserver"):
        check(Receipt(fileserver=8, body=receipt.body, mac=receipt.mac), KEY)


def test_a_well_signed_body_that_is_none_is_refused() -> None:
    """Signed by a key that leaked, or by a fileserver of tomorrow: an error, not a crash."""
    for body in (b"", b"\xc1", msgspec.msgpack.encode([1, 2, 3]), msgspec.msgpack.encode({"user": 1})):
        with pytest.raises(ReceiptInvalid, match="cannot be read"):
            check(Receipt(fileserver=7, body=body, mac=receipts._mac(body, KEY)), KEY)
