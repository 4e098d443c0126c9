"""The bytes of holes: one buffer of zeros, given in pieces as often as they are asked for.

Whoever reads a hole gets zeros, but nobody holds more of them than a piece. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

#: The length of a piece. The buffer is shared: it is bytes, so nobody can change it.
PIECE_BYTES: Final = 1024 * 1024
_ZEROS: Final = bytes(PIECE_BYTES)


def zeros(length: int) -> Iterator[bytes]:
    """`length` zero bytes in pieces of at most PIECE_BYTES."""
    for _ in range(length // PIECE_BYTES):
        yield _ZEROS
    if left := length % PIECE_BYTES:
        yield _ZEROS[:left]
