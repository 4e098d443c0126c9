"""commit: change many paths at one instant, or nothing.

What belongs here: reading the request (`prepare`, outside the clock) and the frame in which its steps
are decided (`Commit.apply`, inside). What does not: the steps themselves (`write`, `mkdir`, `remove`,
`rename`). Steps see each other's effects in order; the first that is refused refuses the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, IncarnationChanged, SessionEnded, TooManyOperations
from cairnfs.ids import (
    CommitNumber,
    Incarnation,
    InodeId,
    Path,
    SessionId,
)
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import emptying, leaning, receipts, results, steps, unchanged, vouching
from cairnfs.metadata.ops.attach import attach
from cairnfs.metadata.ops.copy import copy
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.leaning import Leaned
from cairnfs.metadata.ops.link import link
from cairnfs.metadata.ops.mkdir import mkdir
from cairnfs.metadata.ops.remove import remove
from cairnfs.metadata.ops.rename import rename
from cairnfs.metadata.ops.setattr import set_attributes
from cairnfs.metadata.ops.staged import Page
from cairnfs.metadata.ops.steps import (
    AttachStep,
    CopyStep,
    LinkStep,
    MkdirStep,
    RemoveStep,
    RenameStep,
    SetattrStep,
    Step,
    SymlinkStep,
    UnchangedStep,
    WriteStep,
    XattrStep,
)
from cairnfs.metadata.ops.symlink import symlink
from cairnfs.metadata.ops.write import write
from cairnfs.metadata.ops.xattr import set_xattr
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import Stamp, State, Want, WantChunks, WantEmpty, WantSession, WantVersion
from cairnfs.metadata.state.locks import Shown
from cairnfs.wire.commits import (
    MESSAGE_MAX_BYTES,
    OPERATIONS_MAX,
    CommitReply,
    CommitRequest,
    OperationResult,
)
from cairnfs.wire.receipts import ReceiptBody
from cairnfs.wire.shapes import is_id, request_id

#: Files and directories that one commit may make, those made on the way included; and more for each step
#: of a large one.
INODES_MAX, INODES_PER_STEP = 10_000, 2
#: How often a commit loads again what its next steps need, after an earlier one moved directories. For
#: large ones, more often.
_LOADS, _LOADED_AHEAD = 8, 1_000
#: Steps after which the database hears from a commit that asks it nothing, and so is not taken for frozen.
_STEPS_ALONE = 2_000
#: What an earlier step of these kinds leads to is not known before the clock.
_LEADS_ELSEWHERE = (SymlinkStep, LinkStep, RenameStep, CopyStep, AttachStep)


class Commit:
    """One commit, ready to be decided. May be applied again after a rollback."""

    answer_type = CommitReply

    def __init__(
        self,
        person: Person,
        made: Sequence[Step],
        durability: Durability,
        *,
        session: SessionId | None,
        leaned: Sequence[Leaned],
        own: int,
        incarnations: frozenset[Incarnation],
        message: str,
        locks: Shown,
        reply_key: ReplyKey,
        deadline: float,
    ) -> None:
        """Made by `prepare`. `own`: how many of the steps are the request's own, the last ones."""
        self.deadline = deadline
        self.locks = locks
        self.reply_key = reply_key
        self.looked: emptying.Looked | None = None  #: what `emptying.look_below` gave
        self._unchanged = [step for step in made if isinstance(step, UnchangedStep)]
        self._since: unchanged.Looked | None = None
        self._person = person
        self._steps = made
        self._durability = durability
        self._session = session
        self._leaned = leaned
        self._first_own = len(made) - own
        self._incarnations = incarnations
        self._message = message
        self._wants = [list(self._wants_of(step)) for step in made]

    @property
    def looks(self) -> bool:
        """Whether there is something to `look` at beforehand."""
        return bool(self.recursive or self._leans or self._unchanged)

    def look(self, tx: Tx) -> None:
        """Look at what takes too long once the clock is held: trees that are to be removed, bases, the log.

        May be called again, and has to be until it has `looked_enough`. Raises whatever refuses the commit
        for certain.
        """
        if self.looked_enough:  # else this goes on with a log that one look did not get through
            if self.recursive:
                self.looked = emptying.look_below(tx, self._person, self.recursive)
            if self._leans:
                self._look_at_bases(tx)
        if self._unchanged:
            self._since = unchanged.look(tx, self._person, self._unchanged, self._since)

    @property
    def looked_enough(self) -> bool:
        """Whether the looks have come to what was the newest commit."""
        return self._since is None or self._since.done

    @property
    def recursive(self) -> list[Path]:
        """The paths removed with all below them, but for those where a step before may change rights."""
        taken: list[Path] = []
        opened: set[bytes] = set()
        for step in self._steps:
            if isinstance(step, SetattrStep):
                opened.update(_and_above(step.path))
            elif _takes_all(step) and step.path not in opened:
                taken.append(step.path)
        return taken

    @property
    def _leans(self) -> bool:
        """Whether bases could vouch for anything."""
        return bool(self._leaned) and self._durability.leans

    def _look_at_bases(self, tx: Tx) -> None:
        assert self._session is not None, "prepare has seen to it"
        settled = not any(isinstance(step, _LEADS_ELSEWHERE) for step in self._steps)
        leaning.look(tx, self._person, self._session, self._leaned, self._durability, settled=settled)
        self._wants = [list(self._wants_of(step)) for step in self._steps]

    @property
    def person(self) -> Person:
        """Whose commit it is."""
        return self._person

    def wants(self) -> list[Want]:
        """What it will ask about."""
        session: list[Want] = [] if self._session is None else [WantSession(self._session)]
        return session + [want for wants in self._wants for want in wants]

    def apply(self, state: State) -> CommitReply:
        """Decide. Raises whatever refuses it; the driver then undoes what was changed."""
        person = state.people.now(self._person)
        self._check_durability(state, person)
        held = iter(unchanged.check(state, person, self._unchanged, self._since) if self._unchanged else ())
        stamp = state.begin_commit(self._person.user_id, len(self._steps), self._message)
        view = state.tree.view
        checked = emptying.still(state.tx, person, self.looked)
        made: list[OperationResult] = []
        loads, misses = 0, view.misses
        most_loads = _LOADS + len(self._steps) // _LOADED_AHEAD
        most = max(INODES_MAX, INODES_PER_STEP * len(self._steps))
        inodes_end = state.counters["next_inode"] + most
        for at, step in enumerate(self._steps):
            if isinstance(step, UnchangedStep):
                one = results.gone(next(held))
            else:
                one = _decide(state, person, stamp, step, self._durability, checked)
            if at % _STEPS_ALONE == _STEPS_ALONE - 1:
                state.stay()
            if at >= self._first_own:
                made.append(one)
            if state.counters["next_inode"] > inodes_end:
                raise TooManyOperations(f"this commit makes at most {most} files and directories")
            if view.misses > misses and loads < most_loads:
                ahead = self._wants[at + 1 : at + 1 + _LOADED_AHEAD]
                state.prefetch(want for wants in ahead for want in wants)
                loads, misses = loads + 1, view.misses
        return CommitReply(
            commit=stamp.number, at_us=stamp.at_us, incarnation=stamp.incarnation, results=made
        )

    def _check_durability(self, state: State, person: Person) -> None:
        needs = CommitNumber(0)
        if self._session is not None:
            needs = state.session(self._session, self._person.user_id).needs
        if self._incarnations - {state.clock.incarnation}:
            raise IncarnationChanged("the receipts are of another incarnation")
        self._durability.check_receipts(state, needs)
        self._durability.check_bases(state, person, needs)

    def _wants_of(self, step: Step) -> Iterator[Want]:
        if isinstance(step, WriteStep) and self._durability.unproven(step):
            yield WantChunks(step.path)
        elif isinstance(step, RemoveStep) and not step.recursive:
            yield WantEmpty(step.path)
        elif isinstance(step, SetattrStep | XattrStep | CopyStep) or (
            isinstance(step, WriteStep | MkdirStep)
            and step.attributes is not None
            and step.attributes.xattrs is not None  # for all else the version alone tells enough
        ):
            yield WantVersion(step.path)
        else:
            yield step.path
        if isinstance(step, RenameStep):
            yield WantEmpty(step.target)
        elif isinstance(step, LinkStep | CopyStep):
            yield step.target


