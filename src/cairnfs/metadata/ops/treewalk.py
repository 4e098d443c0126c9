"""treewalk: everything below a directory, a bounded part at a time, for verbs that look at whole trees.

What belongs here: the order (each directory before what is in it, names by their bytes), the rights on the
way down, and going on behind the path that was visited last. A directory that may not be read, or not be
walked, is counted and passed by, or refused, as is asked. What does not: what is done with what is met.
Memory and work do not grow with the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from cairnfs.core import names
from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.core.permissions import READ, WALK, Person, allowed
from cairnfs.errors import BadCursor, CairnError, Forbidden, PathTooLong
from cairnfs.ids import InodeId, Name, Path
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.resolve import text
from cairnfs.metadata.rows import nodes
from cairnfs.metadata.rows.nodes import Listed, Version
from cairnfs.metadata.view import DIRECTORY

#: What a statement costs, in rows.
_STATEMENT = 25
#: Rows of a directory that are read at first, each time so many times more, and at most.
_PAGE_FIRST, _PAGE_GROWS, _PAGE_MAX = 64, 4, 1000
#: Directories that are begun together: each time so many times more, and at most.
_TOGETHER_GROWS, _TOGETHER_MAX = 8, 64


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

    def __init__(
        self,
        sight: Sight,
        person: Person,
        start: Version,
        above: Path,
        *,
        rows: int,
        wanted: int | None = None,
        whole: bool = False,
    ) -> None:
        """`start`: the directory's version; `above`: the path that leads to it. `rows`: so many are looked
        at, about; `wanted`: who asks will take so many, if they say. `whole`: what cannot be told of is
        refused (Forbidden, PathTooLong), not passed by."""
        self.looked = 0  #: rows so far, statements among them
        self.closed = 0
        self.ended = False
        self.last = b""  #: the path up to which all was visited
        self._sight = sight
        self._person = person
        self._start = start
        self._room = rows
        self._wanted = rows if wanted is None else wanted
        self._whole = whole
        self._above = above.rstrip(b"/") + b"/"
        self._longest = PATH_MAX_BYTES - len(self._above)
        self._levels: list[_Level] = []
        self._begun: dict[InodeId, list[Listed]] = {}  # what directories to come begin with
        self._together = 1
        self._entered = self._inside = 0  # directories that were begun, and what is in them

    def after(self, path: bytes) -> Iterator[Met]:
        """What comes after a path that was visited last; empty: all. It gets on by one path at least.

        Raises BadCursor where no such path can have been visited; Forbidden and PathTooLong where nothing
        is to be passed by.
        """
        self.last = path
        self._begin(path.split(b"/") if path else [])
        visited = False
        while self._levels:
            level = self._levels[-1]
            if not level.ahead:
                if level.whole:
                    self._levels.pop()
                    continue
                if visited and self.looked >= self._room:
                    return
                self._read(level)
                continue
            found = level.ahead.pop()
            self.last = here = level.prefix + found.dentry.name
            visited = True
            self._wanted -= 1
            if len(here) > self._longest:
                self._pass_by(PathTooLong(f"it has over {PATH_MAX_BYTES} bytes", path=self._text(here)))
                continue
            opened = found.dentry.kind == DIRECTORY and self._may_read(found.version, here)
            yield Met(here, found)
            if opened:
                self._levels.append(_Level(found.version.inode, here + b"/"))
        self.ended = True

    def _begin(self, way: Sequence[bytes]) -> None:
        """Come to where the walk was: behind the last of these names."""
        if not way:
            if self._may_read(self._start, b""):
                self._levels.append(_Level(self._start.inode, b""))
            return
        version, prefix = self._start, b""
        for at, name in enumerate(way, 1):
            if not self._may_read(version, prefix):
                return  # closed meanwhile
            self._levels.append(_Level(version.inode, prefix, name))
            dentry = self._sight.view.lookup(version.inode, _checked(name))
            self.looked += _STATEMENT
            if dentry is None or (dentry.kind != DIRECTORY and at < len(way)):
                raise BadCursor("no walk here gave this cursor")
            version = self._sight.view.version(dentry.inode)
            prefix += name + b"/"
            if at == len(way) and dentry.kind == DIRECTORY and self._still_listed(version, prefix):
                self._levels.append(_Level(version.inode, prefix))

    def _may_read(self, version: Version, here: bytes) -> bool:
        """Whether a directory may be entered; else it is counted, or refused."""
        if self._listed(version):
            return True
        self.closed += 1
        self._pass_by(Forbidden(f"{self._person.name} may not read this directory", path=self._text(here)))
        return False

    def _still_listed(self, version: Version, here: bytes) -> bool:
        """As `_may_read`, of what was met before: if it is closed, that was told then."""
        return self._may_read(version, here) if self._whole else self._listed(version)

    def _pass_by(self, reason: CairnError) -> None:
        if self._whole:
            raise reason

    def _text(self, here: bytes) -> str:
        return text(Path((self._above + here).rstrip(b"/") or b"/"))

    def _listed(self, version: Version) -> bool:
        return allowed(self._person, version.owner, version.owner_group, version.mode, READ | WALK)

    def _read(self, level: _Level) -> None:
        if not level.after:
            self._begin_together(level)
        width = level.width
        page = self._begun.pop(level.inode, None)
        if page is None:
            width = min(width, max(self._wanted, 1))
            page = nodes.page(self._sight.view.tx, level.inode, level.after, width, self._sight.view.at)
            self.looked += len(page) + _STATEMENT
        self._entered += not level.after
        self._inside += len(page)
        level.whole = len(page) < width
        level.width = min(level.width * _PAGE_GROWS, _PAGE_MAX)
        if page:
            level.after = page[-1].dentry.name
        page.reverse()
        level.ahead = page

    def _begin_together(self, level: _Level) -> None:
        """Read what this directory begins with, and along with it those that come next beside it: a tree of
        many small directories then takes few statements."""
        if level.inode in self._begun or len(self._levels) < 2:
            return
        likely = 1 + self._wanted * self._entered // max(self._inside, 1)
        count = min(self._together, likely)
        self._together = min(self._together * _TOGETHER_GROWS, _TOGETHER_MAX)
        if count == 1:
            return
        beside = (
            one.version.inode
            for one in reversed(self._levels[-2].ahead)
            if one.dentry.kind == DIRECTORY and self._listed(one.version)
        )
        several = [level.inode, *islice(beside, count - 1)]
        if len(several) == 1:
            return
        begun = nodes.first_pages(self._sight.view.tx, several, _PAGE_FIRST, self._sight.view.at)
        self.looked += 2 * _STATEMENT + sum(map(len, begun.values()))
        self._begun |= begun


def _checked(name: bytes) -> Name:
    try:
        return names.name(name)
    except CairnError as error:
        raise BadCursor("no walk gave this cursor") from error
