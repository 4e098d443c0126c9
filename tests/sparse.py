"""Local files with holes, for tests of several rooms: making them, comparing them, what they take."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

KIB, MIB, GIB = 1024, 1024**2, 1024**3

#: Lengths of holes that must behave alike: around the shortest that counts, around an entry's longest.
HOLES = (1, 4 * KIB, 60 * KIB, 64 * KIB, 64 * KIB + 1, 68 * KIB, 127 * KIB + 5, MIB, 9 * MIB, 4 * GIB + 3)
DATA = (1, 4095, 4 * KIB, 70_000, MIB, MIB + 1, 3 * MIB)


def make(path: Path, layout: Sequence[bytes | int]) -> Path:
    """A file of data and of holes of given lengths."""
    with path.open("wb") as stream:
        for part in layout:
            if isinstance(part, int):
                stream.seek(part, os.SEEK_CUR)
            else:
                stream.write(part)
        stream.truncate()
    return path


def any_layout(dice: random.Random, parts: int = 12) -> list[bytes | int]:
    """Data and holes in turns or not, of awkward lengths."""
    return [
        dice.choice(HOLES) if dice.random() < 0.5 else dice.randbytes(dice.choice(DATA)) for _ in range(parts)
    ]


def data_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """What the system keeps of a file, in pieces that are not long."""
    with path.open("rb", buffering=0) as stream:
        at = 0
        while True:
            try:
                at = stream.seek(at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return
                raise
            stop = min(stream.seek(at, os.SEEK_HOLE), at + MIB)
            stream.seek(at)
            yield at, stream.read(stop - at)
            at = stop


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes, without reading their holes."""
    return one.stat().st_size == other.stat().st_size and _covers(one, other) and _covers(other, one)


def _covers(one: Path, other: Path) -> bool:
    with other.open("rb", buffering=0) as stream:
        for at, content in data_of(one):
            stream.seek(at)
            if stream.read(len(content)) != content:
                return False
    return True


def taken_bytes(path: Path) -> int:
    """What a file takes on its disk."""
    return path.stat().st_blocks * 512


def need_holes(directory: Path) -> None:
    """Skip the test where the file system keeps no holes."""
    probe = make(directory / "probe", [b"x" * 4096, 4 * MIB, b"x" * 4096])
    held = taken_bytes(probe)
    found = [at for at, _ in data_of(probe)] if hasattr(os, "SEEK_DATA") else []
    probe.unlink()
    if held >= 4 * MIB or found != [0, 4 * MIB + 4096]:
        pytest.skip("this file system keeps no holes")
