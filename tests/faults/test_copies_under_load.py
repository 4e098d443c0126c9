"""A large tree is copied while others go on, and while the control plane dies: whole, or not there at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.clock import SystemClock
from cairnfs.control.transactions.copies import CopyRoutes
from cairnfs.errors import NotFound
from cairnfs.metadata.ops.detached import AbandonTrees, abandoned
from cairnfs.metadata.ops.reap import Reap
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire import endpoints
from cairnfs.wire.commits import Write

FILES, COPIES = 1_000, 30


@pytest.fixture(params=["sqlite", "postgresql"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster, verified when the test is over."""
    sqlite = request.param == "sqlite"
    where = str(tmp_path / "cairn.sqlite") if sqlite else request.getfixturevalue("postgres_dsn")
    async with cluster(fileservers=3, database=where) as made:
        yield made
        admin = await made.admin()
        assert (await admin.ask(endpoints.VERIFY_DATABASE, timeout_s=120)).findings == []


async def planted(files: Filesystem) -> None:
    """A tree of 30,000 files below /t, made of copies of one directory."""
    await files.mkdir("/t")
    await files.write_file("/base/full", b"some bytes", parents=True)
    empty = [Write(path=f"/base/{number}", chunks=[], size=0, parents=True) for number in range(FILES)]
    await commit(files.connection.control, empty)
    for number in range(COPIES):
        await files.copy_tree("/base", f"/t/{number}")


async def test_others_commit_while_a_large_tree_is_copied(here: Cluster) -> None:
    files, other = await here.admin(), await here.user("ann")
    await planted(files)
    clock, waits = SystemClock(), list[float]()
    began_all = clock.monotonic()
    copying = asyncio.create_task(files.copy_tree("/t", "/copy"))
    while not copying.done():
        began = clock.monotonic()
        await other.mkdir(f"/home/ann/{len(waits)}")
        waits.append(clock.monotonic() - began)
    copied = copying.result()
    assert (copied.files, copied.directories) == ((FILES + 1) * COPIES, COPIES + 1)
    assert await files.read_file(f"/copy/{COPIES - 1}/full") == b"some bytes"
    # One commit, and the others' between its reading and its own.
    assert copied.commit - copied.read_at <= len(waits) + 1
    took_s = clock.monotonic() - began_all
    longest_ms, usual_ms = max(waits) * 1000, sorted(waits)[len(waits) // 2] * 1000
    print(
        f"copied in {took_s:.1f} s; {len(waits)} commits of another meanwhile,"
        f" half of them within {usual_ms:.0f} ms, the longest {longest_ms:.0f} ms"
    )


async def test_a_control_plane_that_dies_between_pages_leaves_nothing_to_see(
    here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = await here.admin()
    empty = [Write(path=f"/t/{number}", chunks=[], size=0, parents=True) for number in range(FILES)]
    await commit(files.connection.control, empty)
    submit, submitted, stuck = CopyRoutes._fill, asyncio.Event(), asyncio.Event()

    async def dying(routes: CopyRoutes, *args: object) -> object:
        """Writes its first page, and never goes on."""
        driver, pages = routes._driver, 0
        before = driver.submit

        async def once(operation: object) -> object:
            nonlocal pages
            pages += 1
            if pages > 1:
                submitted.set()
                await stuck.wait()
            return await before(operation)  # type: ignore[arg-type]

        monkeypatch.setattr(driver, "submit", once)
        return await submit(routes, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patches:
        patches.setattr(CopyRoutes, "_fill", dying)
        copying = asyncio.create_task(files.copy_tree("/t", "/copy"))
        await submitted.wait()
        monkeypatch.undo()
        await here.stop_control()
    await here.start_control()
    # The client asks again under the same id; the new process knows nothing of the copy and begins anew.
    copied = await copying
    assert copied.files == FILES
    with pytest.raises(NotFound):
        await files.stat("/copy", at=copied.commit - 1)
    driver, clock = here.control.driver, SystemClock()
    later_us = clock.now_us() + 25 * 3600 * 1_000_000
    assert len(await driver.read(lambda tx: abandoned(tx, later_us, 10))) == 1
    for bound in ("ABANDONED_US", "ABANDONED_ANYWAY_US"):
        monkeypatch.setattr(f"cairnfs.metadata.ops.detached.{bound}", -1)
    deadline = clock.monotonic() + 60
    assert await driver.submit(AbandonTrees(deadline=deadline)) == 1
    while await driver.submit(Reap(deadline=deadline)):
        pass
