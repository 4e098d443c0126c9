"""Publishing: a remote directory becomes exactly what a local one is, in one commit.

The commit carries the expectation that nothing at or below the remote directory has changed since it was
known: by the local record (then nothing of it is asked for), or by walking through it. Where that does not
hold, it is looked at again, and all is decided anew. What belongs here: these rounds, what is refused before
anything is sent, the record afterwards. What does not: looking (`look.py`), comparing
(`compare.py`), sending (`send.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

from cairnfs.client import history
from cairnfs.client.connection import Connection
from cairnfs.client.get.recording import record_of
from cairnfs.client.local.files import LocalPath, look
from cairnfs.client.progress import Meter
from cairnfs.client.publish.look import Looking
from cairnfs.client.publish.looked import Looked
from cairnfs.client.publish.reading import Shifted
from cairnfs.client.publish.rows import MadeRows, actions_of, rows_after
from cairnfs.client.publish.send import Sending
from cairnfs.client.put.reading import count
from cairnfs.client.record.record import Pair, Torn
from cairnfs.client.resolving import Resolved, resolve
from cairnfs.client.results import ACTIONS_MAX, Action, Durability, OnProgress, Published
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.errors import (
    BeforeHorizon,
    Busy,
    CairnError,
    Conflict,
    IncarnationChanged,
    Missing,
    NotADirectory,
    NotDurable,
    RemovesMost,
    SessionEnded,
    VersionChanged,
)
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import CommitReply

#: So often is the remote directory looked at, where others change it all the time.
ROUNDS_MAX = 6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to publish, and how. `sure`: even where over half of what is there goes; `distrust`: read all."""

    local: LocalPath
    remote: Path
    message: str = ""
    dry: bool = False
    sure: bool = False
    distrust: bool = False
    preserve: bool = False
    durability: Durability | None = None


