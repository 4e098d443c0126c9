"""Patterns of names: what `cairn find --name` takes, matched against a name's bytes.

`*` any bytes, `?` one byte, `[a-z_]` one of these, `[!a-z]` one of all others, `\\` takes the next byte as it
is. Nothing is decoded: `?` is one byte of a letter that has two. What begins with a dot is as any other.

A pattern is run as the set of all places in it that the name read so far may have led to, one bit each, so
every byte of a name costs the same few steps whatever the pattern: nothing is ever tried again. What belongs
here: that. What does not: how names are found (`metadata/ops/find`). Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cairnfs.errors import BadPattern

PATTERN_MAX_BYTES = 1024
_STAR, _ANY, _OPEN, _CLOSE, _ESCAPE = b"*?[]\\"
_ALL = (1 << 256) - 1


class _Parsed(NamedTuple):
    """`elements`: for each byte of a name that must be there, the set of those that may be, as 256 bits.

    `stars`: before which of them (and after all) any bytes may stand.
    """

    elements: list[int]
    stars: set[int]


class Pattern:
    """A pattern, ready to be matched."""

    __slots__ = ("_accepts", "_end", "_loops", "_suffix", "exact", "prefix")

    def __init__(self, elements: Sequence[int], stars: set[int]) -> None:
        """Made by `parse`."""
        self._end = 1 << len(elements)
        self._loops = sum(1 << at for at in stars)
        self._accepts = _by_byte(elements)
        literal = [_only(element) for element in elements]
        first = min(stars, default=len(literal))
        self.prefix = _run(literal[:first])  #: what every name that matches begins with
        #: Whether no other name matches.
        self.exact = not stars and len(self.prefix) == len(literal)
        last = max(stars, default=0)
        self._suffix = _run(literal[last:][::-1])[::-1] if stars else b""

    def matches(self, name: bytes) -> bool:
        """Whether the whole name is of this pattern."""
        if self.exact:
            return name == self.prefix
        if not name.startswith(self.prefix) or not name.endswith(self._suffix):
            return False
        accepts, loops = self._accepts, self._loops
        places = 1
        for byte in name:
            places = (places & accepts[byte]) << 1 | places & loops
            if not places:
                return False
        return bool(places & self._end)


@lru_cache(256)
def parse(raw: bytes, *, ignore_case: bool = False) -> Pattern:
    """Read a pattern; `ignore_case` for the letters of ASCII. Raises BadPattern."""
    if not raw:
        raise BadPattern("a pattern cannot be empty", hint="* is every name")
    if len(raw) > PATTERN_MAX_BYTES:
        raise BadPattern(f"a pattern has at most {PATTERN_MAX_BYTES} bytes, this one has {len(raw)}")
    if b"\0" in raw or b"/" in raw:
        raise BadPattern("no name holds NUL or /", hint="a pattern is of names, not of paths")
    parsed = _Parsed([], set())
    at = 0
    while at < len(raw):
        at = _element(raw, at, parsed, ignore_case=ignore_case)
    return Pattern(parsed.elements, parsed.stars)


def _element(raw: bytes, at: int, parsed: _Parsed, *, ignore_case: bool) -> int:
    """Read one piece of the pattern; give where the next begins."""
    byte = raw[at]
    if byte == _STAR:
        parsed.stars.add(len(parsed.elements))
        return at + 1
    if byte == _ANY:
        parsed.elements.append(_ALL)
        return at + 1
    if byte == _OPEN:
        accepted, at = _bracket(raw, at + 1, ignore_case=ignore_case)
        parsed.elements.append(accepted)
        return at
    byte, at = _plain(raw, at)
    parsed.elements.append(_cases(1 << byte) if ignore_case else 1 << byte)
    return at


def _plain(raw: bytes, at: int) -> tuple[int, int]:
    """One byte, with a backslash before it or without."""
    if raw[at] == _ESCAPE:
        at += 1
        if at == len(raw):
            raise BadPattern("nothing follows the last backslash", hint="\\\\ is a backslash")
    return raw[at], at + 1


def _bracket(raw: bytes, at: int, *, ignore_case: bool) -> tuple[int, int]:
    """The set that brackets hold, from behind the opening one; and where they end."""
    negated = raw[at : at + 1] in (b"!", b"^")
    at += negated
    begin, accepted = at, 0
    while at < len(raw) and (raw[at] != _CLOSE or at == begin):
        if raw[at : at + 2] in (b"[:", b"[.", b"[="):
            raise BadPattern("classes such as [:alpha:] are not known", hint="say which bytes: [A-Za-z]")
        low, at = _plain(raw, at)
        high = low
        if raw[at : at + 1] == b"-" and at + 1 < len(raw) and raw[at + 1] != _CLOSE:
            high, at = _plain(raw, at + 1)
        if high < low:
            raise BadPattern("a range in brackets runs backwards")
        accepted |= (1 << high + 1) - (1 << low)
    if at >= len(raw):
        raise BadPattern("a [ without its ]", hint="\\[ is a bracket itself")
    if ignore_case:
        accepted = _cases(accepted)
    return (_ALL ^ accepted if negated else accepted), at + 1


_UPPER, _LOWER = ((1 << 26) - 1) << ord("A"), ((1 << 26) - 1) << ord("a")
_APART = ord("a") - ord("A")


def _cases(accepted: int) -> int:
    """A set with every ASCII letter in both cases."""
    return accepted | (accepted & _UPPER) << _APART | (accepted & _LOWER) >> _APART


def _only(accepted: int) -> int | None:
    """The one byte of a set, if it has one alone."""
    return accepted.bit_length() - 1 if accepted.bit_count() == 1 else None


def _run(literal: Sequence[int | None]) -> bytes:
    """The bytes up to the first that is not given."""
    end = literal.index(None) if None in literal else len(literal)
    return bytes(byte for byte in literal[:end] if byte is not None)


def _by_byte(elements: Sequence[int]) -> list[int]:
    """For each byte, at which places of the pattern it is accepted."""
    accepts = [sum(1 << at for at, accepted in enumerate(elements) if accepted == _ALL)] * 256
    for at, accepted in enumerate(elements):
        left = 0 if accepted == _ALL else accepted
        while left:
            byte = left.bit_length() - 1
            accepts[byte] |= 1 << at
            left ^= 1 << byte
    return accepts
