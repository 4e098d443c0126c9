"""acquire: ask for a lock, and be granted it, refused, or put in line.

What belongs here: the verb. Its session lives, all paths can be walked and may be locked, and no limit is
reached; then it is granted if nobody is in the way, or if its owner has all of it already. Else it waits,
unless that would close a circle, or nobody wants to wait. What a lock that is asked for costs grows with its
paths, not with the locks there are: who is in the way is asked for by ones. Inside the clock.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from cairnfs.core.locks.conflict import covered
from cairnfs.core.locks.request import INODE, Key, Look, Request, Spot, keys_of, points
from cairnfs.core.manifest import hash_bytes
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, Locked, QueueFull, TooManyLocks
from cairnfs.ids import RequestId, SessionId
from cairnfs.metadata.ops import resolve
from cairnfs.metadata.ops.locks import circles, promote, shown, spots, telling
from cairnfs.metadata.rows import lock_looks, locks
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State, Want, WantSession
from cairnfs.wire import codec, names
from cairnfs.wire.locks import PATHS_MAX, QUEUE_MAX, SESSION_LOCKS_MAX, AcquireRequest, LockReply
from cairnfs.wire.shapes import ID_PATTERN, is_id, request_id

#: A request of more paths has all paths of its session counted.
_FEW = 8
#: Of an owner who has no more, everything is looked at to see whether anybody waits for them.
_SOME = 256
_LOOKS_MAX = 4_096


class Acquire:
    """Ask for a lock. Answers a LockReply: held, or (if asked to wait) waiting."""

    answer_type = LockReply

    def __init__(self, person: Person, request: AcquireRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock. Raises BadRequest, BadName, TooManyLocks."""
        for value, what in ((request.session, "session"), (request.owner, "owner"), (request.token, "token")):
            if not is_id(value):
                raise BadRequest(f"the {what} is an id: {ID_PATTERN}")
        if not 1 <= len(request.paths) <= PATHS_MAX:
            raise TooManyLocks(f"a request is for 1 to {PATHS_MAX} paths")
        self.deadline = deadline
        self.reply_key = _reply_key(person, request)
        self._person = person
        self._request = request
        self._paths = [names.to_path(one.path, one.path_b64) for one in request.paths]
        self._token_hash = shown.hashed(request.token)

    def wants(self) -> list[Want]:
        """The paths, and whether the session lives."""
        return [WantSession(SessionId(self._request.session)), *self._paths]

    def apply(self, state: State) -> LockReply:
        """Raises SessionEnded, Forbidden, NotFound and others of the way, TooManyLocks, Locked, QueueFull,
        Deadlock."""
        asked = self._request
        person = state.people.now(self._person)
        session = state.session(SessionId(asked.session), person.user_id)
        exclusive = asked.mode == "exclusive"
        found = spots.walk(
            state, person, self._paths, follow=asked.follow, exclusive=exclusive, subtree=asked.subtree
        )
        self._require_room(state, session.id)
        number = state.counters["next_lock"]
        row = LockRow(
            number,
            session.id,
            asked.owner,
            person.user_id,
            self._token_hash,
            int(exclusive),
            int(asked.subtree),
            0,
            state.now_us,
            0,
        )
        request = row.request(keys_of(found))
        holds, waits = lock_looks.in_the_way(state.tx, telling.asks(row, request))
        if not holds and not waits:
            return _hold(state, row, request)
        others = locks.of_owner(state.tx, session.id, asked.owner, _SOME + 1)
        # Two who lock trees may both hold what has a name in each; then neither has it to give to themselves.
        if others and not holds and self._has_it(state, row, found):
            _require_no_circle(state, person, row, request)
            return _hold(state, row, request)
        if not asked.wait:
            raise self._locked(state, min(holds or waits), found)
        if lock_looks.is_full(state.tx, points(request.keys), QUEUE_MAX):
            raise QueueFull(f"{QUEUE_MAX} wait for it already")
        if others and _is_waited_for(state, others):
            circles.check(state, person, [request])
        _add(state, row, request)
        return telling.stands(state.tx, state.clock, state.people, row, request)

    def _require_room(self, state: State, session: SessionId) -> None:
        """As few sessions have many locks, all of them together are counted first: that costs nothing."""
        all_of_them, asked = state.counters["locks"], len(self._paths)
        if all_of_them >= SESSION_LOCKS_MAX and locks.count_of(state.tx, session) >= SESSION_LOCKS_MAX:
            raise TooManyLocks(f"a session has at most {SESSION_LOCKS_MAX} locks")
        if asked > _FEW and all_of_them * PATHS_MAX + asked > SESSION_LOCKS_MAX:
            paths = locks.count_paths_of(state.tx, session) + asked
            if paths > SESSION_LOCKS_MAX:
                raise TooManyLocks(f"a session locks at most {SESSION_LOCKS_MAX} paths")

    def _has_it(self, state: State, row: LockRow, found: list[Spot]) -> bool:
        """Whether the owner has all of it already."""
        own: dict[int, tuple[bool, bool, set[Key]]] = {}
        for seen in lock_looks.own_held(state.tx, _cover(found), row.session, row.owner):
            key = seen.look.key
            own.setdefault(seen.lock, (seen.exclusive, seen.subtree, set()))[2].add(key)
        held = [
            Request(lock, row.whose, exclusive, subtree, frozenset(keys), fence=1)
            for lock, (exclusive, subtree, keys) in own.items()
        ]
        return covered(found, held, exclusive=row.exclusive == 1, subtree=row.subtree == 1)

    def _locked(self, state: State, by: int, found: list[Spot]) -> Locked:
        """Who has it, and which of the paths."""
        theirs = locks.keys_of(state.tx, [by])[by]
        where = zip(self._paths, found, strict=True)
        path = next((path for path, one in where if {one.name, one.inode} & {*theirs}), self._paths[0])
        who = telling.described(telling.holder(state.tx, state.people, by))
        return Locked(
            f"in the way is {who}", path=resolve.text(path), where=path, subtree=self._request.subtree
        )