class Publish:
    """One publish."""

    def __init__(self, connection: Connection, wanted: Wanted, tell: OnProgress | None) -> None:
        self._connection = connection
        self._wanted = wanted
        self._meter = Meter(connection.clock, tell, "looking")
        self._skips = Skips()
        self._sent_bytes = 0
        self._pair: Pair | None = None

    async def run(self) -> Published:
        """Make it so. Raises RemovesMost, VersionChanged where others change it all the time, and so on."""
        wanted = self._wanted
        root = await on_disk(look, wanted.local)
        if not root.directory:
            raise NotADirectory("local: it is no directory", path=names.printable(root.path))
        resolved = await self._resolve()
        record = await record_of(self._connection)
        try:
            if record is not None:
                self._pair = await on_disk(record.pair, wanted.local, resolved.path)
            return await self._rounds(resolved)
        finally:
            if record is not None:
                await on_disk(record.close)

    async def _resolve(self) -> Resolved:
        resolved = await resolve(self._connection, self._wanted.remote)
        if resolved.entry is not None and resolved.entry.kind != "directory":
            raise NotADirectory("it is no directory", path=names.printable(resolved.path))
        return resolved

    async def _rounds(self, resolved: Resolved) -> Published:
        trusts = True
        for made in range(1, ROUNDS_MAX + 1):
            self._skips = Skips()
            try:
                looked = await self._look(resolved, trusts=trusts)
                return await self._settle(looked, made)
            except Torn:
                trusts = False
                if self._pair is not None:
                    await on_disk(self._pair.forget)
            except Shifted as shifted:
                if made == ROUNDS_MAX:
                    raise Busy("local: what is in it changes all the time") from shifted
            except (VersionChanged, BeforeHorizon, IncarnationChanged, SessionEnded) as error:
                if made == ROUNDS_MAX:
                    raise _in_vain(error, made) from error
                trusts = False
            except (Conflict, Missing) as error:
                # What the operations met may be what others did; the next look tells.
                if made == ROUNDS_MAX or isinstance(error, NotDurable | RemovesMost | NotADirectory):
                    raise
                if not trusts and not isinstance(error, Missing):
                    raise
                trusts = False
            resolved = await self._resolve()
        raise AssertionError("counted to the end")

    async def _look(self, resolved: Resolved, *, trusts: bool) -> Looked:
        self._meter.enter("looking")
        looking = Looking(
            self._connection, self._wanted.local, resolved, self._pair, self._skips, self._meter
        )
        return await looking.run(
            trusts=trusts,
            preserve=self._wanted.preserve,
            distrust=self._wanted.distrust,
            whole=self._wanted.dry,
        )

    async def _settle(self, looked: Looked, made: int) -> Published:
        """Refuse it, tell it, find it done already, or do it."""
        counts = looked.counts
        if counts.removed * 2 > counts.there and not self._wanted.sure and not self._wanted.dry:
            raise RemovesMost(
                f"{counts.removed} of the {counts.there} names there would go",
                path=names.printable(looked.path),
            )
        if self._wanted.dry:
            return await self._told(looked, None, made)
        if looked.idle:
            if looked.by_record and await self._changed_since(looked):
                raise VersionChanged("it has changed since")
            await self._remember(looked, looked.since)
            return await self._told(looked, None, made)
        reply = await self._send(looked)
        await self._remember(looked, reply.commit)
        return await self._told(looked, reply, made)

    async def _changed_since(self, looked: Looked) -> bool:
        """Whether anything there differs from what the record says, though nothing does here."""
        async with aclosing(history.diff(self._connection, looked.since, None, looked.path)) as found:
            async for _ in found:
                return True
        return False

    async def _send(self, looked: Looked) -> CommitReply:
        wanted, meter = self._wanted, self._meter
        meter.enter("sending")
        sending = Sending(self._connection, looked, meter, wanted.durability, wanted.message)
        counting: asyncio.Task[None] | None = None
        if looked.all_of_it is None:
            meter.files_total, meter.bytes_total = looked.to_send
        else:
            sending.begin_rows = self._begin_rows(looked)
            counting = asyncio.create_task(self._count()) if meter.listened else None
        try:
            reply = await sending.run()
        finally:
            self._sent_bytes += sending.sent_bytes
            if counting is not None:
                counting.cancel()
                await asyncio.gather(counting, return_exceptions=True)
        for place in sending.moved:
            self._skips.add(place, ["it changed while it was read: it is there as it was read"])
        return reply

    def _begin_rows(self, looked: Looked) -> Callable[[], MadeRows] | None:
        pair, clock = self._pair, self._connection.clock
        if pair is None:
            return None
        kept = self._wanted.preserve
        return lambda: MadeRows(pair, looked.incarnation, clock.now_us() * 1000, kept=kept)

    async def _count(self) -> None:
        """What there is to do, for those who watch."""
        meter = self._meter
        meter.files_total, meter.bytes_total = await on_disk(count, self._wanted.local)

    async def _remember(self, looked: Looked, commit: int) -> None:
        """Write the record; a publish that is done is done with or without it."""
        pair = self._pair
        if (
            pair is None
            or looked.all_of_it is not None
            or (looked.by_record and not looked.changes and commit == pair.commit)
        ):
            return
        now_ns = self._connection.clock.now_us() * 1000

        def write() -> None:
            with suppress(Torn), pair.writer(commit, looked.incarnation, kept=self._wanted.preserve) as rows:
                for row in rows_after(pair.known(), looked.changes, now_ns):
                    rows.add(row)

        await on_disk(write)

    async def _told(self, looked: Looked, reply: CommitReply | None, made: int) -> Published:
        actions: tuple[Action, ...] = ()
        if self._wanted.dry:
            actions = await on_disk(partial(_actions, looked, self._pair))
        self._meter.finish()
        counts = looked.counts
        return Published(
            commit=looked.since if reply is None else reply.commit,
            made=reply is not None,
            there=counts.there,
            added=counts.added,
            changed=counts.changed,
            removed=counts.removed,
            bytes=looked.to_send[1] if looked.all_of_it is None else self._meter.bytes,
            sent_bytes=self._sent_bytes,
            rounds=made,
            walked=not looked.by_record,
            dry=self._wanted.dry,
            actions=actions,
            skipped=tuple(self._skips.listed),
            skipped_count=self._skips.count,
        )


def _actions(looked: Looked, pair: Pair | None) -> tuple[Action, ...]:
    try:
        actions = actions_of(looked.changes, () if pair is None else pair.known())
        return tuple(islice(actions, ACTIONS_MAX))
    except Torn:
        return tuple(islice(actions_of(looked.changes, ()), ACTIONS_MAX))


def _in_vain(error: CairnError, rounds: int) -> CairnError:
    error.detail = f"others change it all the time: looked at {rounds} times, {error.detail}"
    error.hint = "wait until they are done, and try again"
    return error
