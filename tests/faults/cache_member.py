"""One of several processes with one cache: `python -m tests.faults.cache_member DIRECTORY LIMIT SEED [BUG]`.

It reads things in batches, some of them more often than others, and stores what it did not find, until its
standard input ends or it is killed. After each batch it says how many things it read, how many of them were
in the cache, how many of those had wrong bytes, and how many the cache itself found damaged, all since the
last time. BUG is one of `cairnfs.testing.planted_cache`.
"""

from __future__ import annotations

import os
import random
import select
import sys
from contextlib import nullcontext
from pathlib import Path

from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.cache.store import Cache
from cairnfs.core.manifest import Chunk, hash_bytes
from cairnfs.testing.planted_cache import BUGS

THINGS = 1500
NAMES = 50
SIZES = (4096, 4096, 4096, 4096, 100, 1000, 4097, 20_000)
BATCH = 48
NAMED_BATCH = 4
CLUSTER = "c" * 32


def thing(number: int) -> bytes:
    """What everybody knows it to be."""
    chance = random.Random(number)
    return chance.randbytes(chance.choice(SIZES))


def told(name: int, version: int) -> bytes:
    """One of the things that may be kept under a name."""
    chance = random.Random(f"{name}/{version}")
    return b"%d %d " % (name, version) + chance.randbytes(500)


def is_told(name: int, content: bytes) -> bool:
    """Whether it was ever kept under the name, by anybody."""
    parts = content.split(b" ", 2)
    return len(parts) == 3 and parts[1].isdigit() and content == told(name, int(parts[1]))


class Member:
    """Reads and stores."""

    def __init__(self, cache: Cache, seed: str) -> None:
        self.cache = cache
        self.chance = random.Random(seed)
        self.things = [thing(number) for number in range(THINGS)]
        self.chunks = [Chunk(hash_bytes(content), len(content)) for content in self.things]
        self.weights = [1 / (number + 10) for number in range(THINGS)]

    def batch(self) -> tuple[int, int, int, int]:
        """(read, of these found, of these wrong, damaged)."""
        damaged = self.cache.damaged
        numbers = self.chance.choices(range(THINGS), self.weights, k=BATCH)
        found = self.cache.lookup_many([self.chunks[number] for number in numbers])
        wrong = sum(
            content is not None and content != self.things[number]
            for number, content in zip(numbers, found, strict=True)
        )
        for number in numbers[:4]:
            one = self.cache.lookup_at_once([self.chunks[number]])
            wrong += one is not None and one[0] not in (None, self.things[number])
        missing = {number for number, content in zip(numbers, found, strict=True) if content is None}
        self.cache.store_many([(self.chunks[number].hash, self.things[number]) for number in missing])
        names = [self.chance.randrange(NAMES) for _ in range(NAMED_BATCH)]
        recalled = self.cache.recall_many([b"%d" % name for name in names])
        wrong += sum(
            content is not None and not is_told(name, content)
            for name, content in zip(names, recalled, strict=True)
        )
        name = names[0]
        self.cache.keep_many([(b"%d" % name, told(name, self.chance.randrange(1000)))])
        there = BATCH - len(missing) + sum(content is not None for content in recalled)
        return BATCH + NAMED_BATCH, there, wrong, self.cache.damaged - damaged


def main() -> None:
    """Go on until standard input ends."""
    directory, limit, seed, *bug = sys.argv[1:]
    with BUGS[bug[0]]() if bug else nullcontext():
        cache = Cache(CacheSettings(Path(directory), int(limit)), CLUSTER)
        member = Member(cache, seed)
        while not select.select([0], [], [], 0)[0]:
            os.write(1, b"%d %d %d %d\n" % member.batch())
        cache.close()


if __name__ == "__main__":
    main()
