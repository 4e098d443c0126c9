"""placing: which fileservers are the members of which group, when one comes.

What belongs here: applying `core.placement` to the tables. A group that holds nothing yet is placed
afresh; one that holds chunks keeps its members and gets more while it has fewer than the policy's
copies, and is dirty until the new ones have everything. Epochs and the map's version grow.
"""

from __future__ import annotations

from cairnfs.core import placement
from cairnfs.ids import GROUPS, FileserverId, GroupId
from cairnfs.metadata.rows import chunks, fileservers, groups
from cairnfs.metadata.state import State

_ALL = [GroupId(group) for group in range(GROUPS)]
Change = tuple[GroupId, tuple[FileserverId, ...]]


def place(state: State) -> None:
    """Place all groups anew over the fileservers that are known. The batch's chunks are written."""
    tx, copies = state.tx, state.clock.copies
    weights = {server.id: 1.0 for server in fileservers.every(tx)}
    present = groups.members(tx)
    in_use = chunks.groups_in_use(tx, _ALL)
    fresh: list[Change] = []
    grown: list[Change] = []
    for group in _ALL:
        have = present.get(group, ())
        if group not in in_use:
            chosen = placement.members(group, weights, copies)
            if chosen != have:
                fresh.append((group, chosen))
        elif len(have) < min(copies, len(weights)):
            others = [one for one in placement.ranking(group, weights) if one not in have]
            grown.append((group, have + tuple(others[: copies - len(have)])))
    groups.change(tx, fresh, dirty=False)
    groups.change(tx, grown, dirty=True)


def distrust(state: State, fileserver: FileserverId) -> None:
    """Mark the groups of a member dirty where they hold anything: it may have lost something."""
    mine = [group for group, members in groups.members(state.tx).items() if fileserver in members]
    for group in chunks.groups_in_use(state.tx, mine):
        state.content.mark_dirty(group)
