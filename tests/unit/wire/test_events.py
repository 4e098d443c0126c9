"""Server-sent events: golden vectors of the format, any cut of the bytes, limits."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.errors import TooLarge
from cairnfs.wire import events
from cairnfs.wire.events import Comment, Event, Parser

#: (bytes on the wire, what a reader makes of them). Event(last id, kind, data).
GOLDEN: list[tuple[bytes, list[Event | Comment]]] = [
    (b"", []),
    (b"\n\n\n", []),
    (b"data: x\n\n", [Event("", "message", b"x")]),
    (b"id: 7\nevent: commit\ndata: {}\n\n", [Event("7", "commit", b"{}")]),
    (b"data: a\ndata: b\n\n", [Event("", "message", b"a\nb")]),
    (b"data\n\ndata\ndata\n\ndata:", [Event("", "message", b""), Event("", "message", b"\n")]),
    (b"data:test\n\ndata: test\n\n", [Event("", "message", b"test")] * 2),
    (b"data:  two spaces\n\n", [Event("", "message", b" two spaces")]),
    (b"data: a: b\n\n", [Event("", "message", b"a: b")]),
    (b"data: lost, for nothing ends it\n", []),
    (b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
     [Event("1", "message", b"a"), Event("1", "message", b"b"), Event("", "message", b"c")]),
    (b"id: 5\n\ndata: later\n\n", [Event("5", "message", b"later")]),
    (b"id: with\0nul\ndata: x\n\n", [Event("", "message", b"x")]),
    (b"event: gone\n\ndata: x\n\n", [Event("", "message", b"x")]),
    (b"event: a\nevent: b\ndata: x\n\n", [Event("", "b", b"x")]),
    (b": hello\n:\n:there\n\n", [Comment(b"hello"), Comment(b""), Comment(b"there")]),
    (b"data: a\n: within\ndata: b\n\n", [Comment(b"within"), Event("", "message", b"a\nb")]),
    (b"nobody: knows\n data: indented\nDATA: loud\ndata: x\n\n", [Event("", "message", b"x")]),
    (b"\xef\xbb\xbfdata: x\n\n", [Event("", "message", b"x")]),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", [Event("", "message", b"y")]),
    (b"\xef\xbbdata: x\n\ndata: y\n\n", [Event("", "message", b"y")]),
    (b"data: x\r\r", [Event("", "message", b"x")]),
    (b"data: x\r\n\r\n", [Event("", "message", b"x")]),
    (b"data: x\r\n\n", [Event("", "message", b"x")]),
    (b"data: x\n\r", [Event("", "message", b"x")]),
    (b"data: a\rdata: b\ndata: c\r\n\r\n", [Event("", "message", b"a\nb\nc")]),
    (b"data: \xff\nid: \xff\nevent: \xff\n\n", [Event("\ufffd", "\ufffd", b"\xff")]),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "items"), GOLDEN)
def test_what_a_reader_makes_of_the_bytes(wire: bytes, items: list[Event | Comment]) -> None:
    assert Parser().feed(wire) == items


@pytest.mark.parametrize(("wire", "items"), GOLDEN)
def test_it_does_not_matter_how_the_bytes_are_cut(
    wire: bytes, items: list[Event | Comment], seed: int
) -> None:
    assert read(wire, size=1) == items
    chance = random.Random(seed)
    for _ in range(20):
        cuts = sorted(chance.choices(range(len(wire) + 1), k=3))
        parser = Parser()
        pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
        assert [item for piece in pieces for item in parser.feed(piece)] == items


def read(wire: bytes, size: int) -> list[Event | Comment]:
    parser = Parser()
    return [item for at in range(0, len(wire), size) for item in parser.feed(wire[at : at + size])]


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (Event("12", "commit", b'{"a":1}'), b'id: 12\nevent: commit\ndata: {"a":1}\n\n'),
        (Event("", "", b""), b"data: \n\n"),
        (Event("", "x", b"a\nb\r\nc\rd\n"), b"event: x\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
    ],
)
def test_golden_encodings(event: Event, wire: bytes) -> None:
    assert events.encode(event) == wire


_WORD = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=9)


@given(st.lists(st.builds(Event, _WORD, _WORD, st.binary(max_size=50))), st.sampled_from([1, 2, 7, 1000]))
def test_what_was_written_is_read(given: list[Event], size: int) -> None:
    wire = b"".join(map(events.encode, given))
    expected = [Event(one.id, one.event, re.sub(rb"\r\n|\r", b"\n", one.data)) for one in given]
    assert read(wire, size) == expected


@given(st.binary(), st.integers(1, 9))
def test_any_bytes_are_read_somehow(noise: bytes, size: int) -> None:
    assert read(noise, size) == read(noise, len(noise) + 1)


def test_a_comment_tells_how_far_all_was_told() -> None:
    assert Parser().feed(events.encode_told(1500)) == [Comment(b"told 1500")]
    assert [comment.told_ms for comment in (Comment(b"told 1500"), Comment(b"told 0"))] == [1500, 0]
    assert Parser().feed(events.encode_told(None)) == [Comment(b"")]
    for text in (b"", b"told", b"told -1", b"told 1.5", b"told 9999999999999999", b"told 1 "):
        assert Comment(text).told_ms is None


def test_the_pause_that_a_server_asks_for() -> None:
    parser = Parser()
    parser.feed(b"retry: 250\n")
    assert parser.retry_ms == 250
    parser.feed(b"retry: -1\nretry: soon\nretry: \xd9\xa3\nretry: 99999999999\nretry\n")
    assert parser.retry_ms == 250


def test_the_largest_event_passes() -> None:
    line = b"x" * (events.LINE_MAX_BYTES - len(b"data: "))
    data = b"\n".join([line] * 3)
    assert read(events.encode(Event("1", "big", data)), 100_000) == [Event("1", "big", data)]


@pytest.mark.parametrize(
    "data", [b"x" * events.LINE_MAX_BYTES, b"\n".join([b"x" * 1_000_000] * 5), b"\n" * 5_000_000]
)
def test_an_event_over_the_limits_is_not_written(data: bytes) -> None:
    with pytest.raises(TooLarge):
        events.encode(Event("1", "big", data))


@pytest.mark.parametrize("unit", [b"x", b": x", b"data: " + b"x" * 1000 + b"\n", b"data\n", b"\xef\xbb"])
def test_a_stream_without_an_end_is_given_up(unit: bytes) -> None:
    pieces = [unit * (60_000 // len(unit))] * 500
    with pytest.raises(TooLarge):
        feed_all(Parser(), pieces)


def feed_all(parser: Parser, pieces: list[bytes]) -> None:
    for piece in pieces:
        parser.feed(piece)


@pytest.mark.parametrize("field", [b"id", b"event"])
def test_names_of_events_are_short(field: bytes) -> None:
    with pytest.raises(TooLarge):
        Parser().feed(field + b": " + b"x" * 2000 + b"\n")
