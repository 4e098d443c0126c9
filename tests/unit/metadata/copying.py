"""Copying trees as the control plane does it, one step at a time, so that a test can come between."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator

from cairnfs.core.permissions import Person
from cairnfs.ids import InodeId, Path, RequestId
from cairnfs.metadata.ops import copy_tree
from cairnfs.metadata.ops.copy_tree import Asked, Begun
from cairnfs.metadata.ops.detached import AttachCopy, BeginCopy, CopyPage
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, raw, write
from cairnfs.wire.commits import Attributes, Link, MakeSymlink, SetAttributes, SetXattr
from cairnfs.wire.copies import CopyReply

#: A time that a file of the planted tree was given.
OLD_US = 1_600_000_000_123_456


def planted(ledger: Ledger) -> None:
    """A tree with one of everything below /d."""
    ledger.commit(
        mkdir("/d", mode=0o750),
        mkdir("/d/sub"),
        mkdir("/d/empty"),
        write("/d/a", b"one", mode=0o640, mtime_us=OLD_US),
        write("/d/sub/b", b"two", b"three"),
        write(b"/d/\xff not utf-8", b"one"),
        write("/d/nothing"),
        MakeSymlink(path="/d/link", target="../elsewhere"),
        Link(path="/d/a", target="/d/sub/also a"),
        SetXattr(path="/d/a", name="user.colour", value=b"red"),
        SetXattr(path="/d/a", name="trusted.secret", value=b"x"),
        SetAttributes(path="/d/sub", attributes=Attributes(mtime_us=OLD_US, mtime_sub_ns=789), policy="all"),
    )


class Copying:
    """One copy of a tree."""

    def __init__(
        self,
        ledger: Ledger,
        path: str | bytes,
        target: str | bytes,
        *,
        person: Person | None = None,
        at: int | str | None = None,
        preserve: bool = False,
        replace: bool = False,
        message: str = "",
    ) -> None:
        self.ledger = ledger
        self.person = person or ledger.admin
        when = None if at is None else str(at)
        self.asked = Asked(Path(raw(path)), when, Path(raw(target)), preserve, replace, message)
        self.request = RequestId(secrets.token_hex(16))
        self.counts: Counter[str] = Counter()
        self.pages = 0
        self.begun: Begun | None = None
        self.most_frames = 0

    def steps(self) -> Iterator[None]:
        """Begin, then write page after page, stopping after each."""
        ledger = self.ledger
        source = ledger.read(lambda tx: copy_tree.find_source(tx, self.person, self.asked))
        begun: Begun = ledger.do(BeginCopy(source, deadline=NEVER_LATE))
        self.begun = begun
        frames, linked, first = copy_tree.first_frames(begun), dict[InodeId, InodeId](), begun.next_inode
        yield
        while frames:
            page = ledger.read(
                lambda tx, f=frames, n=first: copy_tree.next_page(tx, begun, f, linked, n)  # type: ignore[misc]
            )
            first = ledger.do(CopyPage(begun, page, deadline=NEVER_LATE))
            linked.update(page.linked)
            frames = page.frames
            self.most_frames = max(self.most_frames, len(frames))
            self.counts += page.counts()
            self.pages += 1
            yield

    def attach(self) -> AttachCopy:
        """The commit."""
        assert self.begun is not None
        key = ReplyKey(self.person.user_id, self.request, b"body".ljust(32))
        return AttachCopy(self.begun, self.asked, self.counts, reply_key=key, deadline=NEVER_LATE)

    def run(self, between: Callable[[], object] = lambda: None) -> CopyReply:
        """All of it, with `between` called between the steps."""
        for _ in self.steps():
            between()
        reply = self.ledger.do(self.attach())
        assert isinstance(reply, CopyReply)
        return reply
