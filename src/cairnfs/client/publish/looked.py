"""What a look at both sides of a publish found, and what can be asked of it.

What belongs here: the changes, their plan, and which files of the remote tree have what of the new content.
What does not: looking (`look.py`), sending (`send.py`). Used from one event loop; `each` on
any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks
from cairnfs.client.local.walk import Here
from cairnfs.client.present_chunks import learn_present
from cairnfs.client.publish.compare import Change, Comparison, Counts, There
from cairnfs.client.publish.plan import PublishPlan
from cairnfs.client.record.record import Known, Pair
from cairnfs.client.record.walk_merge import Met
from cairnfs.client.results import Durability
from cairnfs.client.workers import on_disk
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import Base
from cairnfs.wire.directory import ChunkRef

#: New content up to here is sent without asking whether the tree has it: asking would take longer.
_LITTLE_BYTES = 256 * 1024
#: Long new files for which a file of the same length is looked up.
_LOOKED_UP_MAX = 64


@dataclass(slots=True)
class Looked:
    """What differs, and since when nothing may have changed there for that to be all.

    `to_send`: files with new content, and their bytes. `by_record`: nothing was asked of the remote side.
    `all_of_it`, where nothing is there: looks through the local tree, all of which is to be made.
    """

    connection: Connection
    path: Path
    since: int
    incarnation: int
    by_record: bool
    comparison: Comparison
    pair: Pair | None
    preserve: bool
    top: Here
    seen: list[tuple[bytes, list[ChunkRef]]] = field(default_factory=list)
    all_of_it: Callable[[], Iterator[Met[There]]] | None = None

    @property
    def changes(self) -> list[Change]:
        """In the order of a walk; with `all_of_it`, none of them."""
        return self.comparison.changes

    def each(self) -> Iterator[Change]:
        """The changes; with `all_of_it` as they are found, so that they are never all in memory."""
        if self.all_of_it is None:
            yield from self.changes
            return
        yield self.making_top
        self.comparison = self.comparison.begun_anew()
        for met in self.all_of_it():
            self.comparison.see(met)
            yield from self.comparison.changes
            self.comparison.changes.clear()

    @property
    def counts(self) -> Counts:
        """Names on both sides."""
        return self.comparison.counts

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done there."""
        return self.all_of_it is None and all(change.act == "row" for change in self.changes)

    @property
    def to_send(self) -> tuple[int, int]:
        """See above."""
        sizes = [
            change.here.status.st_size
            for change in self.changes
            if change.act in ("make", "write") and change.here is not None and change.here.kind == "file"
        ]
        return len(sizes), sum(sizes)

    @property
    def is_new(self) -> bool:
        """Whether nothing is there yet: the first change makes the top."""
        return self.all_of_it is not None or (bool(self.changes) and not self.changes[0].path)

    @property
    def making_top(self) -> Change:
        """What makes the directory itself, where it is not there."""
        return Change(b"", "make", self.top)

    def plan(self, durability: Durability | None, *, detached: bool = False) -> PublishPlan:
        """The operations of these changes, from the beginning; `detached`: in a tree of its own."""
        directories = dict(self.comparison.directories)
        if self.preserve:
            directories[b""] = self.top
        return PublishPlan(
            Path(b"/") if detached else self.path,
            preserve=self.preserve,
            closed=self.comparison.closed,
            directories=directories,
            durability=durability,
            final=detached,
        )

    def below(self, path: bytes) -> Path:
        """The path of something in the remote directory."""
        return Path(self.path.rstrip(b"/") + b"/" + path)

    async def chunks_there(self, at: int) -> KnownChunks:
        """Chunks that files of the remote tree have, with these as bases as of the commit `at`."""
        chunks = KnownChunks()
        if self.is_new or self.to_send[1] <= _LITTLE_BYTES:
            return chunks
        if not self.by_record:
            for path, refs in self.seen:
                chunks.learn(self._base(path, at), refs)
        elif self.pair is not None:
            long = await on_disk(self._learn_rows, self.pair.known(), chunks, at)
            for path in long[:_LOOKED_UP_MAX]:
                await learn_present(self.connection, self.below(path), chunks)
        return chunks

    def _learn_rows(self, rows: Iterable[Known], chunks: KnownChunks, at: int) -> list[bytes]:
        """Learn files of one chunk; give the long ones that are as long as a new one."""
        sizes = {
            change.here.status.st_size
            for change in self.changes
            if change.act == "make" and change.here is not None and change.here.kind == "file"
        }
        long: list[bytes] = []
        for row in rows:
            if row.kind != "file" or not row.size:
                continue
            if row.size > SINGLE_MAX_BYTES:
                if row.size in sizes:
                    long.append(row.path)
            elif not chunks.full:
                chunks.learn(self._base(row.path, at), [(row.content, row.size)])
        return long

    def _base(self, path: bytes, at: int) -> Base:
        text, base64 = names.to_text(self.below(path))
        return Base(path=text, path_b64=base64, at=at)
