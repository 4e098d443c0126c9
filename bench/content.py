"""Bytes that neither compress nor repeat, faster than any disk: `python -m bench.content SEED SIZE`.

What belongs here: making content, the same for the same seed, in pieces. As a command it writes to
standard output, to feed another command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PIECE = 1 << 20


def pieces(seed: int, size: int) -> Iterator[bytes]:
    """`size` bytes of the seed's own stream, in pieces of at most 1 MiB."""
    stream = Cipher(algorithms.AES(seed.to_bytes(32, "big")), modes.CTR(bytes(16))).encryptor()
    zeros = bytes(PIECE)
    while size:
        length = min(size, PIECE)
        yield stream.update(zeros if length == PIECE else bytes(length))
        size -= length


def main() -> None:
    """Write the stream named on the command line to standard output."""
    seed, size = map(int, sys.argv[1:])
    for piece in pieces(seed, size):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    main()
