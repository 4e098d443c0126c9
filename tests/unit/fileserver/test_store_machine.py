"""The store against a dictionary: puts, deaths, lost and rotten indexes, failing disks, rot, in any order.

The law: whatever was acknowledged can be read with the right bytes and a begin number no lower than
acknowledged, unless this very record was made rotten; and no wrong byte is ever returned. That the
machine can tell is shown with planted bugs, each of which it must find.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cairnfs.fileserver.appender import Appender, Draft
from cairnfs.fileserver.disk import Buffer, DiskFile
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.puts import Outcome
from cairnfs.fileserver.records import CHUNK, Record, parse_record
from cairnfs.fileserver.recovery import FILE
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.table import Checkpoint, Table
from cairnfs.fileserver.trouble import ChunkMissing, CorruptChunk, StoreError
from cairnfs.ids import Hash
from cairnfs.testing.disk import FlakyDisk
from tests.unit.fileserver.shelves import Shelf, begins, datum, flip, hash_of, put

pytestmark = pytest.mark.loud

#: The flaky disk decides what is durable, so memory will do where there is such a place.
MEMORY = Path("/dev/shm")

NUMBERS = st.integers(0, 14)
BATCH = st.lists(st.tuples(NUMBERS, st.integers(1, 30), st.booleans()), min_size=1, max_size=5)
FAULTS = st.sampled_from(["EIO at write", "short write", "EIO at fsync", "ENOSPC at fsync", "full", "dies"])
INDEX_FATE = st.sampled_from(["kept", "kept", "old", "lost", "rotten"])


def content(number: int) -> bytes:
    """Of many sizes, from one byte to several blocks."""
    return datum(number, (1, 31, 32, 33, 500, 1300, 2500)[number % 7])


class StoreMachine(RuleBasedStateMachine):
    """One directory through many processes."""

    plant: Callable[[FlakyDisk], None] = staticmethod(lambda disk: None)

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="cairn-machine-", dir=MEMORY if MEMORY.is_dir() else None))
        self.acknowledged: dict[int, int] = {}
        self.doubtful: set[int] = set()
        self.shelf = Shelf(self.path / "fileserver", disk=FlakyDisk(seed=len(self.acknowledged)))
        self.plant(self.shelf.disk)
        self.shelf.open()
        self.dead = False

    @property
    def store(self) -> Store:
        assert self.shelf.store is not None
        return self.shelf.store

    def teardown(self) -> None:
        self.shelf.die()
        shutil.rmtree(self.path)

    @rule(batch=BATCH)
    def puts(self, batch: list[tuple[int, int, bool]]) -> None:
        outcomes = self.store.put_many([put(content(n), begin, rewrite=again) for n, begin, again in batch])
        assert all(isinstance(outcome, Outcome) for outcome in outcomes)
        self._acknowledge(batch)

    @rule(batch=BATCH, fault=FAULTS, keep=st.integers(0, 3000), after=st.integers(0, 4), power=st.booleans())
    def puts_on_a_failing_disk(
        self, batch: list[tuple[int, int, bool]], fault: str, keep: int, after: int, power: bool
    ) -> None:
        disk = self.shelf.disk
        match fault:
            case "EIO at write":
                disk.fail_write(keep_bytes=keep)
            case "short write":
                disk.short_write(keep_bytes=keep)
            case "EIO at fsync":
                disk.fail_sync()
            case "ENOSPC at fsync":
                disk.fail_sync(number=28)
            case "full":
                disk.fill_up(keep)
            case "dies":
                disk.die_in(after)
        try:
            self.store.put_many([put(content(n), begin, rewrite=again) for n, begin, again in batch])
        except StoreError:
            pass
        else:
            self._acknowledge(batch)
        disk.make_room()
        disk.forget_plans()
        if fault == "dies":
            self._reopen(power=power, fate="kept")

    def _acknowledge(self, batch: list[tuple[int, int, bool]]) -> None:
        for number, begin, _ in batch:
            self.acknowledged[number] = max(begin, self.acknowledged.get(number, 0))

    @rule()
    def flushes(self) -> None:
        self.store.flush()

    @rule()
    def remembers_the_index(self) -> None:
        self.shelf.keep_index()

    @rule(fate=INDEX_FATE, place=st.integers(0, 1 << 20))
    def closes_and_opens(self, fate: str, place: int) -> None:
        self.shelf.close()
        self._spoil(fate, place)
        self.shelf.open()

    @rule(power=st.booleans(), fate=INDEX_FATE, place=st.integers(0, 1 << 20))
    def dies_and_opens(self, power: bool, fate: str, place: int) -> None:
        self._reopen(power=power, fate=fate, place=place)

    def _reopen(self, *, power: bool, fate: str, place: int = 0) -> None:
        self.shelf.die(power=power)
        self._spoil(fate, place)
        self.shelf.open()

    def _spoil(self, fate: str, place: int) -> None:
        match fate:
            case "old":
                self.shelf.index_back()
            case "lost":
                self.shelf.lose_index()
            case "rotten":
                file = self.shelf.index / FILE
                flip(file, place % file.stat().st_size)

    @rule(number=NUMBERS, place=st.integers(0, 5000), mask=st.integers(1, 255))
    def rots(self, number: int, place: int, mask: int) -> None:
        entry = self.store._index.find(hash_of(content(number)))
        if entry is not None and entry.good:
            path = self.store._segments.path(entry.segment)
            flip(path, entry.offset + place % (96 + entry.length), mask)
            self.doubtful.add(number)
            self.acknowledged[number] = 0  # its begin number may have been in that record alone

    @rule(number=NUMBERS)
    def gets(self, number: int) -> None:
        self._get(number)

    @rule()
    def scans(self) -> None:
        for progress in self.store.scan(deep=True):
            assert progress.index_damage == ""
        listed = begins(self.store)
        for number in self.doubtful:
            if hash_of(content(number)) in listed:
                assert self.store.get(hash_of(content(number))) == content(number)

    def _get(self, number: int) -> None:
        try:
            data = self.store.get(hash_of(content(number)))
        except CorruptChunk:
            assert number in self.doubtful, f"chunk {number} is corrupt though nobody touched it"
        except ChunkMissing:
            assert number not in self.acknowledged or number in self.doubtful, f"chunk {number} is lost"
        else:
            assert data == content(number), f"chunk {number} came with wrong bytes"

    @rule(number=NUMBERS, begin=st.integers(1, 30))
    def mends(self, number: int, begin: int) -> None:
        self.store.put_many([put(content(number), begin, rewrite=True)])
        self._acknowledge([(number, begin, True)])
        self.doubtful.discard(number)

    @invariant()
    def everything_acknowledged_is_there(self) -> None:
        listed = begins(self.store)
        for number, begin in self.acknowledged.items():
            if number not in self.doubtful:
                chunk = hash_of(content(number))
                assert self.store.get(chunk) == content(number)
                assert listed.get(chunk, 0) >= begin, f"the begin number of chunk {number} fell"

    @invariant()
    def nothing_listed_is_wrong(self) -> None:
        names = {hash_of(content(number)): number for number in range(15)}
        for chunk in begins(self.store):
            assert chunk in names
            self._get(names[chunk])


def run(machine: type[StoreMachine], examples: int, *, planted: bool = False) -> None:
    phases = (Phase.generate,) if planted else tuple(Phase)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            phases=phases,
            derandomize=planted,
            database=None,
            report_multiple_bugs=False,
        ),
    )


def test_the_store_keeps_its_word() -> None:
    run(StoreMachine, 60)


# -- planted bugs: the machine must find each ----------------------------------------------------


@contextmanager
def acknowledges_before_the_fsync(patch: pytest.MonkeyPatch) -> Iterator[None]:
    def plant(disk: FlakyDisk) -> None:
        disk.lies_about_sync = True

    patch.setattr(StoreMachine, "plant", staticmethod(plant))
    yield


@contextmanager
def acknowledges_a_failed_write(patch: pytest.MonkeyPatch) -> Iterator[None]:
    write = Appender._write

    def careless(self: Appender, file: DiskFile, buffers: list[Buffer], start: int, end: int) -> None:
        try:
            write(self, file, buffers, start, end)
        except OSError:
            return

    patch.setattr(Appender, "_write", careless)
    yield


@contextmanager
def forgets_to_write_touches(patch: pytest.MonkeyPatch) -> Iterator[None]:
    write = Store._write

    def lazy(self: Store, drafts: Iterable[Draft], known: object) -> None:
        write(self, [draft for draft in drafts if draft.kind == CHUNK], known)  # type: ignore[arg-type]

    patch.setattr(Store, "_write", lazy)
    yield


@contextmanager
def serves_without_looking(patch: pytest.MonkeyPatch) -> Iterator[None]:
    def blind(self: Store, chunk: Hash, entry: object, *, verify: bool) -> bytes:
        return self._segments.read(chunk, entry)[0]  # type: ignore[arg-type]

    patch.setattr(Store, "_read", blind)
    yield


@contextmanager
def checkpoints_what_it_did_not_write(patch: pytest.MonkeyPatch) -> Iterator[None]:
    write = Table.write

    def hasty(self: Table, rows: dict[bytes, bytes], checkpoint: Checkpoint, release: object = None) -> None:
        some = dict(list(rows.items())[1:])
        write(self, some, checkpoint, release)  # type: ignore[arg-type]

    patch.setattr(Table, "write", hasty)
    yield


@contextmanager
def takes_the_newest_begin_for_the_highest(patch: pytest.MonkeyPatch) -> Iterator[None]:
    apply = Index.apply

    def newest(self: Index, changes: dict[bytes, object], *rest: object, **named: object) -> None:
        lowered = {chunk: entry._replace(begin=1) for chunk, entry in changes.items()}  # type: ignore[attr-defined]
        apply(self, lowered, *rest, **named)  # type: ignore[arg-type]

    patch.setattr(Index, "apply", newest)
    yield


@contextmanager
def steps_too_far_after_a_record(patch: pytest.MonkeyPatch) -> Iterator[None]:
    def longer(data: bytes, at: int, offset: int, nonce: int | None) -> Record | None:
        record = parse_record(data, at, offset, nonce)
        return record and record._replace(length=record.length + 64)

    patch.setattr("cairnfs.fileserver.walk.parse_record", longer)
    yield


BUGS = [
    acknowledges_before_the_fsync,
    acknowledges_a_failed_write,
    forgets_to_write_touches,
    serves_without_looking,
    checkpoints_what_it_did_not_write,
    takes_the_newest_begin_for_the_highest,
    steps_too_far_after_a_record,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with bug(monkeypatch), pytest.raises((AssertionError, StoreError)):  # type: ignore[attr-defined]
        run(StoreMachine, 300, planted=True)
