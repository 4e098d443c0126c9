"""Puts: what comes in, what is answered, and which records a batch must write.

What belongs here: the decision alone, from what is known of each chunk. What does not: writing.
Pure except for hashing, any thread.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from blake3 import blake3

from cairnfs.fileserver.appender import BATCH_MAX_BYTES, Draft
from cairnfs.fileserver.disk import Buffer
from cairnfs.fileserver.entries import NOTHING, Entry
from cairnfs.fileserver.records import CHUNK, PAYLOAD_MAX_BYTES, TOUCH, footprint
from cairnfs.fileserver.trouble import ChunkRefused, StoreError, WrongHash
from cairnfs.ids import CommitNumber, Hash

HASH_BYTES = 32
_BEGIN_MAX = 2**63 - 1
_RECORDS_MAX = 16_384


class Put(msgspec.Struct, frozen=True, gc=False):
    """A chunk to store. `begin`: the commit at which its upload began. 1 byte to 4 MiB of payload.

    `checked`: the caller has computed the BLAKE3 of exactly these bytes and it is `hash`.
    `rewrite`: append the bytes even if a good copy is here.
    `cold`: others are asked for it first, so it need not stay in memory once it is durable.
    """

    hash: Hash
    payload: Buffer
    begin: CommitNumber
    checked: bool = False
    rewrite: bool = False
    cold: bool = False


class Outcome(enum.Enum):
    """How a put was met. Each means: durable here, with this begin number or a higher one."""

    STORED = "stored"
    TOUCHED = "touched"
    PRESENT = "present"


class Plan(msgspec.Struct):
    """What one batch comes to: a draft for each hash that must be written."""

    drafts: dict[Hash, Draft]
    outcomes: list[Outcome | StoreError]


def refusal(put: Put) -> ChunkRefused | None:
    """Why this put can never be taken; None if it can."""
    if not 0 < len(put.payload) <= PAYLOAD_MAX_BYTES:
        return ChunkRefused(put.hash, f"a chunk has 1 to {PAYLOAD_MAX_BYTES} bytes")
    if len(put.hash) != HASH_BYTES or not 0 <= put.begin <= _BEGIN_MAX:
        return ChunkRefused(put.hash, "no hash of 32 bytes, or no commit number")
    if put.checked or blake3(put.payload).digest() == put.hash:
        return None
    return WrongHash(put.hash)


def plan(puts: Sequence[Put], refused: Sequence[ChunkRefused | None], known: Mapping[bytes, Entry]) -> Plan:
    """What must be written for these puts, given what is here: one record for each hash at most."""
    drafts: dict[Hash, Draft] = {}
    outcomes: list[Outcome | StoreError] = []
    for put, refused_for in zip(puts, refused, strict=True):
        if refused_for is not None:
            outcomes.append(refused_for)
            continue
        entry = known.get(put.hash, NOTHING)
        draft = drafts.get(put.hash)
        begin = max(put.begin, entry.begin if draft is None else draft.begin)
        if put.rewrite or not entry.good:
            drafts[put.hash] = Draft(CHUNK, put.hash, begin, put.payload, put.cold)
            outcomes.append(Outcome.STORED)
        elif draft is not None:
            drafts[put.hash] = draft._replace(begin=begin)
            outcomes.append(Outcome.STORED if draft.kind == CHUNK else Outcome.TOUCHED)
        elif begin > entry.begin:
            drafts[put.hash] = Draft(TOUCH, put.hash, begin, b"")
            outcomes.append(Outcome.TOUCHED)
        else:
            outcomes.append(Outcome.PRESENT)
    return Plan(drafts, outcomes)


def batches(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """Drafts in runs that one append may take."""
    batch: list[Draft] = []
    size = 0
    for draft in drafts:
        more = footprint(len(draft.payload))
        if batch and (size + more > BATCH_MAX_BYTES or len(batch) == _RECORDS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(draft)
        size += more
    if batch:
        yield batch