def _require_no_circle(state: State, person: Person, row: LockRow, request: Request) -> None:
    """Whoever is passed by for a file's other name waits for this owner now, who may wait for them."""
    waits = [one.id for one in locks.waiting_of(state.tx, [(row.session, row.owner)])]
    circles.check(state, person, locks.requests(state.tx, waits), [replace(request, fence=row.id)])


def _hold(state: State, row: LockRow, request: Request) -> LockReply:
    fence = state.grant(row.id, row.session)
    _add(state, msgspec.structs.replace(row, fence=fence, granted_us=state.now_us), request)
    return telling.held(state.clock, row.id, fence)


def _add(state: State, row: LockRow, request: Request) -> None:
    assert state.take("next_lock") == row.id
    locks.insert(state.tx, row, request.keys)
    promote.count(state, 1)


def _cover(found: list[Spot]) -> list[Look]:
    """Where a lock of one's own has these, or is one with all below."""
    looks = [Look(key, subtree=False) for one in found for key in (one.name, one.inode) if key is not None]
    ways = {way for one in found for way in (one.above, one.around)}
    above = {directory for way in ways for directory in way}
    return [*looks, *(Look(Key(directory, INODE), subtree=True) for directory in above)]


def _is_waited_for(state: State, others: list[LockRow]) -> bool:
    """Whether anybody may wait for these requests, which are all of an owner's, or too many to look at."""
    if len(others) > _SOME:
        return True
    numbers = [one.id for one in others]
    if locks.count_keys(state.tx, numbers) > _LOOKS_MAX:
        return True
    looks = {look for one in locks.requests(state.tx, numbers) for look in one.looks()}
    return bool(lock_looks.pages(state.tx, looks, 0, 1))


def _reply_key(person: Person, request: AcquireRequest) -> ReplyKey:
    """Under which the answer is kept: apart from commits, whose ids are settled."""
    number = RequestId(f"lock:{request_id(request.request_id)}")
    return ReplyKey(person.user_id, number, hash_bytes(codec.encode(request)))
