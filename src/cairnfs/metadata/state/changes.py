"""The log of changes: what each commit did, by inodes and names, for whoever follows or looks back.

What belongs here: deriving it at the flush from what the tree changed, so that nothing has to be undone,
and its form in the table. What does not: paths and who may see them (`ops/trace`). Pure, any thread.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cairnfs.ids import NEVER, CommitNumber, InodeId, Name

if TYPE_CHECKING:
    from cairnfs.metadata.rows.nodes import Dentry
    from cairnfs.metadata.state.tree import Tree

#: What happened. A name began or ended; what it leads to got another name, other content, or other
#: attributes alone.
CREATED, REMOVED, MOVED, WRITTEN, CHANGED = range(1, 6)
_KINDS = ("file", "directory", "symlink")
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}


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

    A directory's end stands for the end of all that was below it. Of what a commit made, it says no more
    than that.
    """
    ended: dict[CommitNumber, list[Dentry]] = defaultdict(list)
    begun: dict[CommitNumber, list[Dentry]] = defaultdict(list)
    noted: dict[CommitNumber, list[Change]] = defaultdict(list)
    for span in (*tree.died_names.values(), *tree.born_names.values()):
        if span.died != NEVER:
            ended[span.died].append(span.dentry)
    for (_, _, born), span in tree.born_names.items():
        begun[born].append(span.dentry)
    for (inode, number), note in tree.notes.items():
        made = tree.born_inodes.get(inode)
        if made is None or made.made != number:
            what = WRITTEN if note.content else CHANGED
            noted[number].append(Change(what, _NUMBERS[note.kind], inode, note.parent, note.name))
    return {
        number: [*_of_names(ended[number], begun[number]), *noted[number]]
        for number in sorted(ended.keys() | begun.keys() | noted.keys())
    }


def _of_names(ended: list[Dentry], begun: list[Dentry]) -> Iterator[Change]:
    """What one commit did to names. One that ended and began again with the same inode did not change."""
    if not ended:
        yield from (_change(CREATED, dentry) for dentry in begun)
        return
    before = {_key(dentry) for dentry in ended}
    after = {_key(dentry) for dentry in begun}
    gone = {dentry.inode for dentry in ended} - {dentry.inode for dentry in begun}
    arrived = Counter(dentry.inode for dentry in begun if _key(dentry) not in before)
    left: dict[InodeId, list[Dentry]] = defaultdict(list)  # that others of the same inode take the place of
    for dentry in ended:
        if _key(dentry) in after:
            continue
        if len(left[dentry.inode]) < arrived[dentry.inode]:
            left[dentry.inode].append(dentry)
        elif dentry.parent not in gone:
            yield _change(REMOVED, dentry)
    for dentry in begun:
        if _key(dentry) in before:
            continue
        if left[dentry.inode]:
            old = left[dentry.inode].pop(0)
            yield _change(MOVED, dentry)._replace(from_parent=old.parent, from_name=old.name)
        else:
            yield _change(CREATED, dentry)


def _key(dentry: Dentry) -> tuple[InodeId, Name, InodeId]:
    return dentry.parent, dentry.name, dentry.inode


def _change(what: int, dentry: Dentry) -> Change:
    return Change(what, _NUMBERS[dentry.kind], dentry.inode, dentry.parent, dentry.name)
