"""groups: which are dirty, and becoming clean again after a comparison with the members' inventories.

What belongs here: the verbs. What does not: asking fileservers (`control/duties/reconcile`). A group
becomes clean only if since its comparison began no commit missed a member, no member changed and
none started again: so the comparison itself needs no lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cairnfs.ids import BootId, CommitNumber, FileserverId, GroupId, Hash
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import leader
from cairnfs.metadata.rows import chunks, groups
from cairnfs.metadata.state import State, Want


class Group(msgspec.Struct, frozen=True):
    """A replica group, its primary first."""

    id: GroupId
    epoch: int
    dirty: bool
    members: tuple[FileserverId, ...]


class BeginComparison:
    """Let these dirty groups remember whether they miss anything from now on."""

    reply_key = None
    answer_type = None

    def __init__(self, compared: Sequence[GroupId], *, deadline: float, term: int | None = None) -> None:
        """`deadline` in seconds of the monotonic clock; `term`: see `ops/leader`."""
        self.deadline = deadline
        self._term = term
        self._groups = compared

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> CommitNumber:
        """Answers the newest commit that the comparison has to see."""
        leader.require(state.tx, self._term)
        groups.begin_comparison(state.tx, self._groups)
        return CommitNumber(state.counters["commit_number"])


class MarkClean:
    """These groups' members hold all that the database lists. Answers which became clean."""

    reply_key = None
    answer_type = None

    def __init__(
        self,
        compared: Sequence[Group],
        boots: Mapping[FileserverId, BootId],
        *,
        deadline: float,
        term: int | None = None,
    ) -> None:
        """`boots`: at which start each member was asked. `term`: see `ops/leader`."""
        self.deadline = deadline
        self._term = term
        self._groups = compared
        self._boots = boots

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> list[GroupId]:
        """A group that changed, or whose member started again, stays dirty."""
        leader.require(state.tx, self._term)
        places = state.places()
        same = [
            (group.id, group.epoch)
            for group in self._groups
            if places.members.get(group.id, ()) == group.members
            and all(places.boots.get(one) == self._boots.get(one) for one in group.members)
        ]
        return groups.mark_clean(state.tx, same)


class MarkDirty:
    """A copy was found missing or rotten."""

    reply_key = None
    answer_type = None

    def __init__(self, found: Sequence[GroupId], *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self._groups = found

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> None:
        """Until a comparison finds that everything is there again."""
        for group in self._groups:
            state.content.mark_dirty(group)


def every(tx: Tx) -> list[Group]:
    """All groups in order."""
    members = groups.members(tx)
    return [Group(group, epoch, dirty, members.get(group, ())) for group, epoch, dirty in groups.states(tx)]


def listed(tx: Tx, low: bytes, high: bytes | None, limit: int) -> list[tuple[Hash, int, int]]:
    """Chunks in use with low <= hash < high, in order, at most `limit`: (hash, size, copies) each."""
    return chunks.page(tx, low, high, limit)
