"""extend_tree: put a page of files, directories, symlinks and links into a detached tree.

    parsed = parse(request, receipts)                  any thread
    look = look_up(tx, asker, parsed)                  a read
    page = tree_page.make(look, parsed.steps, first)   any thread
    ExtendTree(...)                                    under the clock

What belongs here: the verb under the clock, which is short: who asks is who they were, the tree is there, the
receipts count now, nobody took a name in between. What does not: what a page makes (`tree_page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cairnfs.core.durability import DURABILITIES
from cairnfs.core.permissions import Person
from cairnfs.core.placement import required
from cairnfs.errors import (
    BadRequest,
    Exists,
    IncarnationChanged,
    SessionEnded,
    TooManyOperations,
)
from cairnfs.ids import CommitNumber, Incarnation, InodeId, SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import detached_handle, steps, tree_page, tree_rows, vouching
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.receipts import holdings, incarnations
from cairnfs.metadata.ops.resolve import text
from cairnfs.metadata.ops.tree_page import Look, Making, Page
from cairnfs.metadata.ops.vouching import Basis
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, dentries, detached, groups
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State, Want, WantSession
from cairnfs.wire.commits import OPERATIONS_MAX
from cairnfs.wire.detached import ExtendTreeReply, ExtendTreeRequest
from cairnfs.wire.receipts import ReceiptBody
from cairnfs.wire.shapes import is_id


class Parsed(NamedTuple):
    """A request, read and checked."""

    asker: Person
    tree: str
    steps: Sequence[Making]
    durability: Durability
    bases: Sequence[Basis]
    session: SessionId | None
    incarnations: frozenset[Incarnation]
    reply_key: ReplyKey


def parse(
    asker: Person, request: ExtendTreeRequest, receipts: Sequence[ReceiptBody], body_hash: bytes
) -> Parsed:
    """Read a request. `receipts` are the bodies of genuine ones of this cluster.

    Raises the errors of `errors.Usage`, TooManyOperations, TooLarge, ReceiptInvalid, SessionEnded.
    """
    if len(request.operations) > OPERATIONS_MAX:
        raise TooManyOperations(f"a page has at most {OPERATIONS_MAX} operations")
    if request.bases and request.session is None:
        raise BadRequest("bases count only with a session that needs the commits they are read at")
    if request.session is not None and not is_id(request.session):
        raise SessionEnded("there never was a session of that name")
    held = holdings(asker, request.session, receipts)
    made = [tree_page.check(steps.step(operation)) for operation in request.operations]
    return Parsed(
        asker=asker,
        tree=request.tree,
        steps=made,
        durability=Durability(made, held),
        bases=vouching.read(request.bases),
        session=None if request.session is None else SessionId(request.session),
        incarnations=incarnations(receipts),
        reply_key=detached_handle.reply_key(asker, request.request_id, body_hash),
    )


def look_up(tx: Tx, parsed: Parsed) -> Look:
    """Look up what a page is about. Raises what opening the tree raises, Unauthenticated, NotDurable."""
    now = clock.read(tx)
    people = People(tx, now)
    person = people.now(parsed.asker)
    handle = detached_handle.read(tx, person, parsed.tree)
    detached_handle.require_same(handle, now.incarnation)
    at_us = detached.worked_at(tx, handle.top)
    if at_us is None:
        raise detached_handle.gone()
    _look_at_bases(tx, person, parsed)
    names = tree_page.Names(people, map(tree_page.settings_of, parsed.steps))
    return tree_page.look_up(tx, person, handle, parsed.steps, names, now.people_version, at_us)


def _look_at_bases(tx: Tx, person: Person, parsed: Parsed) -> None:
    durability = parsed.durability
    if not durability.leans:
        return
    if parsed.bases:
        assert parsed.session is not None, "parse has seen to it"
        durability.rely(None)
        durability.rely(vouching.look(tx, person, parsed.session, parsed.bases, durability.wanted()))
    durability.refuse_early(groups.dirty(tx), settled=True)


class ExtendTree:
    """Write a page. Answers an ExtendTreeReply, the first one if asked again."""

    answer_type = ExtendTreeReply

    def __init__(self, parsed: Parsed, look: Look, page: Page, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self.reply_key = parsed.reply_key
        self.weight = len(parsed.steps) + sum(len(step.chunks) for step in parsed.durability.steps) // 4
        self._parsed = parsed
        self._look = look
        self._page = page

    def wants(self) -> list[Want]:
        """The session; the rows are such as no path leads to."""
        return [] if self._parsed.session is None else [WantSession(self._parsed.session)]

    def apply(self, state: State) -> ExtendTreeReply:
        """Raises Busy, IncarnationChanged, NoSuchTree, SessionEnded, NotDurable, Exists, Unauthenticated."""
        look, page = self._look, self._page
        top = look.handle.top
        version = look.people_version if look.names.any else None
        detached_handle.require_unchanged(
            state, self._parsed.asker, look.person, look.handle.incarnation, version
        )
        self._check_durable(state)
        at_us = detached.lock(state.tx, top)
        if at_us is None or top in state.tree.attached:
            raise detached_handle.gone()
        if at_us != look.at_us:
            self._check_free(state)
        state.content.offer(page.leaves)
        tree_rows.write(state.tx, page.rows)
        state.content.write(page.manifests)
        # Later than before by 1 us at least: who looked before finds that somebody was here.
        detached.touch(state.tx, top, max(state.now_us, at_us + 1))
        return ExtendTreeReply(made=len(self._parsed.steps))

    def _check_durable(self, state: State) -> None:
        parsed, look = self._parsed, self._look
        needs = CommitNumber(0)
        if parsed.session is not None:
            needs = state.session(parsed.session, parsed.asker.user_id).needs
        if parsed.incarnations - {state.clock.incarnation}:
            raise IncarnationChanged("the receipts are of another incarnation")
        durability = parsed.durability
        durability.check_receipts(state, needs)
        durability.check_bases(state, look.person, needs)
        if durability.suffices(required(state.clock.copies, DURABILITIES[-1])):
            return  # whoever asks for what
        for step in durability.steps:
            durability.check_new(state, look.person, step, look.handle.policy)

    def _check_free(self, state: State) -> None:
        """Others put something into the tree since it was looked at."""
        taken = dentries.present(state.tx, self._page.keys)
        for step, key in zip(self._parsed.steps, self._page.keys, strict=True):
            if key in taken:
                raise Exists("something already has that name", path=text(tree_page.target_of(step)))


class Reserved(NamedTuple):
    """Inode numbers that were never used, from `first` up to `end`, in this incarnation."""

    incarnation: Incarnation
    first: InodeId
    end: InodeId


class ReserveInodes:
    """Take numbers for pages to come, whose rows then need not wait for them. Answers a Reserved.

    Those that nobody needs are never used.
    """

    reply_key = None
    answer_type = None

    def __init__(self, count: int, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self._count = count

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> Reserved:
        """They are taken once the tx has committed."""
        first = state.counters["next_inode"]
        state.journal.put(state.counters, "next_inode", first + self._count)
        return Reserved(state.clock.incarnation, InodeId(first), InodeId(first + self._count))
