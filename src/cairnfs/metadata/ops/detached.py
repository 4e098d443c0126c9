"""Trees in the making: begun where no name leads, filled page by page, attached by one name, or given up.

What belongs here: the verbs under the clock, each short: what a page holds was read and worked out
beforehand (`ops/copy_tree`). Everything below is born at the commit that was the newest when the tree was
begun. Nobody can tell: until the tree is attached no name leads to it, and what is attached is new from
then on. So the commit that attaches it writes one name, whatever its size.
"""

from __future__ import annotations

from collections import Counter

from cairnfs.core.permissions import WALK, WRITE, Person
from cairnfs.errors import Busy, Exists, IncarnationChanged, RootIsFixed
from cairnfs.ids import NEVER, CommitNumber, Incarnation, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import emptying, leader, moment, results, tree_rows
from cairnfs.metadata.ops.copy_tree import PAGE_WEIGHT, Asked, Begun, Page, Source, leaves_of, top_of
from cairnfs.metadata.ops.remove import take_away
from cairnfs.metadata.ops.resolve import place, require, text
from cairnfs.metadata.ops.tree_rows import Rows, name_row, xattr_rows
from cairnfs.metadata.rows import detached, inodes, leaves, nodes, orphans, versions
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State, Want
from cairnfs.metadata.state.locks import NONE_SHOWN, Shown
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire.copies import CopyReply

#: A tree at which nobody has worked for so long is given up: longer than any request lasts. Where its owner
#: has a live session, a large file may be on its slow way to it: then only after a day.
ABANDONED_US = 3600 * 1_000_000
ABANDONED_ANYWAY_US = 24 * ABANDONED_US


