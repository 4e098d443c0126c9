"""[version], [leaf] and [chunk]: everything a file consists of is there, and counted right.

What belongs here: checks that read manifests and leaves, page by page, in memory that does not grow
with the number of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cairnfs.core import manifest
from cairnfs.core.manifest import CHUNK_MAX_BYTES, HOLE
from cairnfs.core.permissions import MODE_MAX
from cairnfs.core.placement import required
from cairnfs.ids import Hash
from cairnfs.metadata.databases.seam import Row
from cairnfs.metadata.rows import clock, leaves
from cairnfs.metadata.state.content import HASH_BYTES, leaf_hashes
from cairnfs.metadata.verify.counting import Counted, Tally, differences
from cairnfs.metadata.verify.report import Report

_VERSIONS = (
    "SELECT v.inode, v.born, v.size - length(v.target), v.manifest FROM version AS v"
    " WHERE (v.inode, v.born) > (?, ?) ORDER BY v.inode, v.born LIMIT ?"
)
_LEAVES = "SELECT hash, size, refs, entries FROM leaf WHERE hash > ? ORDER BY hash LIMIT ?"
_CHUNKS = "SELECT hash, refs FROM chunk WHERE hash > ? ORDER BY hash LIMIT ?"


def check_versions(report: Report) -> None:
    """[version] spans of an inode do not overlap, and nothing is between them; size is the sum of its
    leaves' sizes, or the length of its target; each leaf exists. (Attributes: `verify/attributes`.)"""
    report.none(
        "version",
        lambda row: f"version {row[1]} of inode {row[0]} was not born when the one before it ended",
        "SELECT inode, born FROM (SELECT inode, born,"
        " lag(died) OVER (PARTITION BY inode ORDER BY born) AS before FROM version) AS v"
        " WHERE before <> born",
    )
    report.none(
        "version",
        lambda row: f"version {row[1]} of inode {row[0]} is malformed",
        "SELECT inode, born FROM version WHERE born >= died OR size < 0"
        f" OR mode < 0 OR mode > {MODE_MAX} OR length(manifest) % {HASH_BYTES} <> 0",
    )
    seen, number = Tally(), 0
    for page in report.pages(_VERSIONS, (0, -1), 2):
        sizes = leaves.sizes(report.tx, (leaf for row in page for leaf in leaf_hashes(row[3])))
        number += len(page)
        for inode, born, size, of in page:
            hashes = leaf_hashes(of)
            for leaf in hashes:
                seen.add(leaf)
            missing = [leaf for leaf in hashes if leaf not in sizes]
            if missing:
                report.find("version", f"leaf {missing[0].hex()} of inode {inode} at {born} does not exist")
            elif sum(sizes[leaf] for leaf in hashes) != size:
                report.find("version", f"inode {inode} at {born} says {size} bytes, its leaves otherwise")
    report.counts["versions"] = number
    said = Tally()
    for name, refs in _said_leaves(report):
        said.add(name, refs)
    if said != seen:
        rows = report.count("leaves", "SELECT count(*) FROM leaf")
        for one, refs, actual in differences(
            rows, lambda: _said_leaves(report), lambda: _named_leaves(report)
        ):
            report.find("leaf", f"leaf {one.hex()} says {refs} references, manifests name it {actual} times")


def check_leaves(report: Report) -> None:
    """[leaf] size is the sum of its entries' sizes; its name is their hash; every chunk it names exists,
    unless it is a hole: that has at least one byte.
    [chunk] refs is the number of times that leaves name it. ([leaf] refs: see `check_versions`.)"""
    seen, number = Tally(), 0
    for page in report.pages(_LEAVES, (b"",), 1):
        number += len(page)
        entries = {row[0]: list(manifest.entries(row[3])) for row in page}
        known = _sizes(report, {chunk.hash for inside in entries.values() for chunk in inside} - {HOLE})
        for digest, size, _, encoded in page:
            inside = entries[digest]
            if manifest.hash_bytes(encoded) != digest or sum(chunk.size for chunk in inside) != size:
                report.find("leaf", f"leaf {digest.hex()} is not what its name or size says")
            for chunk in inside:
                if chunk.hash == HOLE:
                    if chunk.size == 0:
                        report.find("leaf", f"leaf {digest.hex()} names a hole of no bytes")
                    continue
                seen.add(chunk.hash)
                if known.get(chunk.hash) != chunk.size:
                    report.find("leaf", f"chunk {chunk.hash.hex()} of leaf {digest.hex()} is not there so")
    report.counts["leaves"] = number
    said = Tally()
    for chunk_hash, refs in _said_chunks(report):
        said.add(chunk_hash, refs)
    if said != seen:
        rows = report.count("chunks", "SELECT count(*) FROM chunk")
        for digest, refs, actual in differences(
            rows, lambda: _said_chunks(report), lambda: _named_chunks(report)
        ):
            report.find(
                "chunk", f"chunk {digest.hex()} says {refs} references, leaves name it {actual} times"
            )


def check_chunks(report: Report) -> None:
    """[chunk] copies is at least a majority of the policy's, or 1 where a directory ever asked for `async`;
    1 byte to 4 MiB; none is there for holes. (refs: `check_leaves`.)"""
    report.count("chunks", "SELECT count(*) FROM chunk")
    report.count("chunk_bytes", "SELECT sum(size) FROM chunk")
    # Only a directory's policy makes it so little: a request may ask for more, never for less.
    asynchronous = report.tx.row("SELECT 1 FROM version WHERE policy = 'async' LIMIT 1") is not None
    enough = required(clock.read(report.tx).copies, "async" if asynchronous else "majority")
    report.none(
        "chunk",
        lambda row: f"chunk {row[0].hex()} of {row[1]} bytes was committed with {row[2]} copies",
        "SELECT hash, size, copies FROM chunk"
        " WHERE (copies < ? OR size < 1 OR size > ? OR length(hash) <> ?) AND hash <> ?",
        enough,
        CHUNK_MAX_BYTES,
        HASH_BYTES,
        HOLE,
    )
    report.none(
        "chunk",
        lambda row: f"fileservers are to hold a hole, as a chunk of {row[0]} bytes",
        "SELECT size FROM chunk WHERE hash = ?",
        HOLE,
    )


def _sizes(report: Report, hashes: set[Hash]) -> dict[Hash, int]:
    rows: list[Row] = report.tx.rows_given(
        "SELECT c.hash, c.size FROM {given} AS g CROSS JOIN chunk AS c WHERE c.hash = g.hash",
        "hash BYTES",
        [(one,) for one in hashes],
    )
    return dict(rows)


def _said_leaves(report: Report) -> Iterator[Any]:
    for page in report.pages("SELECT hash, refs FROM leaf WHERE hash > ? ORDER BY hash LIMIT ?", (b"",), 1):
        yield from page


def _named_leaves(report: Report) -> Counted:
    for page in report.pages(_VERSIONS, (0, -1), 2):
        for row in page:
            for leaf in leaf_hashes(row[3]):
                yield leaf, 1


def _said_chunks(report: Report) -> Iterator[Any]:
    for page in report.pages(_CHUNKS, (b"",), 1):
        yield from (row for row in page if row[0] != HOLE)


def _named_chunks(report: Report) -> Counted:
    for page in report.pages(_LEAVES, (b"",), 1):
        for row in page:
            for chunk in manifest.entries(row[3]):
                if chunk.hash != HOLE:
                    yield chunk.hash, 1
