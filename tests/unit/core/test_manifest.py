"""Golden vectors of leaves: this encoding names data that is stored, so it never changes."""

from __future__ import annotations

from cairnfs.core import manifest
from cairnfs.core.manifest import HOLE, HOLE_MAX_BYTES, Chunk, Leaf
from cairnfs.ids import Hash

HELLO = Chunk(manifest.hash_bytes(b"hello"), 5)
WORLD = Chunk(manifest.hash_bytes(b"world!"), 6)


def test_chunks_are_named_by_blake3() -> None:
    assert HELLO.hash.hex() == "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f"
    assert manifest.hash_bytes(memoryview(b"hello")) == HELLO.hash
    assert (
        manifest.hash_bytes(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    )


def test_a_leaf_is_hashes_and_sizes_one_after_the_other() -> None:
    [leaf] = manifest.leaves([HELLO, WORLD])
    assert leaf.entries == HELLO.hash + b"\x05\0\0\0" + WORLD.hash + b"\x06\0\0\0"
    assert leaf.size == 11
    assert leaf.hash == manifest.hash_bytes(leaf.entries)
    assert leaf.hash.hex() == "f9afa8cb3d96f63f4b7815c48b233c32638c8345c08a3e940ea9589a4636c6cd"
    assert list(manifest.entries(leaf.entries)) == [HELLO, WORLD]


def test_a_size_has_four_bytes_little_endian() -> None:
    [leaf] = manifest.leaves([Chunk(Hash(bytes(32)), 4 * 1024 * 1024)])
    assert leaf.entries[32:] == b"\0\0\x40\0"
    assert leaf.hash.hex() == "22511ef6a1fe50c4fb6717a6d907e50987058c4188672c1adb4652c60af88990"


def test_an_empty_file_has_no_leaves() -> None:
    assert manifest.leaves([]) == []


def test_leaves_hold_256_chunks() -> None:
    chunks = [Chunk(manifest.hash_bytes(b"%d" % n), n + 1) for n in range(600)]
    cut = manifest.leaves(chunks)
    assert [len(leaf.entries) // 36 for leaf in cut] == [256, 256, 88]
    assert [chunk for leaf in cut for chunk in manifest.entries(leaf.entries)] == chunks
    assert sum(leaf.size for leaf in cut) == sum(chunk.size for chunk in chunks)


def test_equal_runs_of_chunks_are_one_leaf() -> None:
    run = [HELLO] * 256
    first, second, last = manifest.leaves([*run, *run, WORLD])
    assert first == second != last
    assert isinstance(first, Leaf)


def test_a_hole_is_an_entry_of_zeros_of_any_length() -> None:
    assert bytes(32) == HOLE
    [leaf] = manifest.leaves([HELLO, Chunk(HOLE, HOLE_MAX_BYTES)])
    assert leaf.entries[36:] == bytes(32) + b"\xff\xff\xff\xff"
    assert leaf.hash == manifest.hash_bytes(leaf.entries)
    assert leaf.size == 5 + 2**32 - 1


def test_a_long_hole_is_several_entries() -> None:
    assert list(manifest.holes(0)) == []
    assert list(manifest.holes(1)) == [Chunk(HOLE, 1)]
    assert list(manifest.holes(HOLE_MAX_BYTES)) == [Chunk(HOLE, HOLE_MAX_BYTES)]
    assert list(manifest.holes(2**32)) == [Chunk(HOLE, HOLE_MAX_BYTES), Chunk(HOLE, 1)]
    tebibyte = list(manifest.holes(2**40))
    assert (len(tebibyte), sum(one.size for one in tebibyte)) == (257, 2**40)
