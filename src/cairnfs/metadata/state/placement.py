"""Who the members of each group are, and at which of their starts: what receipts are judged by.

What belongs here: the table in memory, kept from one tx to the next as long as the map's version
stays. What does not: changing members (`ops/fileservers`). A `PlacesCache` is used by one writer.
"""

from __future__ import annotations

from dataclasses import dataclass

from cairnfs.ids import BootId, FileserverId, GroupId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import fileservers, groups
from cairnfs.metadata.rows.clock import ClockRow


@dataclass(frozen=True, slots=True)
class Places:
    """`members[group]` (absent: none), `boots[fileserver]`."""

    members: dict[GroupId, tuple[FileserverId, ...]]
    boots: dict[FileserverId, BootId]


def load(tx: Tx) -> Places:
    """As this tx sees it."""
    return Places(groups.members(tx), fileservers.boots(tx))


class PlacesCache:
    """The newest `Places` seen, by the version of the map."""

    __slots__ = ("_key", "_places")

    def __init__(self) -> None:
        """Empty."""
        self._key: tuple[str, int, int] | None = None
        self._places: Places | None = None

    def at(self, tx: Tx, clock: ClockRow) -> Places:
        """The places of the map's version in `clock`, which `tx` has locked and not changed since."""
        key = (clock.cluster_id, clock.incarnation, clock.map_version)
        if self._places is None or self._key != key:
            self._places, self._key = load(tx), key
        return self._places
