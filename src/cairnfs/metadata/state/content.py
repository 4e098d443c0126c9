"""What files consist of, under change: leaves and chunks that commits bring, groups that they dirty.

What belongs here: what has to be known to write `leaf` and `chunk` with right counts, which are
taken only at the flush, from the versions that are written then. What does not: whether a chunk is
durable (`ops/durable`). One tx, one thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

from cairnfs.core import manifest
from cairnfs.core.manifest import HOLE, Leaf
from cairnfs.errors import LengthMismatch
from cairnfs.ids import GroupId, Hash, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import chunks, groups, versions
from cairnfs.metadata.rows import leaves as leaf_rows
from cairnfs.metadata.state.journal import Journal
from cairnfs.metadata.state.tree import Tree, VersionKey

HASH_BYTES = 32


def leaf_hashes(of: bytes) -> list[Hash]:
    """The hashes that a manifest concatenates."""
    if len(of) == HASH_BYTES:  # most files are small
        return [Hash(of)]
    return [Hash(of[at : at + HASH_BYTES]) for at in range(0, len(of), HASH_BYTES)]


class Content:
    """Leaves and chunks that commits of this tx bring, and groups that they dirty."""

    __slots__ = ("_base", "_dirty", "_journal", "_manifests", "copies", "dirtied", "leaves", "tx")

    def __init__(self, tx: Tx, journal: Journal) -> None:
        """Nothing brought yet."""
        self.tx = tx
        self._journal = journal
        self.leaves: dict[Hash, Leaf] = {}
        self.copies: dict[Hash, int] = {}
        self.dirtied: dict[GroupId, bool] = {}
        self._dirty: frozenset[GroupId] | None = None
        self._manifests: dict[VersionKey, bytes] = {}
        self._base: dict[Hash, Leaf] = {}

    def offer(self, leaves: Iterable[Leaf]) -> None:
        """Leaves that a version made here may name. That they were offered needs no undoing."""
        for leaf in leaves:
            self.leaves[leaf.hash] = leaf

    def prove(self, chunks: Iterable[Hash], copies: int) -> None:
        """So many fileservers hold these chunks. It stays true whatever is undone."""
        for chunk in chunks:
            self.copies[chunk] = max(copies, self.copies.get(chunk, 0))

    def mark_dirty(self, group: GroupId) -> None:
        """A member of the group may miss a chunk."""
        if group not in self.dirtied:
            self._journal.put(self.dirtied, group, True)

    def is_dirty(self, group: GroupId) -> bool:
        """Whether a member of the group may miss a chunk."""
        if self._dirty is None:
            self._dirty = groups.dirty(self.tx)
        return group in self._dirty or group in self.dirtied

    def forget_dirty(self) -> None:
        """Groups were changed in this tx: look again when asked."""
        self._dirty = None

    def chunks_of(self, tree: Tree, inode: InodeId) -> set[tuple[Hash, int]]:
        """The chunks of a file's present version."""
        self.load_chunks(tree, [inode])
        found: set[tuple[Hash, int]] = set()
        leaves = leaf_hashes(self.manifest(tree, inode))
        # A copy made in this tx names leaves that nobody brought along.
        missing = {leaf for leaf in leaves if leaf not in self._base and leaf not in self.leaves}
        self._base.update(leaf_rows.load(self.tx, missing))
        for leaf in leaves:
            found.update(manifest.entries((self._base.get(leaf) or self.leaves[leaf]).entries))
        return found

    def load_chunks(self, tree: Tree, inodes: Iterable[InodeId]) -> None:
        """Load the leaves of these files' present versions, in two statements."""
        wanted = {leaf for of in self.load_manifests(tree, inodes) for leaf in leaf_hashes(of)}
        self._base.update(leaf_rows.load(self.tx, wanted - self._base.keys()))

    def load_manifests(self, tree: Tree, inodes: Iterable[InodeId]) -> list[bytes]:
        """The manifests of those of these files' present versions that the database has, in one statement."""
        keys = ((inode, tree.view.version(inode).born) for inode in dict.fromkeys(inodes))
        stored = [key for key in keys if key not in tree.born_versions]
        missing = [key for key in stored if key not in self._manifests]
        found = versions.manifests(self.tx, missing)
        self._manifests.update(((inode, born), found[inode]) for inode, born in missing)
        return [self._manifests[key] for key in stored]

    def manifest(self, tree: Tree, inode: InodeId) -> bytes:
        """The manifest of a file's present version; empty for what is no file."""
        key = (inode, tree.view.version(inode).born)
        born = tree.born_versions.get(key)
        if born is not None:
            return born.manifest
        self.load_manifests(tree, [inode])
        return self._manifests[key]

    def write(self, manifests: Iterable[bytes]) -> None:
        """Write leaves and chunks for versions with these manifests, and dirty groups.

        Raises LengthMismatch where a chunk is known with another size.
        """
        named = Counter(chain.from_iterable(map(leaf_hashes, manifests)))
        # In the order of the tables: what lies together is written together.
        order = sorted(named)
        present = leaf_rows.present(self.tx, order)
        leaf_rows.refer(self.tx, [(leaf, named[leaf]) for leaf in order if leaf in present])
        new = {leaf: self.leaves[leaf] for leaf in order if leaf not in present}
        leaf_rows.insert(
            self.tx, [(one.hash, one.size, named[one.hash], one.entries) for one in new.values()]
        )
        self._write_chunks(new)
        if self.dirtied:
            groups.mark_dirty(self.tx, self.dirtied)
            self.dirtied.clear()
            self.forget_dirty()
        self._base.update(new)

    def _write_chunks(self, new: Mapping[Hash, Leaf]) -> None:
        referred = Counter(chain.from_iterable(manifest.cut(leaf.entries) for leaf in new.values()))
        rows = [
            (one.hash, one.size, count, self.copies.get(one.hash, 0))
            for one, count in ((manifest.chunk(entry), referred[entry]) for entry in sorted(referred))
            if one.hash != HOLE  # nobody is to hold it
        ]
        if chunks.refer(self.tx, rows) != len(rows):
            raise LengthMismatch("a chunk is already known with another size")
