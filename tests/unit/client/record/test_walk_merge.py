"""Three walks are met path by path, page by page, as if all were in one dictionary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as some

from cairnfs.client.local.walk import Here, walk_local
from cairnfs.client.record.record import Known, walk_key
from cairnfs.client.record.walk_merge import Met, WalkMerge
from tests.trees import Garden

STATUS = os.stat("/")


class Item(NamedTuple):
    path: bytes


parts = some.sampled_from([b"a", b"a-", b"a!", b"aa", b"b", b"\xff", b" "])
paths = some.sets(some.lists(parts, min_size=1, max_size=4).map(b"/".join), max_size=12)


def walked(names: set[bytes]) -> list[bytes]:
    return sorted(names, key=walk_key)


def here(path: bytes) -> Here:
    return Here(path, "file", STATUS, b"/" + path)


def row(path: bytes) -> Known:
    return Known(path, "file", 0, 0, 0, 0, 0, 0)


@given(paths, paths, paths, some.lists(some.integers(0, 5)))
def test_every_path_is_met_once_in_order_by_all_who_have_it(
    a: set[bytes], b: set[bytes], c: set[bytes], sizes: list[int]
) -> None:
    merge: WalkMerge[Item] = WalkMerge(map(here, walked(a)), map(row, walked(b)))
    met: list[Met[Item]] = []
    left = [Item(path) for path in walked(c)]
    for size in [*sizes, len(left)]:
        page, left = left[:size], left[size:]
        found = list(merge.take(page))
        met += found
        if page:
            assert found[-1].path == page[-1].path, "a page is met up to its end, and no further"
    met += merge.end()
    assert [one.path for one in met] == walked(a | b | c)
    for one in met:
        assert (one.here is not None, one.known is not None, one.there is not None) == (
            one.path in a, one.path in b, one.path in c,
        )  # fmt: skip
        assert {found.path for found in (one.here, one.known, one.there) if found} == {one.path}


def test_a_local_walk_comes_in_this_order(tmp_path: Path, seed: int) -> None:
    garden = Garden(tmp_path / "garden", seed)
    garden.change(80)
    os.mkfifo(tmp_path / "garden" / "pipe")
    skipped: list[tuple[bytes, str]] = []
    found = list(walk_local(tmp_path / "garden", lambda path, why: skipped.append((path, why))))
    assert [one.path for one in found] == walked({one.path for one in found})
    every = {os.path.relpath(path, garden.root) for path in garden.things()} - {b"pipe"}
    assert {one.path for one in found} == every
    assert [path for path, _ in skipped] == [os.path.join(garden.root, b"pipe")]
    for one in found:
        assert one.status.st_ino == os.lstat(one.place).st_ino


def test_what_goes_away_meanwhile_is_told(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    skipped: list[bytes] = []
    found = walk_local(tmp_path, lambda path, why: skipped.append(path))
    assert next(found).path == b"a"
    (tmp_path / "b").rmdir()
    assert [one.path for one in found] == [b"c"]
    assert skipped == [os.fsencode(tmp_path / "b")]
