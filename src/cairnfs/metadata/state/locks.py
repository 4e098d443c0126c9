"""What one tx knows of locks, for looking at commits: loaded for a batch, and again when locks change.

What belongs here: knowing which directories have locks around them, and the locks that commits show. What
does not: whether a commit may go on (`guard`), changing locks (`ops/locks`). Nothing is asked while no lock
is there. One tx, one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cairnfs.core.locks.request import Key
from cairnfs.core.manifest import hash_bytes
from cairnfs.core.permissions import Person
from cairnfs.errors import TooManyLocks
from cairnfs.ids import Incarnation, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import lock_keys, locks
from cairnfs.metadata.rows.lock_keys import Around, Hit
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.wire.locks import PROOFS_MAX, LockProof

_NOTHING = Around()


class Proof(NamedTuple):
    """A lock that is shown, its token as the tables have it."""

    lock: int
    fence: int
    incarnation: Incarnation
    token_hash: bytes


class Shown(NamedTuple):
    """The locks that an operation shows, and by whom. Made before the clock is taken."""

    person: Person | None = None
    proofs: tuple[Proof, ...] = ()

    @classmethod
    def of(cls, person: Person, proofs: Sequence[LockProof]) -> Shown:
        """As a request brings them. Raises TooManyLocks."""
        if len(proofs) > PROOFS_MAX:
            raise TooManyLocks(f"a commit shows at most {PROOFS_MAX} locks")
        made = (
            Proof(one.lock, one.fence, Incarnation(one.incarnation), hash_bytes(one.token.encode()))
            for one in proofs
        )
        return cls(person, tuple(made))


NONE_SHOWN = Shown()


class Locks:
    """Facts that hold until a lock is asked for, granted or gone: then they are forgotten by themselves."""

    __slots__ = ("_around", "_began", "_counters", "_first_new", "_hits", "_rows", "_seen", "_tx")

    def __init__(self, tx: Tx, counters: Mapping[str, int]) -> None:
        """`counters` are the state's, as they are now and will be."""
        self._tx = tx
        self._counters = counters
        self._first_new = counters["next_inode"]  #: inodes from here on are this tx's own
        self._began = self._seen = self._now()
        self._around: dict[InodeId, Around] = {}
        self._hits: dict[Key, list[Hit]] = {}
        self._rows: dict[int, LockRow | None] = {}

    @property
    def any(self) -> bool:
        """Whether there is any lock, or any request for one."""
        return self._counters["locks"] > 0

    def around(self, directories: Iterable[InodeId]) -> dict[InodeId, Around]:
        """What there is around these directories: one statement for those not known yet."""
        self._refresh()
        wanted = list(dict.fromkeys(directories))
        known = self._around
        missing = [one for one in wanted if one not in known]
        if missing and self._seen == self._began:
            # Nobody can have locked in this tx what was made in it.
            known.update((one, _NOTHING) for one in missing if one >= self._first_new)
            missing = [one for one in missing if one not in known]
        if missing:
            known.update(lock_keys.around(self._tx, missing))
        return {one: known[one] for one in wanted}

    def on(self, keys: Iterable[Key]) -> list[Hit]:
        """All requests that have one of these keys: one statement for those not known yet."""
        self._refresh()
        wanted = list(dict.fromkeys(keys))
        missing = [one for one in wanted if one not in self._hits]
        if missing:
            self._hits.update((one, []) for one in missing)
            for hit in lock_keys.on(self._tx, missing):
                self._hits[hit.key].append(hit)
        return [hit for one in wanted for hit in self._hits[one]]

    def rows(self, numbers: Iterable[int]) -> dict[int, LockRow | None]:
        """The locks of these numbers: one statement for those not known yet."""
        self._refresh()
        wanted = list(dict.fromkeys(numbers))
        missing = [one for one in wanted if one not in self._rows]
        if missing:
            self._rows.update(dict.fromkeys(missing))
            self._rows.update(locks.find(self._tx, missing))
        return {one: self._rows[one] for one in wanted}

    def forget(self) -> None:
        """Keys of locks were changed by what a commit did to the tree: what it made may be locked by now."""
        self._seen = self._began = (-1, -1, -1)

    def _refresh(self) -> None:
        now = self._now()
        if now != self._seen:
            self._seen = now
            self._around.clear()
            self._hits.clear()
            self._rows.clear()

    def _now(self) -> tuple[int, int, int]:
        """Other whenever locks are: requests raise the first, grants the second, and ends lower the third."""
        counters = self._counters
        return counters["next_lock"], counters["fence"], counters["locks"]
