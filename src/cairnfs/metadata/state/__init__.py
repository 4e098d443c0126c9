"""The working set of one database tx: what its operations read, change and finally write.

    State(tx, clock)   of the locked clock row
    prefetch(wants)    everything the batch will ask about, a statement a level
    mark(), undo()     around each operation: a refusal leaves no trace
    flush()            writes it all with a few array statements

What belongs here: the frame and the counters; the tree of names is in `tree`, leaves and chunks in
`content`, writing in `flushing`. What does not: decisions (`ops`), COMMIT (`driver`). Used by one
thread and not longer than its tx.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cairnfs.errors import SessionEnded
from cairnfs.ids import CommitNumber, InodeId, Path, RequestId, SessionId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock as clock_rows
from cairnfs.metadata.rows import replies, sessions
from cairnfs.metadata.rows.clock import COUNTERS, ClockRow
from cairnfs.metadata.rows.grants import Grant
from cairnfs.metadata.rows.replies import ReplyKey, StoredReply
from cairnfs.metadata.rows.sessions import Session
from cairnfs.metadata.state import flushing
from cairnfs.metadata.state.content import Content
from cairnfs.metadata.state.journal import Journal, Mark
from cairnfs.metadata.state.locks import Locks
from cairnfs.metadata.state.placement import Places, PlacesCache
from cairnfs.metadata.state.placement import load as load_places
from cairnfs.metadata.state.tree import Stamp, Tree
from cairnfs.metadata.state.wants import Want, WantChunks, WantEmpty, WantSession, WantVersion
from cairnfs.metadata.state.xattrs import XattrSets
from cairnfs.metadata.view import DIRECTORY, FILE

__all__ = [
    "CommitRow", "Mark", "Stamp", "State", "Want", "WantChunks", "WantEmpty", "WantSession", "WantVersion"
]  # fmt: skip

CommitRow = flushing.CommitRow


class State:
    """See the module. `clock` is the row as it was locked; what it becomes is in `counters`."""

    __slots__ = (
        "_cache",
        "_places",
        "_replies",
        "_sessions",
        "clock",
        "commits",
        "content",
        "counters",
        "granted",
        "journal",
        "locks",
        "new_replies",
        "now_us",
        "people",
        "tree",
        "tx",
        "xattrs",
    )

    def __init__(self, tx: Tx, clock: ClockRow, cache: PlacesCache | None = None) -> None:
        """`tx` has locked `clock` and changed nothing since. `cache` is the writer's own."""
        self.tx = tx
        self.clock = clock
        self.now_us = tx.now_us()
        self.journal = Journal()
        self.counters: dict[str, int] = {name: getattr(clock, name) for name in COUNTERS}
        self.locks = Locks(tx, self.counters)
        self.granted: list[Grant] = []
        self.commits: dict[CommitNumber, CommitRow] = {}
        self.new_replies: dict[tuple[UserId, RequestId], StoredReply] = {}
        self.tree = Tree(tx, self.journal)
        self.content = Content(tx, self.journal)
        self.xattrs = XattrSets(tx)
        self.people = People(tx, clock)
        self._replies: dict[tuple[UserId, RequestId], StoredReply | None] = {}
        self._sessions: dict[SessionId, Session | None] = {}
        self._cache = cache or PlacesCache()
        self._places: Places | None = None

    def prefetch(self, wants: Iterable[Want]) -> None:
        """Load what these wants name: a few statements however many they are."""
        paths: list[Path] = []
        empty: list[Path] = []
        files: list[Path] = []
        whole: list[Path] = []
        live: list[SessionId] = []
        for want in wants:
            if isinstance(want, bytes):
                paths.append(want)
            elif isinstance(want, WantSession):
                live.append(want.session)
            elif isinstance(want, WantEmpty):
                empty.append(want.path)
            elif isinstance(want, WantVersion):
                whole.append(want.path)
            else:
                files.append(want.path)
        self.tree.view.prefetch([*paths, *empty, *files, *whole])
        self.tree.look_inside(self._inodes(empty, DIRECTORY))
        if self.tree.view.linked:
            self.tree.names.look_around(self._linked([*paths, *empty, *files, *whole]))
        self._load_versions(whole)
        self.content.load_chunks(self.tree, self._inodes(files, FILE))
        self._load_sessions(live)

    def mark(self) -> Mark:
        """A place to go back to with `undo`."""
        return self.journal.mark()

    def undo(self, mark: Mark) -> None:
        """Take back every change since `mark`; what was loaded stays."""
        if self.journal.undo(mark):
            self.tree.view.forget_ways()

    def take(self, counter: str) -> int:
        """The next value of a counter that names the next free id (`next_inode`...)."""
        value = self.counters[counter]
        self.journal.put(self.counters, counter, value + 1)
        return value

    def raise_counter(self, counter: str) -> int:
        """One more than the counter of what was given last (`fence`, `map_version`)."""
        value = self.counters[counter] + 1
        self.journal.put(self.counters, counter, value)
        return value

    def grant(self, lock: int, session: SessionId) -> int:
        """A lock is granted: its fence. What was granted is told once the tx has committed."""
        fence = self.raise_counter("fence")
        self.granted.append(Grant(lock, session, fence))
        return fence

    def now(self) -> ClockRow:
        """The clock row as it would be written now."""
        changed: dict[str, Any] = dict(self.counters)
        return replace(self.clock, **changed)

    def next_inode(self) -> InodeId:
        """An inode number that was never used."""
        return InodeId(self.take("next_inode"))

    def begin_commit(self, user: UserId, operations: int, message: str) -> Stamp:
        """Take the next commit number; its time is now, or just after the previous commit's."""
        self.tree.commit_done()  # the one before, if there was one
        number = CommitNumber(self.raise_counter("commit_number"))
        at_us = max(self.now_us, self.counters["commit_at_us"] + 1)
        self.journal.put(self.counters, "commit_at_us", at_us)
        self.journal.put(self.commits, number, CommitRow(number, at_us, user, operations, message))
        return Stamp(number, at_us, self.clock.incarnation)

    def reply(self, user: UserId, request: RequestId) -> StoredReply | None:
        """The answer recorded for a request, in the database or in this batch."""
        key = (user, request)
        if key not in self._replies:
            self.load_replies([key])
        return self._replies[key]

    def load_replies(self, keys: Iterable[tuple[UserId, RequestId]]) -> None:
        """Load the answers recorded for these requests, in one statement."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._replies]
        self._replies.update(dict.fromkeys(missing))
        self._replies.update({one[:2]: one for one in replies.find(self.tx, missing)})

    def answer(self, key: ReplyKey, outcome: str, answer: bytes) -> None:
        """Record the first answer of a request."""
        one = StoredReply(key.user_id, key.request_id, key.body_hash, outcome, answer, self.now_us)
        self.journal.put(self._replies, one[:2], one)
        self.journal.put(self.new_replies, one[:2], one)

    def change_people(self) -> None:
        """Users or user groups are changed in this tx: look again from here on."""
        version = self.raise_counter("people_version")
        self.people = People(self.tx, self.clock, version=version)

    def session(self, session: SessionId, user: UserId) -> Session:
        """A live session of this user. Raises SessionEnded."""
        if session not in self._sessions:
            self._load_sessions([session])
        found = self._sessions[session]
        if found is None or found.user_id != user:
            raise SessionEnded(f"the session {session[:40]} is not alive")
        return found

    def forget_session(self, session: SessionId) -> None:
        """The session ended, or began, in this tx: look again when it is asked about."""
        self._sessions.pop(session, None)

    def places(self) -> Places:
        """Members of groups and boots of fileservers."""
        if self._places is None:
            unchanged = self.counters["map_version"] == self.clock.map_version
            self._places = self._cache.at(self.tx, self.clock) if unchanged else load_places(self.tx)
        return self._places

    def change_map(self) -> int:
        """The map was changed in this tx: give its new version, and look again when asked."""
        self._places = None
        self.content.forget_dirty()
        return self.raise_counter("map_version")

    def stay(self) -> None:
        """Let the database know that this tx is at work: one that says nothing for long is thrown out."""
        clock_rows.stay(self.tx)

    def flush(self) -> None:
        """Write everything. What comes after cannot undo it; a second flush writes what is new."""
        self.tree.commit_done()
        flushing.flush(self)

    def _inodes(self, paths: list[Path], kind: str) -> list[InodeId]:
        found = self.tree.view.all_known(paths)
        return [dentry.inode for dentry in found if dentry.kind == kind]

    def _linked(self, paths: list[Path]) -> list[InodeId]:
        """What has, or had, several names."""
        found = self.tree.view.all_known(paths)
        return [one.inode for one in found if one.traced and one.kind != DIRECTORY]

    def _load_versions(self, paths: list[Path]) -> None:
        """Load manifests and extended attributes of what these paths lead to."""
        found = list(self.tree.view.all_known(paths))
        self.content.load_manifests(self.tree, [one.inode for one in found if one.kind == FILE])
        self.xattrs.load(self.tree.view.version(one.inode).xattrs for one in found)

    def _load_sessions(self, wanted: list[SessionId]) -> None:
        missing = [one for one in dict.fromkeys(wanted) if one not in self._sessions]
        self._sessions.update(dict.fromkeys(missing))
        self._sessions.update(sessions.find(self.tx, missing))
