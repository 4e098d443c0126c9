"""Names are bytes: what is a name, what is a path, and nothing is ever folded together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.core import names
from cairnfs.errors import BadName, PathTooLong
from cairnfs.ids import Path

GOOD_NAMES = [b"a", b"...", b" ", b"\xff\xfe", b"a\nb", "ü".encode(), b"\\", b"%2F", b"x" * 255, b"-", b"~"]
BAD_NAMES = [b"", b".", b"..", b"a/b", b"/", b"a\0", b"\0", b"x" * 256]
BAD_PATHS = [
    b"",
    b"a",
    b"a/b",
    b"//",
    b"//a",
    b"/a//b",
    b"/a/./b",
    b"/a/..",
    b"/..",
    b"/\0",
    b"/a//",
    b"/" + b"x" * 256,
]


@pytest.mark.parametrize("raw", GOOD_NAMES)
def test_a_name_is_nearly_any_bytes(raw: bytes) -> None:
    assert names.name(raw) == raw


@pytest.mark.parametrize("raw", BAD_NAMES)
def test_what_no_name_is(raw: bytes) -> None:
    with pytest.raises(BadName):
        names.name(raw)


@pytest.mark.parametrize("raw", BAD_PATHS)
def test_a_path_has_one_spelling(raw: bytes) -> None:
    with pytest.raises(BadName):
        names.path(raw)


def test_a_slash_at_the_end_is_dropped() -> None:
    assert names.path(b"/a/b/") == b"/a/b"
    assert names.path(b"/") == b"/"


def test_a_path_has_4096_bytes_at_most() -> None:
    longest = b"/" + b"/".join([b"x" * 255] * 16)
    assert len(longest) == 4096
    assert names.path(longest) == longest
    with pytest.raises(PathTooLong):
        names.path(longest + b"/")


def test_splitting_joining_and_looking_up() -> None:
    path = names.path(b"/a/bc/d")
    assert names.split(path) == (b"a", b"bc", b"d")
    assert names.join(names.split(path)) == path
    assert names.parent(path) == b"/a/bc"
    assert names.base(path) == b"d"
    root = Path(b"/")
    assert (names.split(root), names.parent(root), names.base(root)) == ((), b"/", b"")
    assert names.join(()) == b"/"
    assert names.parent(names.path(b"/a")) == b"/"


@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda raw: not {0, 47} & set(raw)), max_size=6))
def test_two_different_paths_stay_two(parts: list[bytes]) -> None:
    if any(part in (b".", b"..") for part in parts):
        return
    path = names.path(b"/" + b"/".join(parts))
    assert list(names.split(path)) == parts
