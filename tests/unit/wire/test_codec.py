"""Bytes to messages and back: bad input never comes further than this."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnfs.errors import BadRequest, UnknownField
from cairnfs.wire import codec
from cairnfs.wire.codec import Empty, Moment, Reply, Request, Whole
from cairnfs.wire.commits import CommitRequest, MakeDirectory, Receipt, Rename, Write
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.endpoints import CONTROL, FILESERVER


class Asked(Request, kw_only=True):
    size: Whole
    at_us: Moment = 0
    name: str | None = None


class Told(Reply, kw_only=True):
    name: str
    size: int = 0


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"size":"1"}', r"\$\.size"),
        (b'{"size":-1}', r"\$\.size"),
        (b'{"size":9223372036854775808}', r"\$\.size"),
        (b'{"size":1.5}', r"\$\.size"),
        (b'{"size":true}', r"\$\.size"),
        (b'{"size":1,"at_us":-9223372036854775809}', r"\$\.at_us"),
        (b'{"size":1,"name":7}', r"\$\.name"),
        (b"{}", "size"),
        (b"[]", "object"),
        (b"", "JSON"),
        (b'{"size":1', "JSON"),
        (b'{"size":1} {}', "JSON"),
        (b'{"size":1,"name":"\xff"}', "JSON"),
        (b'{"size":1,"name":"\\ud800"}', "JSON"),
        (b'{"size":NaN}', "JSON"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (b'{"size":' + b"[" * 100_000, "size"),
    ],
)
def test_what_does_not_fit_is_refused_and_says_where(body: bytes, where: str) -> None:
    with pytest.raises(BadRequest, match=where):
        codec.decode(Asked, body)


def test_requests_refuse_unknown_fields_and_replies_ignore_them() -> None:
    with pytest.raises(UnknownField, match="colour"):
        codec.decode(Asked, b'{"size":1,"colour":"red"}')
    assert codec.decode(Told, b'{"name":"a","colour":"red"}') == Told(name="a")


def test_the_limits_themselves_pass() -> None:
    body = b'{"size":9223372036854775807,"at_us":-9223372036854775808}'
    assert codec.decode(Asked, body) == Asked(size=2**63 - 1, at_us=-(2**63))


def test_defaults_are_not_sent() -> None:
    assert codec.encode(Told(name="a")) == b'{"name":"a"}'
    assert codec.encode(Empty()) == b"{}"


def test_a_commit_in_json() -> None:
    """The published form of the largest message; a change here is a change of the protocol."""
    request = CommitRequest(
        request_id="00" * 16,
        operations=[
            Write(path="/a", chunks=[ChunkRef(b"\1" * 32, 5)], size=5, expected="none"),
            MakeDirectory(path="/d", parents=True),
            Rename(path="/a", target="\\xff", target_b64="/w=="),
        ],
        receipts=[Receipt(fileserver=1, body=b"body", mac=b"mac")],
    )
    said = codec.encode(request)
    assert msgspec.json.decode(said) == {
        "request_id": "00" * 16,
        "operations": [
            {"op": "write", "path": "/a", "size": 5, "expected": "none",
             "chunks": [["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", 5]]},
            {"op": "mkdir", "path": "/d", "parents": True},
            {"op": "rename", "path": "/a", "target": "\\xff", "target_b64": "/w=="},
        ],
        "receipts": [{"fileserver": 1, "body": "Ym9keQ==", "mac": "bWFj"}],
    }  # fmt: skip
    assert codec.decode(CommitRequest, said) == request


@pytest.mark.parametrize(
    "kind", dict.fromkeys(one.request for one in (*CONTROL, *FILESERVER)), ids=lambda kind: kind.__name__
)
@settings(max_examples=25)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(msgspec.json.encode),
    )
)
def test_nothing_but_our_own_errors_comes_out(kind: type[Any], body: bytes) -> None:
    try:
        made = codec.decode(kind, body)
    except (BadRequest, UnknownField):
        return
    assert codec.decode(kind, codec.encode(made)) == made