def _decide(
    state: State,
    person: Person,
    stamp: Stamp,
    step: Step,
    durability: Durability,
    checked: Collection[InodeId],
) -> OperationResult:
    assert not isinstance(step, UnchangedStep), "it was held before anything was done"
    match step:
        case WriteStep():
            return write(state, person, stamp, step, durability)
        case MkdirStep():
            return mkdir(state, person, stamp, step)
        case SymlinkStep():
            return symlink(state, person, stamp, step)
        case LinkStep():
            return link(state, person, stamp, step)
        case RemoveStep():
            return remove(state, person, stamp, step, checked)
        case RenameStep():
            return rename(state, person, stamp, step)
        case SetattrStep():
            return set_attributes(state, person, stamp, step)
        case XattrStep():
            return set_xattr(state, person, stamp, step)
        case CopyStep():
            return copy(state, person, stamp, step)
        case AttachStep():
            return attach(state, person, stamp, step, checked)


def _takes_all(step: Step) -> bool:
    """Whether a step removes what is at its path with all below it."""
    return (isinstance(step, RemoveStep) and step.recursive) or (
        isinstance(step, AttachStep) and step.replace
    )


def _and_above(path: Path) -> Iterator[bytes]:
    """The path, and those of all directories above it but the root."""
    here: bytes = path
    while here:
        yield here
        here = here.rpartition(b"/")[0]


