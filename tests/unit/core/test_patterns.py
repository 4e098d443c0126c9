"""Patterns of names: what they match, what they refuse, and that none of them is slow."""

from __future__ import annotations

import fnmatch
import random

import pytest

from cairnfs.core import patterns
from cairnfs.core.patterns import parse
from cairnfs.errors import BadPattern


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"a", [b"a"], [b"", b"b", b"aa", b"A"]),
        (b"*", [b"", b"a", b".hidden", bytes(range(1, 47))], []),
        (b"**a**", [b"a", b"bab"], [b"", b"b"]),
        (b"?", [b"a", b"\xff"], [b"", b"ab", "é".encode()]),
        (b"a*a", [b"aa", b"aba"], [b"a", b"ab"]),
        (b"*.py", [b".py", b"a.py"], [b"a.pyc", b"py"]),
        (b"[a-c]x", [b"ax", b"cx"], [b"dx", b"x", b"Ax"]),
        (b"[!a-c]x", [b"dx", b"-x"], [b"ax", b"x"]),
        (b"[^a]", [b"b"], [b"a"]),
        (b"[]]", [b"]"], [b"["]),
        (b"[!]]", [b"["], [b"]"]),
        (b"[a-]", [b"a", b"-"], [b"b"]),
        (b"[-a]", [b"a", b"-"], [b"b"]),
        (b"[\\]x]", [b"]", b"x"], [b"\\"]),
        (b"[*?]", [b"*", b"?"], [b"a"]),
        (b"\\*\\[", [b"*["], [b"a["]),
        (b"\\\\", [b"\\"], [b"\\\\"]),
        (b"\xff*", [b"\xff", b"\xff\xfe"], [b"\xfe"]),
    ],
)
def test_what_matches(pattern: bytes, matching: list[bytes], others: list[bytes]) -> None:
    made = parse(pattern)
    assert [name for name in matching if not made.matches(name)] == []
    assert [name for name in others if made.matches(name)] == []


def test_letters_of_ascii_in_either_case() -> None:
    assert parse(b"Re[a-c]D[!x]*", ignore_case=True).matches(b"rEAdme")
    assert not parse(b"Re[a-c]D[!x]*", ignore_case=True).matches(b"readXme")
    assert not parse("É".encode(), ignore_case=True).matches("é".encode())


@pytest.mark.parametrize(
    "pattern",
    [b"", b"[", b"a[b", b"[]", b"[!]", b"[a\\", b"a\\", b"[z-a]", b"[[:alpha:]]", b"a/b", b"\0", b"*" * 1025],
)
def test_what_is_no_pattern(pattern: bytes) -> None:
    with pytest.raises(BadPattern):
        parse(pattern)


@pytest.mark.parametrize(
    ("pattern", "prefix", "exact"),
    [
        (b"abc", b"abc", True),
        (b"ab*c", b"ab", False),
        (b"*c", b"", False),
        (b"a?", b"a", False),
        (b"a[b]\\*", b"ab*", True),
        (b"a[bc]", b"a", False),
    ],
)
def test_what_every_matching_name_begins_with(pattern: bytes, prefix: bytes, exact: bool) -> None:
    made = parse(pattern)
    assert (made.prefix, made.exact) == (prefix, exact)
    assert parse(b"1a*", ignore_case=True).prefix == b"1"


def test_as_the_standard_library_does_it(seed: int) -> None:
    rng = random.Random(seed)
    compared = 0
    while compared < 5_000:
        pattern = "".join(rng.choice("ab*?[]!-c") for _ in range(rng.randint(1, 8)))
        name = "".join(rng.choice("abc]-![") for _ in range(rng.randint(0, 8)))
        try:
            made = parse(pattern.encode())
        except BadPattern:
            continue
        assert made.matches(name.encode()) == fnmatch.fnmatchcase(name, pattern), (pattern, name)
        compared += 1


class Counted(bytes):
    """Bytes that count how often one of them is read."""

    read = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        for byte in super().__iter__():
            Counted.read += 1
            yield byte


@pytest.mark.parametrize(
    "pattern", [b"*a" * 511 + b"*b", b"*" + b"a" * 500 + b"b*", b"?*" * 500, b"*[ab]" * 200]
)
def test_a_byte_is_looked_at_once_whatever_the_pattern(pattern: bytes) -> None:
    Counted.read = 0
    patterns.parse(pattern).matches(Counted(b"a" * 255))
    assert Counted.read <= 255
