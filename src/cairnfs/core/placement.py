"""Which group a chunk belongs to, and which fileservers are the members of a group.

The group is given by the first ten bits of the hash. Members are chosen by weighted rendezvous
hashing: each fileserver draws a number for each group, the highest win, so adding a server moves
only its share. Pure functions, any thread.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cairnfs.ids import GROUPS, FileserverId, GroupId, Hash


def group_of(chunk: Hash) -> GroupId:
    """The group of a chunk: the first ten bits of its hash."""
    return GroupId((chunk[0] << 2) | (chunk[1] >> 6))


def group_bounds(group: GroupId) -> tuple[bytes, bytes | None]:
    """Hashes h of the group satisfy low <= h < high; the last group has no high."""
    low = bytes([group >> 2, (group & 3) << 6]) + bytes(30)
    after = group + 1
    return low, None if after == GROUPS else bytes([after >> 2, (after & 3) << 6]) + bytes(30)


# Kept, since a new fileserver's groups are drawn while everybody waits: 16 servers' worth.
@lru_cache(16 * GROUPS)
def _draw(group: GroupId, fileserver: FileserverId, weight: float) -> float:
    digest = hashlib.blake2b(f"{group}/{fileserver}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -weight / math.log(uniform)


def ranking(group: GroupId, weights: Mapping[FileserverId, float]) -> list[FileserverId]:
    """All fileservers, the one that should hold the group first. Weights are above 0."""
    return sorted(weights, key=lambda server: (_draw(group, server, weights[server]), server), reverse=True)


def members(group: GroupId, weights: Mapping[FileserverId, float], copies: int) -> tuple[FileserverId, ...]:
    """The members of a group, the primary first: as many as `copies`, fewer where there are fewer."""
    return tuple(ranking(group, weights)[:copies])


def required(copies: int, durability: str) -> int:
    """How many holders make a chunk durable: of the policy's copies, never of those that are left.

    The durability is one of `durability.DURABILITIES`.
    """
    return {"majority": copies // 2 + 1, "all": copies, "async": 1}[durability]


def first_reader(primary_first: Iterable[FileserverId], chunk: Hash) -> FileserverId:
    """The member that is asked first for a chunk, as long as all are well."""
    return read_order(primary_first, seed=read_seed(chunk))[0]


def read_seed(chunk: Hash) -> int:
    """The seed of a chunk's read order: a byte of its hash that does not say its group."""
    return chunk[2]


def read_order(primary_first: Iterable[FileserverId], *, seed: int) -> list[FileserverId]:
    """Members in the order in which to read: secondaries, rotated by `seed`, then the primary."""
    primary, *secondaries = primary_first
    turn = seed % len(secondaries) if secondaries else 0
    return [*secondaries[turn:], *secondaries[:turn], primary]
