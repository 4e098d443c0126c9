"""The log of changes: what each commit did, by inodes and names, for whoever follows or looks back.

What belongs here: deriving it at the flush from what the tree changed, so that nothing has to be undone,
and its form in the table. What does not: paths and who may see them (`ops/trace`). Pure, any thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cairnfs.ids import NEVER, CommitNumber, InodeId, Name

if TYPE_CHECKING:
    from cairnfs.metadata.rows.nodes import Dentry
    from cairnfs.metadata.state.tree import Tree

    _Names = dict[tuple[InodeId, Name], Dentry]

#: What happened. A name began or ended; what it leads to got another name, other content, or other
#: attributes alone.
CREATED, REMOVED, MOVED, WRITTEN, CHANGED = range(1, 6)
_KINDS = ("file", "directory", "symlink")


class Change(NamedTuple):
    """One change. `parent` and `name` are 0 and empty for the root; `from_parent` is 0 unless MOVED."""

    what: int
    kind: int  # in the order of KINDS
    inode: InodeId
    parent: InodeId
    name: Name
    from_parent: InodeId = InodeId(0)
    from_name: Name = Name(b"")

    @property
    def kind_name(self) -> str:
        """file, directory or symlink."""
        return _KINDS[self.kind]


_decoder = msgspec.msgpack.Decoder(list[tuple[int, int, int, int, bytes, int, bytes]])
_encoder = msgspec.msgpack.Encoder()


def encode(changes: Iterable[Change]) -> bytes:
    """As the table keeps them."""
    return _encoder.encode(list(changes))


def decode(entries: bytes) -> list[Change]:
    """What `encode` wrote."""
    return [Change(*one) for one in _decoder.decode(entries)]  # type: ignore[arg-type]


def derive(tree: Tree) -> dict[CommitNumber, list[Change]]:
    """What each commit of this batch did, ends before beginnings.

    A directory's end stands for the end of all that was below it.
    """
    ended: dict[CommitNumber, _Names] = defaultdict(dict)
    begun: dict[CommitNumber, _Names] = defaultdict(dict)
    noted: dict[CommitNumber, list[Change]] = defaultdict(list)
    for span in (*tree.died_names.values(), *tree.born_names.values()):
        if span.died != NEVER:
            ended[span.died][span.dentry.parent, span.dentry.name] = span.dentry
    for (parent, name, born), span in tree.born_names.items():
        begun[born][parent, name] = span.dentry
    for (parent, name, number), note in tree.notes.items():
        what = WRITTEN if note.content else CHANGED
        noted[number].append(Change(what, _KINDS.index(note.kind), note.inode, parent, name))
    return {
        number: list(_of_one(ended[number], begun[number], noted[number]))
        for number in sorted(ended.keys() | begun.keys() | noted.keys())
    }


def _of_one(ended: _Names, begun: _Names, noted: list[Change]) -> Iterator[Change]:
    """The changes of one commit."""
    left = {dentry.inode: dentry for dentry in ended.values()}
    arrived = {dentry.inode: dentry for dentry in begun.values()}
    gone = left.keys() - arrived.keys()
    for dentry in ended.values():
        if dentry.inode in gone and dentry.parent not in gone:
            yield _change(REMOVED, dentry)
    for key, dentry in begun.items():
        before = left.get(dentry.inode)
        if before is None:
            yield _change(CREATED, dentry)
        elif key != (before.parent, before.name):
            yield _change(MOVED, dentry)._replace(from_parent=before.parent, from_name=before.name)
    for change in noted:
        now = arrived.get(change.inode)
        if now is not None and change.inode in left:
            yield change._replace(parent=now.parent, name=now.name)
        elif now is None and change.inode not in left:
            yield change


def _change(what: int, dentry: Dentry) -> Change:
    return Change(what, _KINDS.index(dentry.kind), dentry.inode, dentry.parent, dentry.name)