def prepare(
    person: Person,
    request: CommitRequest,
    genuine: Sequence[ReceiptBody],
    *,
    body_hash: bytes,
    deadline: float,
    pages: Sequence[Page] = (),
) -> Commit:
    """Read a request. `genuine` are the bodies of its receipts; `pages` were staged for it.

    `body_hash` is the BLAKE3 of the request as it came, `deadline` in seconds of the monotonic clock.
    Raises the errors of `errors.Usage`, TooManyOperations, TooLarge, ReceiptInvalid.
    """
    number = request_id(request.request_id)
    if not request.operations and not pages:
        raise BadRequest("a commit has at least one operation")
    if len(request.operations) > OPERATIONS_MAX:
        raise TooManyOperations(f"a commit has at most {OPERATIONS_MAX} operations")
    if len(request.message.encode(errors="replace")) > MESSAGE_MAX_BYTES or "\0" in request.message:
        raise BadRequest(f"a message has at most {MESSAGE_MAX_BYTES} bytes and no NUL")
    if request.session is not None and not is_id(request.session):
        raise SessionEnded("there never was a session of that name")
    if request.bases and request.session is None:
        raise BadRequest("bases count only with a session that needs the commits they are read at")
    given = [body for page in pages for body in page.receipts]
    given += genuine
    held = receipts.holdings(person, request.session, given)
    leaned = [Leaned(vouching.read(page.bases), page.vouched) for page in pages if page.bases]
    leaned += [Leaned(vouching.read(request.bases))] if request.bases else []
    made = [steps.step(operation) for page in pages for operation in page.operations]
    made += [steps.step(operation) for operation in request.operations]
    return Commit(
        person,
        made,
        Durability(made, held),
        session=None if request.session is None else SessionId(request.session),
        leaned=leaned,
        own=len(request.operations),
        incarnations=receipts.incarnations(given),
        message=request.message,
        locks=Shown.of(person, request.locks),
        reply_key=ReplyKey(person.user_id, number, body_hash),
        deadline=deadline,
    )
