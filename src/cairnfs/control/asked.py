"""What makes two requests the same: what they ask for. Any thread."""

from __future__ import annotations

import msgspec
from blake3 import blake3

_encoder = msgspec.msgpack.Encoder()


def hash_of(*asked: object) -> bytes:
    """The hash of what a request asks for, kept beside its answer; not of how long one waits for it."""
    return blake3(_encoder.encode(asked)).digest()
