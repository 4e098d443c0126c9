"""Ways up, as one tx has them: the directories above something, up to the root.

What belongs here: that, by what was walked already, else by what is traced. What does not: walking down by
names (`view`, `ops/resolve`). One tx, one thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from cairnfs.ids import ROOT, InodeId, Name
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state.links import LEVELS_MAX
from cairnfs.metadata.state.tree import Tree


def way_up(tree: Tree, directory: InodeId) -> tuple[InodeId, ...]:
    """The directory and all above it, the root last; nothing where no way leads up to the root."""
    way = []
    above = tree.view.above
    for _ in range(LEVELS_MAX):
        way.append(directory)
        if directory == ROOT:
            return tuple(way)
        up = above.get(directory)
        if up is None:
            name = next(iter(tree.names.every(directory)), None)
            if name is None:
                return ()
            up = name.parent
        directory = up
    raise AssertionError("directories go round in a circle")


def load_ways(tree: Tree, directories: Iterable[InodeId]) -> None:
    """Load the ways up from these directories that were not walked yet, a statement a level."""
    tree.names.load_up(one for one in directories if one not in tree.view.above)


def path_to(tree: Tree, parent: InodeId, name: Name) -> bytes | None:
    """The path of a name without any symlink, where all on the way was walked already."""
    names = [name]
    while parent != ROOT:
        up = tree.view.above.get(parent)
        if up is None or len(names) > LEVELS_MAX:
            return None
        names.append(tree.view.name_of(up, parent).name)
        parent = up
    return b"".join(b"/" + one for one in reversed(names))


def names_of(tree: Tree, dentry: Dentry) -> list[Dentry]:
    """All live names of what this one leads to."""
    return [dentry] if not dentry.traced else list(tree.names.every(dentry.inode))
