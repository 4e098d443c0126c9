"""What clients guess that directories ask for, and how they find out that they were wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.naming import as_path
from cairnfs.client.policies import Policies
from cairnfs.client.singles import SINGLE_BYTES
from cairnfs.client.transfer import Beat
from cairnfs.errors import NotDurable
from cairnfs.ids import Path
from cairnfs.wire.chunks import DURABILITY_HEADER
from cairnfs.wire.directory import Entry, StatReply, StatRequest, StatResult
from tests.unit.client.fake_cluster import FakeCluster


class _Control:
    """Answers stat from a dictionary of policies; None is a symlink."""

    def __init__(self, said: dict[bytes, str | None]) -> None:
        self.said = said

    async def ask(self, endpoint: Any, request: StatRequest) -> StatReply:
        results = [StatResult(entry=entry(self.said.get(one.raw(), ""))) for one in request.paths]
        return StatReply(commit=1, incarnation=1, results=results)


def entry(policy: str | None) -> Entry:
    return Entry(
        name="",
        kind="symlink" if policy is None else "directory",
        inode=1,
        etag="1.1.1",
        commit=1,
        size=0,
        mode=0,
        owner="",
        group="",
        mtime_us=0,
        policy=policy or None,
    )


def policies(said: dict[bytes, str | None] | None = None) -> Policies:
    return Policies(_Control(said or {}))  # type: ignore[arg-type]


def test_the_nearest_directory_that_says_anything_counts() -> None:
    known = policies()
    known.see(as_path("/"), entry("all"))
    known.see(as_path("/a/b"), entry("async"))
    known.see(as_path("/a"), entry(""))
    assert known.guess(as_path("/x"), None) == "all"
    assert known.guess(as_path("/a/x"), None) == "all"
    assert known.guess(as_path("/a/b/c/x"), None) == "async"
    assert known.guess(as_path("/a/b/x"), "majority") == "majority"
    assert known.guess(as_path("/x"), "async") == "all"
    known.see(as_path("/"), entry(""))
    assert known.guess(as_path("/x"), None) == "majority"


async def test_what_is_not_known_is_asked_for() -> None:
    known = policies({b"/": "", b"/a": "all", b"/link": None})
    await known.learn(as_path("/a/b/c"))
    assert known.guess(as_path("/a/b/x"), None) == "all"
    await known.learn(as_path("/link/x"))
    assert known.guess(as_path("/link/x"), None) == "majority"
    await known.learn(as_path("/link/x"), refused=True)
    assert known.guess(as_path("/link/x"), None) == "all"
    await known.learn(as_path("/"))


def test_memory_has_an_end() -> None:
    known = policies()
    for number in range(3000):
        known.note(Path(b"/%d" % number), "all")
    assert known.guess(as_path("/0/x"), None) == "majority"
    assert known.guess(as_path("/2999/x"), None) == "all"


@pytest.mark.parametrize("size", [SINGLE_BYTES, SINGLE_BYTES + 1])
async def test_a_refusal_teaches(
    cluster: FakeCluster, files: Filesystem, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    asked: list[str] = []
    put = files.connection.plane.put

    def asking(address: str, batch: Any, headers: Mapping[str, str], beat: Beat) -> Any:
        asked.append(headers[DURABILITY_HEADER])
        return put(address, batch, headers, beat)

    monkeypatch.setattr(files.connection.plane, "put", asking)
    learn = files.connection.policies.learn

    async def learnt(path: Path, *, refused: bool = False) -> None:
        await learn(path, refused=refused)
        files.connection.policies.note(as_path("/"), "all")

    monkeypatch.setattr(files.connection.policies, "learn", learnt)
    cluster.refusals.append(NotDurable("its directory asks for all"))
    await files.write_file("/f", bytes(size))
    assert asked == ["majority", "all"]


async def test_what_comes_once_is_not_sent_on_a_guess(cluster: FakeCluster, files: Filesystem) -> None:
    await files.write_file("/short", iter([b"x"]))
    assert cluster.calls["stat"] == 0
    await files.write_file("/long", iter([bytes(1024 * 1024)] * 5))
    assert cluster.calls["stat"] == 1
