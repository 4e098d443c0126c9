"""Sets of extended attributes under change: which ones the versions that are written name.

What belongs here: what has to be known to write `xattr_set` with right counts. What does not: what a set
is (`core/xattrs`), who may change it (`ops/xattr`). One tx, one thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cairnfs.core import xattrs as rules
from cairnfs.core.xattrs import Xattrs
from cairnfs.ids import Hash
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import xattrs as rows


class XattrSets:
    """The sets that are known in this tx."""

    __slots__ = ("_known", "_tx")

    def __init__(self, tx: Tx) -> None:
        """None known yet."""
        self._tx = tx
        self._known: dict[Hash, bytes] = {}

    def load(self, sets: Iterable[bytes]) -> None:
        """Load these sets in one statement; the empty name is none."""
        missing = [Hash(one) for one in dict.fromkeys(sets) if one and one not in self._known]
        self._known.update(rows.load(self._tx, missing))

    def get(self, name: bytes) -> dict[bytes, bytes]:
        """The attributes of a set by its name, which may be empty."""
        if not name:
            return {}
        self.load([name])
        return rules.decode(self._known[Hash(name)])

    def offer(self, xattrs: Xattrs) -> bytes:
        """The name under which a version may name these attributes. That they were offered needs no undoing.

        Raises XattrTooLarge.
        """
        entries = rules.encode(xattrs)
        if not entries:
            return b""
        name = rules.name_of(entries)
        self._known[name] = entries
        return name

    def write(self, named: Iterable[bytes]) -> None:
        """Write what versions with these names refer to."""
        counts = Counter(Hash(one) for one in named if one)
        if not counts:
            return
        self.load(counts)
        rows.refer(self._tx, [(name, count, self._known[name]) for name, count in counts.items()])
