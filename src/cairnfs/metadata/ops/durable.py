"""Whether a commit's chunks are durable: by receipts, by bases, or by the version they are taken from.

What belongs here: holding receipts against the present members and starts, inside the clock; what can
be prepared was. What does not: whether a receipt is genuine (the route checked that), what is in a base
(`vouching`). Holders that left or started again do not count, whatever the receipt says. A hole is durable
without anybody's word, and a receipt that names one says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from cairnfs.core import durability as rules
from cairnfs.core.durability import Holder, Holding, Proof
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.core.permissions import READ, Person, allowed
from cairnfs.core.placement import group_of, required
from cairnfs.errors import Busy, IncarnationChanged, LengthMismatch, NotDurable
from cairnfs.ids import GroupId, Hash, Path
from cairnfs.metadata.ops.resolve import Place, text
from cairnfs.metadata.ops.steps import Step, WriteStep
from cairnfs.metadata.ops.vouching import Vouched
from cairnfs.metadata.rows import detached
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import State
from cairnfs.metadata.view import FILE, Chain, View
from cairnfs.wire.problems import CHUNKS_MAX


class _Claim(NamedTuple):
    """Chunks of one group that the same holders are said to have."""

    group: GroupId
    holders: tuple[Holder, ...]


class _Relied(NamedTuple):
    """What one step relies on: claims and groups, each with a chunk to name in a refusal."""

    claims: dict[_Claim, Hash]
    groups: dict[GroupId, Hash]
    #: Chunks that neither a receipt nor a base speaks of.
    rest: list[Chunk]


class Durability:
    """The receipts and bases of one commit, sorted for judging. Made outside the clock, used inside."""

    __slots__ = (
        "_chunks", "_counts", "_needs", "_oldest", "_relied", "_trusted", "_vouched", "holdings", "proofs",
        "steps"
    )  # fmt: skip

    def __init__(self, steps: Iterable[Step], holdings: Sequence[Holding]) -> None:
        """Raises LengthMismatch where a receipt and the commit disagree about a size."""
        self.steps = [step for step in steps if isinstance(step, WriteStep)]
        self.holdings = holdings
        self._oldest = min((holding.begin for holding in holdings), default=0)
        self._vouched: Vouched | None = None
        self.sort(0)

    def sort(self, needs: int) -> None:
        """Take the receipts begun at `needs` or later as proofs."""
        self._needs = needs
        self.proofs: dict[Hash, Proof] = rules.proofs(self.holdings, needs)
        self._chunks: dict[_Claim, list[Hash]] = {}
        self._counts: dict[_Claim, int] = {}  # how many hold it; known once the clock is held
        self._trusted: dict[GroupId, list[Hash]] = {}  # what bases vouch for
        self._relied: dict[int, _Relied] = {}  # by a step's identity; one that has no chunks has none
        vouched = frozenset[Chunk]() if self._vouched is None else self._vouched.chunks
        for step in self.steps:
            for chunk in step.chunks:
                if chunk.hash != HOLE:
                    self._use(step, chunk, vouched)

    def rely(self, vouched: Vouched | None) -> None:
        """Take the word of bases for these chunks."""
        self._vouched = vouched
        self.sort(self._needs)

    @property
    def leans(self) -> bool:
        """Whether there are chunks that no receipt speaks of."""
        return any(relied.rest or relied.groups for relied in self._relied.values())

    def unproven(self, step: WriteStep) -> list[Chunk]:
        """The chunks of a step that no receipt and no base speaks of."""
        relied = self._relied.get(id(step))
        return [] if relied is None else relied.rest

    def wanted(self) -> set[Chunk]:
        """The chunks of all steps that no receipt and no base speaks of."""
        return {chunk for relied in self._relied.values() for chunk in relied.rest}

    def check_receipts(self, state: State, needs: int) -> None:
        """Count who holds now what the receipts speak of; the steps ask whether it is enough.

        A group of which a member does not hold all is marked dirty.
        """
        if self._oldest < needs != self._needs:
            self.sort(needs)
        if not self._chunks:
            return
        places = state.places()
        for claim, chunks in self._chunks.items():
            members = places.members.get(claim.group, ())
            self._counts[claim] = count = rules.present(claim.holders, members, places.boots)
            if count < len(members):
                state.content.mark_dirty(claim.group)
            state.content.prove(chunks, count)

    def check_bases(self, state: State, person: Person, needs: int) -> None:
        """Whether what bases vouched for still counts; where not, the chunks in them are as any others.

        `person` is as they are now. Raises IncarnationChanged, Busy.
        """
        vouched = self._vouched
        if vouched is None or not vouched.chunks:
            return
        if vouched.incarnation != state.clock.incarnation:
            raise IncarnationChanged("history was cut since the bases were looked at")
        if vouched.person != person:
            raise Busy("your rights were changed since the bases were looked at: try again")
        if vouched.at < needs or not all(detached.is_there(state.tx, top) for top in vouched.trees):
            self.rely(None)
            self.check_receipts(state, needs)

    def check_step(self, state: State, person: Person, step: WriteStep, at: Place) -> None:
        """Raises NotDurable unless each chunk of the step has the holders that the policy of its directory
        and the step itself ask for: by receipts, or being in a base or the file's present version, in a
        clean group with enough members (see `_check_base`).
        """
        enough = self._check_vouched(state, step, policy(state.tree.view, at.chain))
        self._check_base(state, person, step, at.dentry, enough)

    def suffices(self, enough: int) -> bool:
        """Whether receipts alone name so many holders for every chunk, now that they were counted."""
        if self._trusted or any(relied.rest for relied in self._relied.values()):
            return False
        return min(self._counts.values(), default=enough) >= enough

    def check_new(self, state: State, person: Person, step: WriteStep, asked: str) -> None:
        """As `check_step`, of a file that nothing is in the place of, where `asked` is the policy."""
        self._check_base(state, person, step, None, self._check_vouched(state, step, asked))

    def _check_vouched(self, state: State, step: WriteStep, asked: str) -> int:
        """Judge what receipts and bases speak of. Gives how many holders are enough."""
        durability = rules.strongest(asked, step.durability or rules.DURABILITIES[0])
        enough = required(state.clock.copies, durability)
        relied = self._relied.get(id(step))
        if relied is not None:
            for claim, chunk in relied.claims.items():
                if self._counts[claim] < enough:
                    count = self._counts[claim]
                    why = f"{count} fileservers hold it, its directory asks for {durability}"
                    raise self._refusal(state, step, chunk, why, enough)
            for group, chunk in relied.groups.items():
                if not _is_certain(state, group, enough):
                    raise self._refusal(state, step, chunk, "its copies are not certain now", enough)
        return enough

    def refuse_early(self, dirty: frozenset[GroupId], *, settled: bool) -> None:
        """Raises NotDurable for what will surely be refused, naming all of it, while nobody waits.

        `settled`: whether all that is in no base and has no receipt is, too.
        """
        for step in self.steps:
            relied = self._relied.get(id(step))
            if relied is None:
                continue
            lost = [chunk for group, chunk in relied.groups.items() if group in dirty]
            if lost or (settled and relied.rest):
                chunk, why = (
                    (lost[0], "its copies are not certain now")
                    if lost
                    else (relied.rest[0].hash, "no receipt came with it, and it is in no base")
                )
                told = chain(
                    *(chunks for group, chunks in self._trusted.items() if group in dirty), self._unknown()
                )
                raise _not_durable(chunk, step.path, why, told)

    def _check_base(
        self, state: State, person: Person, step: WriteStep, there: Dentry | None, enough: int
    ) -> None:
        """Each chunk without a receipt has to be in the file's present version, which `person` may read,
        and in a clean group with enough members."""
        missing = self.unproven(step)
        if not missing:
            return
        if there is None or there.kind != FILE:
            raise self._refusal(state, step, missing[0].hash, "no receipt came with it", enough)
        version = state.tree.view.version(there.inode)
        may_read = allowed(person, version.owner, version.owner_group, version.mode, READ)
        base = state.content.chunks_of(state.tree, there.inode) if may_read else set()
        for chunk in missing:
            if chunk not in base:
                raise self._refusal(state, step, chunk.hash, "no receipt came with it", enough)
            if not _is_certain(state, group_of(chunk.hash), enough):
                raise self._refusal(state, step, chunk.hash, "its copies are not certain now", enough)

    def _refusal(self, state: State, step: WriteStep, chunk: Hash, why: str, enough: int) -> NotDurable:
        """With all chunks, this step's first, that have to be sent: more than have to, rather than fewer."""
        mine = self._relied[id(step)].rest
        claimed = (chunks for claim, chunks in self._chunks.items() if self._counts[claim] < enough)
        trusted = (chunks for group, chunks in self._trusted.items() if not _is_certain(state, group, enough))
        told = chain([chunk], (one.hash for one in mine), *claimed, *trusted, self._unknown())
        return _not_durable(chunk, step.path, why, told)

    def _unknown(self) -> Iterator[Hash]:
        return (chunk.hash for relied in self._relied.values() for chunk in relied.rest)

    def _use(self, step: WriteStep, chunk: Chunk, vouched: frozenset[Chunk]) -> None:
        relied = self._relied.get(id(step))
        if relied is None:
            relied = self._relied[id(step)] = _Relied({}, {}, [])
        proof = self.proofs.get(chunk.hash)
        if proof is None and chunk in vouched:
            group = group_of(chunk.hash)
            relied.groups.setdefault(group, chunk.hash)
            self._trusted.setdefault(group, []).append(chunk.hash)
        elif proof is None:
            relied.rest.append(chunk)
        elif proof.size != chunk.size:
            raise LengthMismatch(
                f"chunk {chunk.hash.hex()} has {proof.size} bytes, not {chunk.size}", path=text(step.path)
            )
        else:
            claim = _Claim(group_of(chunk.hash), proof.holders)
            self._chunks.setdefault(claim, []).append(chunk.hash)
            relied.claims.setdefault(claim, chunk.hash)


def policy(view: View, chain: Chain) -> str:
    """The durability that the nearest directory of a chain asks for: `majority` where none says."""
    said = view.policies.get(chain)
    if said is None:
        asked = (view.version(one).policy for one in reversed(chain))
        said = view.policies[chain] = next(filter(None, asked), "majority")
    return said


def _is_certain(state: State, group: GroupId, enough: int) -> bool:
    """Whether so many members are sure to hold all that belongs to a group."""
    return not state.content.is_dirty(group) and len(state.places().members.get(group, ())) >= enough


def _not_durable(chunk: Hash, path: Path, why: str, chunks: Iterable[Hash]) -> NotDurable:
    detail = f"chunk {chunk.hex()} is not durable: {why}"
    return NotDurable(detail, path=text(path), chunks=islice(chunks, CHUNKS_MAX))
