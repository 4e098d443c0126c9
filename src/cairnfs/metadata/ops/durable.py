"""Whether a commit's chunks are durable: by receipts, or by the version they are taken from.

What belongs here: holding receipts against the present members and starts, inside the clock; what can
be prepared was. What does not: whether a receipt is genuine (the route checked that). Holders that
left or started again do not count, whatever the receipt says. A hole is durable without anybody's
word, and a receipt that names one says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cairnfs.core import durability as rules
from cairnfs.core.durability import Holder, Holding, Proof
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.core.permissions import READ, Person, allowed
from cairnfs.core.placement import group_of, required
from cairnfs.errors import LengthMismatch, NotDurable
from cairnfs.ids import GroupId, Hash, InodeId, Path
from cairnfs.metadata.ops.resolve import Place, text
from cairnfs.metadata.ops.steps import Step, WriteStep
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import State
from cairnfs.metadata.view import FILE, View


class _Claim(NamedTuple):
    """Chunks of one group that the same holders are said to have."""

    group: GroupId
    holders: tuple[Holder, ...]


class Durability:
    """The receipts of one commit, sorted for judging. Made outside the clock, used inside."""

    __slots__ = (
        "_chunks", "_claims", "_complete", "_counts", "_needs", "_oldest", "holdings", "proofs", "steps"
    )  # fmt: skip

    def __init__(self, steps: Sequence[Step], holdings: Sequence[Holding]) -> None:
        """Raises LengthMismatch where a receipt and the commit disagree about a size."""
        self.steps = [step for step in steps if isinstance(step, WriteStep)]
        self.holdings = holdings
        self._oldest = min((holding.begin for holding in holdings), default=0)
        self.sort(0)

    def sort(self, needs: int) -> None:
        """Take the receipts begun at `needs` or later as proofs."""
        self._needs = needs
        self.proofs: dict[Hash, Proof] = rules.proofs(self.holdings, needs)
        self._chunks: dict[_Claim, list[Hash]] = {}
        self._counts: dict[_Claim, int] = {}  # how many hold it; known once the clock is held
        #: What each step (by its identity) relies on, with a chunk to name in a refusal.
        self._claims: dict[int, dict[_Claim, Hash]] = {}
        self._complete = True  # every chunk has a receipt
        for step in self.steps:
            for chunk in step.chunks:
                if chunk.hash != HOLE:
                    self._use(step, chunk)

    def unproven(self, step: WriteStep) -> list[Chunk]:
        """The chunks of a step that no receipt speaks of."""
        if self._complete:
            return []
        return [one for one in step.chunks if one.hash not in self.proofs and one.hash != HOLE]

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

    def check_step(self, state: State, person: Person, step: WriteStep, at: Place) -> None:
        """Raises NotDurable unless each chunk of the step has the holders that the policy of its directory
        and the step itself ask for: by receipts, or being in the file's present version (see `_check_base`).
        """
        enough = self.check_claims(state, step, policy(state.tree.view, at.chain))
        self._check_base(state, person, step, at.dentry, enough)

    def check_claims(self, state: State, step: WriteStep, asked: str) -> int:
        """Raises NotDurable unless the receipts that a step relies on name enough holders for what is asked
        for, by the step itself too. Gives how many are enough."""
        durability = rules.strongest(asked, step.durability or rules.DURABILITIES[0])
        enough = required(state.clock.copies, durability)
        for claim, chunk in self._claims.get(id(step), {}).items():
            if self._counts[claim] < enough:
                count = self._counts[claim]
                raise _not_durable(
                    chunk, step.path, f"{count} fileservers hold it, its directory asks for {durability}"
                )
        return enough

    def _check_base(
        self, state: State, person: Person, step: WriteStep, there: Dentry | None, enough: int
    ) -> None:
        """Each chunk without a receipt has to be in the file's present version, which `person` may read,
        and in a clean group with enough members."""
        missing = self.unproven(step)
        if not missing:
            return
        if there is None or there.kind != FILE:
            raise _not_durable(missing[0].hash, step.path, "no receipt came with it")
        version = state.tree.view.version(there.inode)
        may_read = allowed(person, version.owner, version.owner_group, version.mode, READ)
        base = state.content.chunks_of(state.tree, there.inode) if may_read else set()
        members = state.places().members
        for chunk in missing:
            group = group_of(chunk.hash)
            if chunk not in base:
                raise _not_durable(chunk.hash, step.path, "no receipt came with it")
            if state.content.is_dirty(group) or len(members.get(group, ())) < enough:
                raise _not_durable(chunk.hash, step.path, "its copies are not certain now")

    def _use(self, step: WriteStep, chunk: Chunk) -> None:
        proof = self.proofs.get(chunk.hash)
        if proof is None:
            self._complete = False
            return
        if proof.size != chunk.size:
            raise LengthMismatch(
                f"chunk {chunk.hash.hex()} has {proof.size} bytes, not {chunk.size}", path=text(step.path)
            )
        claim = _Claim(group_of(chunk.hash), proof.holders)
        self._chunks.setdefault(claim, []).append(chunk.hash)
        self._claims.setdefault(id(step), {}).setdefault(claim, chunk.hash)


def policy(view: View, chain: Sequence[InodeId]) -> str:
    """The durability that the nearest directory of a chain asks for: `majority` where none says."""
    return next((said for one in reversed(chain) if (said := view.version(one).policy)), "majority")


def _not_durable(chunk: Hash, path: Path, why: str) -> NotDurable:
    return NotDurable(f"chunk {chunk.hex()} is not durable: {why}", path=text(path))
