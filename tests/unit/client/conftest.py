"""A fake cluster and a client of it, ended after each test."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.control import Control
from cairnfs.client.filesystem import Filesystem
from cairnfs.testing.cluster import Cluster
from cairnfs.testing.cluster import cluster as real_cluster
from tests.unit.client.fake_cluster import FakeCluster

#: Where the tree of `source` is.
TREE = "/home/ann/t"
MakeFilesystem = Callable[..., Filesystem]


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """Three fileservers, three copies."""
    fake = FakeCluster()
    yield fake
    fake.stop.set()
    await fake.transport.close()


@pytest.fixture
async def connect(cluster: FakeCluster) -> AsyncIterator[MakeFilesystem]:
    """Makes clients of the cluster; options as for `FakeCluster.filesystem`."""
    made: list[Filesystem] = []

    def make(**options: Any) -> Filesystem:
        made.append(cluster.filesystem(**options))
        return made[-1]

    yield make
    cluster.stop.set()
    for filesystem in made:
        await filesystem.close()


@pytest.fixture
def files(connect: MakeFilesystem) -> Filesystem:
    """One client."""
    return connect()


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """A real cluster in this process, and a place of its own for the record."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with real_cluster(fileservers=2, copies=2) as made:
        yield made


@pytest.fixture
async def ann(here: Cluster) -> Filesystem:
    """A user of it."""
    return await here.user("ann")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often which endpoint of the control plane was asked."""
    counted: Counter[str] = Counter()
    honest = Control.ask

    async def ask(control: Control, endpoint: Any, *rest: Any, **options: Any) -> Any:
        counted[endpoint.name] += 1
        return await honest(control, endpoint, *rest, **options)

    monkeypatch.setattr(Control, "ask", ask)
    return counted


@pytest.fixture
async def source(ann: Filesystem, tmp_path: Path, seed: int) -> Path:
    """A local tree that is at TREE too."""
    dice = random.Random(seed)
    root = tmp_path / "source"
    for number in range(40):
        place = root / f"d{number % 4}" / f"f{number:02}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(dice.randbytes(dice.choice([0, 1, 500, 5000])) + b"%d" % number)
    (root / "d1" / "run").write_bytes(b"#!")
    (root / "d1" / "run").chmod(0o755)
    (root / "link").symlink_to("d1/run")
    (root / "empty").mkdir()
    await ann.put_tree(root, TREE)
    return root


def held(root: Path) -> dict[str, object]:
    """What is below a directory: kinds, content, where symlinks lead."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = os.fsencode(path.relative_to(root)).decode(errors="backslashreplace")
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found
