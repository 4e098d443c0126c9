"""A store's directory as tests handle it: opened, killed, left without power, with its index lost or old.

What belongs here: what several tests of the chunk store share. One thread.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.puts import Outcome, Put
from cairnfs.fileserver.store import Options, Store
from cairnfs.fileserver.trouble import StoreError
from cairnfs.ids import ClusterId, CommitNumber, FileserverId, Hash
from cairnfs.testing.disk import FlakyDisk

CLUSTER = ClusterId("c1")
SERVER = FileserverId(7)
#: Small, so that a few chunks fill segments and memory; no thread, so that a seed says all.
SMALL = Options(segment_bytes=8192, flush_entries=6, reserve_bytes=0, min_free_bytes=0, background=False)


def hash_of(data: bytes) -> Hash:
    """What a chunk is named."""
    return Hash(blake3(data).digest())


def put(data: bytes, begin: int = 1, *, rewrite: bool = False) -> Put:
    """A put of these bytes under their right hash."""
    return Put(hash_of(data), data, CommitNumber(begin), rewrite=rewrite)


def datum(number: int, size: int = 100) -> bytes:
    """Different bytes for each number, always the same."""
    return random.Random(number).randbytes(size)


def stored(store: Store, *data: bytes, begin: int = 1) -> list[Outcome]:
    """Put these in one batch; every one must be taken."""
    outcomes = store.put_many([put(one, begin) for one in data])
    for outcome in outcomes:
        assert isinstance(outcome, Outcome), outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, StoreError)]


def begins(store: Store) -> dict[Hash, int]:
    """Every chunk in the inventory with its begin number, page by page."""
    found: dict[Hash, int] = {}
    low: bytes | None = bytes(32)
    while low is not None:
        page = store.inventory(low, None, 3)
        found.update({held.hash: held.begin for held in page.chunks})
        low = page.next
    return found


@dataclass
class Shelf:
    """A directory and the store that is open on it, if one is."""

    path: Path
    options: Options = SMALL
    disk: FlakyDisk = field(default_factory=FlakyDisk)
    store: Store | None = None

    def __post_init__(self) -> None:
        claim(self.path, CLUSTER, SERVER)

    def open(self) -> Store:
        """Open it, as a new process would."""
        self.store = Store.open(
            self.path, cluster_id=CLUSTER, disk=self.disk, options=self.options, now_us=lambda: 1_000_000
        )
        return self.store

    def close(self) -> None:
        """Close it properly."""
        assert self.store is not None
        self.store.close()
        self.store = None

    def die(self, *, power: bool = False) -> None:
        """The process ends between two instructions; with `power` the machine as well.

        SQLite's files keep what was written: of a power cut they would keep an older state of theirs,
        which `index_back` stands for.
        """
        if self.store is not None:
            kept = self.path / "index-as-it-was"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.index, kept)
            self.store._index.abandon()  # gives the file handles back; what it writes is undone below
            shutil.rmtree(self.index)
            kept.rename(self.index)
            self.store = None
        if power:
            self.disk.cut_power()
        else:
            self.disk.kill()

    @property
    def index(self) -> Path:
        """The directory of the index."""
        return self.path / "index"

    def keep_index(self) -> None:
        """Remember the index files as they are now."""
        shutil.rmtree(self.path / "index-kept", ignore_errors=True)
        shutil.copytree(self.index, self.path / "index-kept")

    def index_back(self) -> None:
        """Put the remembered index files back (the store is not open)."""
        if (self.path / "index-kept").exists():
            shutil.rmtree(self.index)
            shutil.copytree(self.path / "index-kept", self.index)

    def lose_index(self) -> None:
        """Remove the index files (the store is not open)."""
        shutil.rmtree(self.index, ignore_errors=True)

    def segments(self) -> list[Path]:
        """The segment files, oldest first."""
        return sorted((self.path / "segments").glob("*.seg"))


def flip(path: Path, place: int, mask: int = 0x40) -> None:
    """Turn bits of one byte over, as a rotten medium does."""
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ mask]))
