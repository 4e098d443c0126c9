"""A directory belongs to one fileserver of one cluster, and to one process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cairnfs.fileserver.disk import RealDisk
from cairnfs.fileserver.identity import IDENTITY, Openings, claim, lock, read_identity
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.trouble import ForeignDirectory, NotClaimed, StoreLocked
from cairnfs.ids import ClusterId, FileserverId
from tests.unit.fileserver.shelves import CLUSTER, SERVER, SMALL, Shelf, stored

OTHER = ClusterId("c2")


def test_a_claimed_directory_says_whose_it_is(tmp_path: Path) -> None:
    assert read_identity(tmp_path / "d") is None
    claimed = claim(tmp_path / "d", CLUSTER, SERVER)
    assert read_identity(tmp_path / "d") == claimed
    assert claim(tmp_path / "d", CLUSTER, SERVER) == claimed
    assert (tmp_path / "d" / IDENTITY).read_text().splitlines()[1:] == [
        "format = 1",
        'cluster_id = "c1"',
        "fileserver_id = 7",
    ]


@pytest.mark.parametrize(("cluster", "server"), [(OTHER, SERVER), (CLUSTER, FileserverId(8))])
def test_nobody_else_may_claim_it(tmp_path: Path, cluster: ClusterId, server: FileserverId) -> None:
    claim(tmp_path, CLUSTER, SERVER)
    with pytest.raises(ForeignDirectory):
        claim(tmp_path, cluster, server)


def test_it_opens_for_its_own_cluster_only(shelf: Shelf) -> None:
    with pytest.raises(ForeignDirectory):
        Store.open(shelf.path, cluster_id=OTHER)
    Store.open(shelf.path, cluster_id=CLUSTER).close()
    Store.open(shelf.path).close()


def test_an_unclaimed_directory_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(NotClaimed):
        Store.open(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "format = 1", "junk", 'format = 2\ncluster_id = "c1"\nfileserver_id = 7']
)
def test_an_identity_that_cannot_be_read_or_is_of_another_format_is_refused(shelf: Shelf, text: str) -> None:
    (shelf.path / IDENTITY).write_text(text)
    for attempt in (lambda: Store.open(shelf.path), lambda: claim(shelf.path, CLUSTER, SERVER)):
        with pytest.raises(ForeignDirectory):
            attempt()


def test_without_its_identity_file_the_segments_still_know_their_owner(shelf: Shelf) -> None:
    stored(shelf.open(), b"x")
    shelf.close()
    (shelf.path / IDENTITY).unlink()
    with pytest.raises(ForeignDirectory):
        claim(shelf.path, OTHER, SERVER)
    claim(shelf.path, CLUSTER, SERVER)
    assert shelf.open().stats().chunks == 1


def test_ids_are_plain(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a cluster id"):
        claim(tmp_path, ClusterId('"\nformat = 9'), SERVER)


def test_two_stores_cannot_open_one_directory(shelf: Shelf) -> None:
    shelf.open()
    with pytest.raises(StoreLocked):
        Store.open(shelf.path, options=SMALL)
    shelf.close()
    Store.open(shelf.path, options=SMALL).close()


def test_a_refused_opening_keeps_no_lock(shelf: Shelf) -> None:
    (shelf.path / "index").write_text("a file where a directory should be")
    with pytest.raises(FileExistsError):
        shelf.open()
    (shelf.path / "index").unlink()
    shelf.open()


def test_another_process_keeps_it_locked_until_it_is_gone(shelf: Shelf) -> None:
    script = (
        "import sys; from pathlib import Path; from cairnfs.fileserver.store import Store;"
        "s = Store.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(shelf.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked):
            shelf.open()
        process.kill()
        process.wait()
    shelf.open()


def test_each_opening_that_writes_counts_one_up_durably(tmp_path: Path) -> None:
    disk = RealDisk()
    assert [Openings(tmp_path, disk).begin(0) >> 32 for _ in range(3)] == [1, 2, 3]
    assert Openings(tmp_path, disk).begin((9 << 32) + 5) >> 32 == 10
    (tmp_path / "openings").write_text("junk")
    assert Openings(tmp_path, disk).begin((10 << 32) + 1) >> 32 == 11


def test_a_lock_is_free_when_it_is_closed(tmp_path: Path) -> None:
    held = lock(tmp_path, RealDisk())
    with pytest.raises(StoreLocked):
        lock(tmp_path, RealDisk())
    held.close()
    lock(tmp_path, RealDisk()).close()
