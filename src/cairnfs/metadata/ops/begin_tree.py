"""begin_tree: begin a detached tree for a client.

    asked = parse(asker, request, body_hash)     any thread
    look = look_up(tx, asked)                    a read
    BeginTree(asked, look, deadline=...)         under the clock

What belongs here: what is settled for the whole tree: whose it is, to which user group it belongs and which
durability it asks for, as they are where it is to be attached. What does not: what is put into it
(`extend_tree`), trees of copies (`detached`).
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core.permissions import WALK, WRITE, Person
from cairnfs.ids import NEVER, ROOT, CommitNumber, Incarnation, InodeId, Name
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import detached_handle, moment, steps, tree_rows
from cairnfs.metadata.ops.detached_handle import Handle
from cairnfs.metadata.ops.durable import policy
from cairnfs.metadata.ops.making import Content, first_version
from cairnfs.metadata.ops.resolve import place, require
from cairnfs.metadata.ops.setattr import settled
from cairnfs.metadata.ops.steps import MkdirStep
from cairnfs.metadata.ops.tree_page import Known, Names, Sets
from cairnfs.metadata.ops.tree_rows import Rows, xattr_rows
from cairnfs.metadata.rows import detached, versions
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import Stamp, State, Want
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire.commits import MakeDirectory
from cairnfs.wire.detached import BeginTreeReply, BeginTreeRequest


class Asked(NamedTuple):
    """A request, read and checked: its top as if it were made where it is to be."""

    asker: Person
    top: MkdirStep
    reply_key: ReplyKey


class Look(NamedTuple):
    """What was looked up. `directory` is to hold the tree, or what will; `policy` is in force there."""

    person: Person
    incarnation: Incarnation
    people_version: int
    directory: Version
    policy: str
    names: Names


class _Missing(Exception):
    """Nothing is there from here on."""

    def __init__(self, chain: tuple[InodeId, ...]) -> None:
        super().__init__()
        self.chain = chain


def parse(asker: Person, request: BeginTreeRequest, body_hash: bytes) -> Asked:
    """Read a request. Raises the errors of `errors.Usage`."""
    top = steps.step(
        MakeDirectory(
            path=request.path, path_b64=request.path_b64, mode=request.mode, attributes=request.attributes
        )
    )
    assert isinstance(top, MkdirStep)
    return Asked(asker, top, detached_handle.reply_key(asker, request.request_id, body_hash))


def look_up(tx: Tx, asked: Asked) -> Look:
    """Look where the tree is to be attached, or at the nearest directory above that is there.

    Raises what walking there raises; Forbidden where nothing is there and the caller may not write.
    """
    sight = moment.look(tx, None)
    person = sight.people.now(asked.asker)
    sight.view.prefetch([asked.top.path])
    chain, free = _above(sight.view, person, asked)
    directory = sight.view.version(chain[-1])
    if free:  # else it is for the commit to judge, if there is to be one, whether that may be replaced
        require(person, directory, WRITE | WALK, asked.top.path)
    return Look(
        person=person,
        incarnation=sight.clock.incarnation,
        people_version=sight.clock.people_version,
        directory=directory,
        policy=policy(sight.view, chain),
        names=Names(sight.people, [asked.top.attributes]),
    )


def _above(view: View, person: Person, asked: Asked) -> tuple[tuple[InodeId, ...], bool]:
    """The directories above a path, as far as they are there; whether nothing is at the path itself."""

    def stop(chain: tuple[InodeId, ...], name: Name) -> InodeId:
        raise _Missing(chain)

    try:
        at = place(view, person, asked.top.path, make=stop)
    except _Missing as missing:
        return missing.chain, True
    return at.chain or (ROOT,), at.dentry is None and not at.is_root


class BeginTree:
    """Make the top of a tree. Answers a BeginTreeReply, the first one if asked again."""

    answer_type = BeginTreeReply

    def __init__(self, asked: Asked, look: Look, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self.reply_key = asked.reply_key
        self._asked = asked
        self._look = look

    def wants(self) -> list[Want]:
        """Nothing: it works on rows that no path leads to."""
        return []

    def apply(self, state: State) -> BeginTreeReply:
        """Raises Busy, IncarnationChanged, Unauthenticated, and what settings raise."""
        asked, look = self._asked, self._look
        version = look.people_version if look.names.any else None
        detached_handle.require_unchanged(state, asked.asker, look.person, look.incarnation, version)
        born, top = CommitNumber(state.counters["commit_number"]), state.next_inode()
        handle = Handle(look.incarnation, top, born, state.now_us, look.person.user_id, look.policy)
        tree = detached_handle.write(state.tx, handle)
        tree_rows.write(state.tx, self._rows(handle))
        detached.insert(state.tx, top, state.now_us)
        return BeginTreeReply(tree=tree)

    def _rows(self, handle: Handle) -> Rows:
        """The top."""
        person, top, sets = self._look.person, self._asked.top, Sets()
        stamp = Stamp(handle.born, handle.at_us, handle.incarnation)
        content = Content(top.mode)
        made = first_version(person, stamp, self._look.directory, handle.top, DIRECTORY, content)
        if top.attributes is not None:
            known = Known(self._look.names, sets)
            made = settled(known, person, stamp, DIRECTORY, made, top.attributes, path=top.path, new=True)
        return Rows(
            inodes=[(handle.top, DIRECTORY, 1, handle.born, handle.at_us)],
            names=[],
            versions=[versions.row(made, NEVER, b"")],
            xattrs=xattr_rows([made], sets.entries),
        )
