"""People who hold locks: asking, giving back, and the proofs that they show."""

from __future__ import annotations

import secrets

from cairnfs.core.permissions import Person
from cairnfs.metadata.ops.locks.acquire import Acquire
from cairnfs.metadata.ops.locks.breaking import Break
from cairnfs.metadata.ops.locks.release import Release
from cairnfs.metadata.ops.locks.upgrade import Upgrade
from cairnfs.testing.ledger import NEVER_LATE, Ledger, Text, raw
from cairnfs.wire import names
from cairnfs.wire.locks import (
    AcquireRequest,
    BreakRequest,
    LockPath,
    LockProof,
    LockReply,
    LockToken,
    ReleaseRequest,
    TokenRequest,
)


class Holder:
    """One owner of one session. `proofs` are those of all that it holds."""

    def __init__(self, ledger: Ledger, person: Person | None = None) -> None:
        self.ledger = ledger
        self.person = person or ledger.admin
        self.session = ledger.begin(self.person)
        self.owner = secrets.token_hex(16)
        self.replies: dict[int, LockReply] = {}
        self._tokens: dict[int, str] = {}

    def asking(
        self,
        *paths: Text,
        shared: bool = False,
        subtree: bool = False,
        wait: bool = False,
        follow: bool = True,
        token: str | None = None,
    ) -> Acquire:
        """The operation that asks."""
        written = [names.to_text(raw(path)) for path in paths]
        request = AcquireRequest(
            request_id=secrets.token_hex(16),
            session=self.session,
            owner=self.owner,
            token=token or secrets.token_hex(16),
            paths=[LockPath(path=text, path_b64=base64) for text, base64 in written],
            mode="shared" if shared else "exclusive",
            subtree=subtree,
            follow=follow,
            wait=wait,
        )
        return Acquire(self.person, request, deadline=NEVER_LATE)

    def ask(self, *paths: Text, **how: bool) -> LockReply:
        """Ask, and wait in line where it says `wait`. Raises what refuses it."""
        token = secrets.token_hex(16)
        return self.keep(self.ledger.do(self.asking(*paths, token=token, **how)), token)

    def keep(self, reply: LockReply, token: str) -> LockReply:
        """Remember what was asked for."""
        self.replies[reply.lock] = reply
        self._tokens[reply.lock] = token
        return reply

    def lock(self, *paths: Text, **how: bool) -> LockProof:
        """Ask for what is free."""
        reply = self.ask(*paths, **how)
        assert reply.state == "held"
        return self.proof(reply.lock)

    def proof(self, lock: int, fence: int | None = None) -> LockProof:
        """What it shows for a lock; `fence` where it was granted later."""
        reply = self.replies[lock]
        return LockProof(
            lock=lock,
            fence=reply.fence if fence is None else fence,
            incarnation=reply.incarnation,
            token=self._tokens[lock],
        )

    def upgrade(self, lock: int) -> LockProof:
        """Make a shared one exclusive."""
        request = TokenRequest(token=self._tokens[lock])
        reply = self.ledger.do(Upgrade(self.person, lock, request, deadline=NEVER_LATE))
        return self.proof(self.keep(reply, self._tokens[lock]).lock)

    def release(self, *locks: int) -> None:
        """Give these back, or withdraw them; all, if none is named."""
        gone = locks or tuple(self.replies)
        request = ReleaseRequest(locks=[LockToken(lock=one, token=self._tokens[one]) for one in gone])
        self.ledger.do(Release(self.person, request, deadline=NEVER_LATE))
        for one in gone:
            del self.replies[one]


def break_lock(ledger: Ledger, lock: int, reason: str = "") -> None:
    """An administrator takes a lock from its holder."""
    ledger.do(Break(ledger.admin, lock, BreakRequest(reason=reason), deadline=NEVER_LATE))


def fence_of(ledger: Ledger, lock: int) -> int:
    """0 while it waits."""
    row = ledger.read(lambda tx: tx.row("SELECT fence FROM lock WHERE id = ?", lock))
    assert row is not None, f"there is no lock {lock}"
    return int(row[0])
