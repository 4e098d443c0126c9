"""treewalk: everything below a directory, a bounded part at a time, for verbs that look at whole trees.

What belongs here: the order (each directory before what is in it, names by their bytes), the rights on the
way down, and going on behind the path that was visited last. A directory that may not be read, or not be
walked, is counted and passed by. What does not: what is done with what is met. Memory and work do not grow
with the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cairnfs.core import names
from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.core.permissions import READ, WALK, Person, allowed
from cairnfs.errors import BadCursor, CairnError
from cairnfs.ids import InodeId, Path
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.rows import nodes
from cairnfs.metadata.rows.nodes import Listed, Version
from cairnfs.metadata.view import DIRECTORY

#: What a statement costs, in rows.
_STATEMENT = 25
#: Rows of a directory that are read at first, each time so many times more, and at most.
_PAGE_FIRST, _PAGE_GROWS, _PAGE_MAX = 64, 4, 1000


class Met(NamedTuple):
    """What the walk met. `path` is relative to where it began, without a slash before it."""

    path: bytes
    found: Listed


class _Level:
    """A directory on the way down, and what of it was read but not visited yet, the next one last."""

    __slots__ = ("after", "ahead", "inode", "prefix", "whole", "width")

    def __init__(self, inode: InodeId, prefix: bytes, after: bytes = b"") -> None:
        self.inode = inode
        self.prefix = prefix
        self.after = after
        self.ahead: list[Listed] = []
        self.whole = False  # whether nothing is left to be read of it
        self.width = _PAGE_FIRST


class Treewalk:
    """One part of a walk. To be iterated once; then it says whether it is `ended`."""

    def __init__(self, sight: Sight, person: Person, start: Version, above: int, *, rows: int) -> None:
        """`start`: the directory's version; `above`: bytes of the path that leads to it. `rows`: so many are
        looked at, about."""
        self.looked = 0  #: rows so far, statements among them
        self.closed = 0
        self.ended = False
        self._sight = sight
        self._person = person
        self._start = start
        self._room = rows
        self._longest = PATH_MAX_BYTES - above - 1
        self._levels: list[_Level] = []

    def after(self, path: bytes) -> Iterator[Met]:
        """What comes after a path that was met before; empty: all. One at least, if there is one.

        Raises BadCursor where no such path can have been met.
        """
        self._begin(names.split(_checked(path)) if path else ())
        met = False
        while self._levels:
            level = self._levels[-1]
            if not level.ahead:
                if level.whole:
                    self._levels.pop()
                    continue
                if met and self.looked >= self._room:
                    return
                self._read(level)
                continue
            found = level.ahead.pop()
            here = level.prefix + found.dentry.name
            if len(here) > self._longest:
                continue
            yield Met(here, found)
            met = True
            if found.dentry.kind == DIRECTORY:
                self._enter(found.version, here + b"/")
        self.ended = True

    def _begin(self, way: tuple[bytes, ...]) -> None:
        """Come to where the walk was: behind the last of these names."""
        version, prefix = self._start, b""
        for name in way:
            if not self._enter(version, prefix, name):
                return
            dentry = self._sight.view.lookup(self._levels[-1].inode, names.name(name))
            self.looked += _STATEMENT
            if dentry is None:
                raise BadCursor("no walk here gave this cursor")
            version = self._sight.view.version(dentry.inode)
            prefix += name + b"/"
            if dentry.kind != DIRECTORY:
                if name is not way[-1]:
                    raise BadCursor("no walk here gave this cursor")
                return
        self._enter(version, prefix)

    def _enter(self, version: Version, prefix: bytes, after: bytes = b"") -> bool:
        if not allowed(self._person, version.owner, version.owner_group, version.mode, READ | WALK):
            self.closed += 1
            return False
        self._levels.append(_Level(version.inode, prefix, after))
        return True

    def _read(self, level: _Level) -> None:
        page = nodes.page(self._sight.view.tx, level.inode, level.after, level.width, self._sight.view.at)
        level.whole = len(page) < level.width
        level.width = min(level.width * _PAGE_GROWS, _PAGE_MAX)
        if page:
            level.after = page[-1].dentry.name
        self.looked += len(page) + _STATEMENT
        page.reverse()
        level.ahead = page


def _checked(path: bytes) -> Path:
    try:
        return names.path(b"/" + path)
    except CairnError as error:
        raise BadCursor("no walk gave this cursor") from error
