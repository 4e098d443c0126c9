"""Golden vectors of how names, which are bytes, travel as text. They never change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.errors import BadName, PathTooLong
from cairnfs.wire import names

JSON = [
    (b"/a/b", "/a/b", None),
    ("/grüße".encode(), "/grüße", None),
    (b"/e\xcc\x81", "/e\u0301", None),  # NFD stays NFD
    (b"/\xc3\xa9", "/\u00e9", None),  # NFC stays NFC
    (b"/a\nb", "/a\nb", None),
    (b"/\xff", "/\\xff", "L/8="),
    (b"/a\xffb\\", "/a\\xffb\\", "L2H/Ylw="),
    (b"/\xed\xa0\x80", "/\\xed\\xa0\\x80", "L+2ggA=="),  # a surrogate is not UTF-8
]
URLS = [
    (b"/a/b", "/a/b"),
    (b"/a b", "/a%20b"),
    (b"/a%2Fb", "/a%252Fb"),
    (b"/a+b", "/a%2Bb"),
    (b"/a?b#c", "/a%3Fb%23c"),
    ("/ü".encode(), "/%C3%BC"),
    (b"/\xff", "/%FF"),
    (b"/~-._", "/~-._"),
    (b"/:@&=", "/%3A%40%26%3D"),
]


@pytest.mark.parametrize(("raw", "text", "base64"), JSON)
def test_in_json(raw: bytes, text: str, base64: str | None) -> None:
    assert names.to_text(raw) == (text, base64)
    assert names.from_text(text, base64) == raw


@pytest.mark.parametrize(("raw", "url"), URLS)
def test_in_urls(raw: bytes, url: str) -> None:
    assert names.to_url(raw) == url
    assert names.from_url(url.encode()) == raw


def test_where_both_are_there_base64_counts() -> None:
    assert names.from_text("for people", "L/8=") == b"/\xff"


@pytest.mark.parametrize("base64", ["!", "L/8", "L/8=\n", "é"])
def test_base64_is_strict(base64: str) -> None:
    with pytest.raises(BadName):
        names.from_text("", base64)


def test_half_a_surrogate_is_no_name() -> None:
    with pytest.raises(BadName):
        names.from_text("/\ud800", None)


@pytest.mark.parametrize("url", [b"/%", b"/%4", b"/%zz", b"/a%"])
def test_a_percent_needs_two_digits(url: bytes) -> None:
    with pytest.raises(BadName):
        names.from_url(url)


def test_lower_case_digits_are_read() -> None:
    assert names.from_url(b"/%ff%2f") == b"/\xff/"


def test_paths_are_checked() -> None:
    assert names.to_path("/a/", None) == b"/a"
    with pytest.raises(BadName):
        names.to_path("a", None)
    with pytest.raises(PathTooLong):
        names.to_path("/" + "x" * 4096, None)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a", "a"),
        ("ü".encode(), "ü"),
        (b"\xff", "\\xff"),
        (b"a\\b", "a\\\\b"),
        (b"a\nb", "a\\nb"),
        (b"\x1b[0m", "\\x1b[0m"),
        ("\u202e".encode(), "\\u202e"),
    ],
)
def test_for_a_terminal(raw: bytes, shown: str) -> None:
    assert names.printable(raw) == shown


@given(st.binary(max_size=40))
def test_whatever_the_bytes_they_come_back(raw: bytes) -> None:
    assert names.from_text(*names.to_text(raw)) == raw
    assert names.from_url(names.to_url(raw).encode()) == raw


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_two_names_never_become_one(one: bytes, other: bytes) -> None:
    if one != other:
        assert names.to_text(one) != names.to_text(other)
        assert names.to_url(one) != names.to_url(other)
        assert names.printable(one) != names.printable(other)