class BeginCopy:
    """Make the top of a copy. Answers a Begun."""

    reply_key = None
    answer_type = None

    def __init__(self, source: Source, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self._source = source

    def wants(self) -> list[Want]:
        """Nothing: it works on rows that no path leads to."""
        return []

    def apply(self, state: State) -> Begun:
        """Raises Busy, IncarnationChanged, Unauthenticated."""
        _check_same(state, self._source.person, self._source.incarnation)
        born, top = CommitNumber(state.counters["commit_number"]), state.next_inode()
        version = top_of(self._source, top, born, state.now_us)
        first = _reserve(state)
        xattr_set = self._source.xattrs
        rows = Rows(
            inodes=[(top, DIRECTORY, 1, born, state.now_us)],
            names=[],
            versions=[versions.row(version, NEVER, b"")],
            xattrs=xattr_rows(
                [version], {} if xattr_set.name is None else {xattr_set.name: xattr_set.entries}
            ),
        )
        tree_rows.write(state.tx, rows)
        detached.insert(state.tx, top, state.now_us)
        return Begun(self._source, top, born, state.now_us, first)


class CopyPage:
    """Write a page of a copy. Answers the first inode number for the next one."""

    reply_key = None
    answer_type = None

    def __init__(self, begun: Begun, page: Page, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self.weight = len(page.names)
        self._begun = begun
        self._rows = _rows(begun, page)
        self._leaves = list(leaves_of(page).items())

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> InodeId:
        """Raises Busy, BeforeHorizon, IncarnationChanged, Unauthenticated."""
        _check_still(state, self._begun)
        moment.check(state.tx, state.now(), self._begun.source.commit)
        first = _reserve(state)
        tree_rows.write(state.tx, self._rows)
        leaves.refer(state.tx, self._leaves)
        detached.touch(state.tx, self._begun.top, state.now_us)
        return first


class AttachCopy:
    """Give a copy its name: the commit. Answers a CopyReply, the first one if asked again."""

    answer_type = CopyReply

    def __init__(
        self,
        begun: Begun,
        asked: Asked,
        counts: Counter[str],
        *,
        locks: Shown = NONE_SHOWN,
        reply_key: ReplyKey,
        deadline: float,
    ) -> None:
        """`counts` of directory, file, symlink, bytes below the top; `deadline` in monotonic seconds."""
        self.deadline = deadline
        self.locks = locks
        self.reply_key = reply_key
        self.looked: emptying.Looked | None = None  #: what `emptying.look_below` gave
        self._begun = begun
        self._asked = asked
        self._counts = counts

    def wants(self) -> list[Want]:
        """Where it goes."""
        return [self._asked.target]

    def apply(self, state: State) -> CopyReply:
        """Raises what resolving raises, Forbidden, Exists, RootIsFixed, Busy, IncarnationChanged."""
        begun, asked, tree = self._begun, self._asked, state.tree
        _check_still(state, begun)
        person = begun.source.person
        stamp = state.begin_commit(person.user_id, 1, asked.message)
        at = place(tree.view, person, asked.target)
        if at.is_root:
            raise RootIsFixed("the root cannot be replaced", path="/")
        if at.dentry is not None:
            if not asked.replace:
                raise Exists("something already has that name", path=text(asked.target))
            checked = emptying.still(state.tx, person, self.looked)
            take_away(state, person, stamp, at, at.dentry, checked)
        require(person, tree.view.version(at.parent), WRITE | WALK, asked.target)
        tree.attach(at.parent, at.name, begun.top, stamp)
        result = results.of(state, begun.top, stamp)
        counts = self._counts
        return CopyReply(
            commit=stamp.number,
            at_us=stamp.at_us,
            incarnation=stamp.incarnation,
            results=[result],
            read_at=begun.source.commit,
            files=counts["file"],
            directories=counts["directory"] + 1,
            symlinks=counts["symlink"],
            bytes=counts["bytes"],
        )


class AbandonTrees:
    """Let trees at which nobody works any more end, page by page, as removed ones do. Answers how many."""

    reply_key = None
    answer_type = None

    def __init__(self, *, deadline: float, most: int = 100, term: int | None = None) -> None:
        """`deadline` in seconds of the monotonic clock; `term`: see `ops/leader`."""
        self.deadline = deadline
        self._term = term
        self._most = most

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> int:
        """They end at the newest commit: the first after the one at which they were born, at least."""
        tx, now = state.tx, CommitNumber(state.counters["commit_number"])
        leader.require(tx, self._term)
        tops = [one for one in abandoned(tx, state.now_us, self._most) if one not in state.tree.attached]
        alive = nodes.versions(tx, tops, None)
        over = [(inode, version.born) for inode, version in alive.items() if version.born < now]
        versions.end(tx, [(inode, born, now) for inode, born in over])
        inodes.update(tx, [(inode, -1, CommitNumber(0), 0) for inode, _ in over])
        orphans.insert(tx, [(inode, now) for inode, _ in over])
        detached.delete(tx, [inode for inode, _ in over])
        return len(over)


def abandoned(tx: Tx, now_us: int, most: int) -> list[InodeId]:
    """The tops of trees at which nobody works any more."""
    return detached.older(tx, now_us - ABANDONED_US, now_us - ABANDONED_ANYWAY_US, most)


def give_up(tx: Tx, top: InodeId) -> bool:
    """Nobody works at this tree any more: the duty need not wait. Whether it was there. A light write."""
    return detached.touch(tx, top, 0)


def _check_still(state: State, begun: Begun) -> None:
    _check_same(state, begun.source.person, begun.source.incarnation)
    if begun.top in state.tree.attached or detached.lock(state.tx, begun.top) is None:
        raise Busy("the copy was given up; it has to begin anew")


def _check_same(state: State, person: Person, incarnation: Incarnation) -> None:
    """What was read before holds only for whom it was read, and where history was not cut."""
    if state.clock.incarnation != incarnation:
        raise IncarnationChanged("history was cut while a tree was copied")
    if state.people.now(person) != person:
        raise Busy("your rights were changed while a tree was copied; it has to begin anew")


def _reserve(state: State) -> InodeId:
    """The first of as many inode numbers as a page can need; those that it does not need are never used."""
    first = state.counters["next_inode"]
    state.journal.put(state.counters, "next_inode", first + PAGE_WEIGHT)
    return InodeId(first)


def _rows(begun: Begun, page: Page) -> Rows:
    made = [version for version, _ in page.versions]
    return Rows(
        inodes=[(one, kind, page.links[one], begun.born, begun.at_us) for one, kind in page.kinds.items()],
        names=[name_row(one) for one in page.names],
        versions=[versions.row(version, NEVER, manifest) for version, manifest in page.versions],
        xattrs=xattr_rows(made, page.xattrs),
        more_links=[(one, more) for one, more in page.links.items() if one not in page.kinds],
    )
