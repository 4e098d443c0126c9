"""Requests in a query string: bytes survive, nothing unknown or doubtful passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.errors import BadName, BadRequest, UnknownField
from cairnfs.wire import names, queries
from cairnfs.wire.codec import Request, Whole


class Look(Request, kw_only=True):
    """One of each."""

    path: str
    path_b64: str | None = None
    since: Whole | None = None
    deep: bool = False
    at: str | None = None
    odd_b64: str = ""


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"path=/", Look(path="/")),
        (b"path=%2Fa%20b", Look(path="/a b")),
        (b"path=/a+b", Look(path="/a+b")),
        (b"path=/caf%C3%A9", Look(path="/caf\xe9")),
        (b"path=/caf\xc3\xa9", Look(path="/caf\xe9")),
        (b"path=/%FF", Look(path="/\\xff", path_b64="L/8=")),
        (b"path=/a=b%26c&since=12", Look(path="/a=b&c", since=12)),
        (b"path=", Look(path="")),
        (b"path", Look(path="")),
        (b"since=0&path=/&deep=true&at=3d", Look(path="/", since=0, deep=True, at="3d")),
        (b"path=/&at=%E2%82%AC", Look(path="/", at="\u20ac")),
        (b"path=/&odd_b64=xx", Look(path="/", odd_b64="xx")),
    ],
)
def test_golden_queries(query: bytes, message: Look) -> None:
    assert queries.decode(Look, query) == message


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (b"", BadRequest),
        (b"since=1", BadRequest),
        (b"path=/&path=/", BadRequest),
        (b"path=/&path_b64=L/8=", UnknownField),
        (b"path=/&more=1", UnknownField),
        (b"path=/&", UnknownField),
        (b"path=/&%70ath=/", UnknownField),
        (b"path=/;since=1", None),
        (b"path=/%f", BadName),
        (b"path=/&since=-1", BadRequest),
        (b"path=/&since=one", BadRequest),
        (b"path=/&since=", BadRequest),
        (b"path=/&since=%201", BadRequest),
        (b"path=/&since=1_000", BadRequest),
        (b"path=/&since=9223372036854775808", BadRequest),
        (b"path=/&deep=maybe", BadRequest),
        (b"path=/&at=%FF", BadRequest),
        (b"path=/&at=%", BadRequest),
    ],
)
def test_what_is_refused(query: bytes, error: type[Exception] | None) -> None:
    if error is None:
        assert queries.decode(Look, query).path == "/;since=1"
        return
    with pytest.raises(error) as raised:
        queries.decode(Look, query)
    assert type(raised.value) is error


@given(
    st.binary(max_size=40),
    st.none() | st.integers(0, 2**63 - 1),
    st.booleans(),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_what_was_written_is_read(raw: bytes, since: int | None, deep: bool, at: str | None) -> None:
    text, base64 = names.to_text(raw)
    message = Look(path=text, path_b64=base64, since=since, deep=deep, at=at)
    query = queries.encode(message)
    assert query.isascii()
    assert queries.decode(Look, query.encode()) == message
    assert names.from_text(message.path, message.path_b64) == raw
