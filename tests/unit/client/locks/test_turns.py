"""Waiting for one's turn instead of being refused, on a whole cluster in this process."""

# ruff: noqa: PT012, ASYNC110 -- it is bodies that are tested; the cluster tells how it stands when asked

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks.asked import Asked
from cairnfs.client.locks.desk import Desk
from cairnfs.client.locks.held import Holding
from cairnfs.client.put.pages import Page, Pages
from cairnfs.errors import BadRequest, Deadlock, Locked, LockLost
from cairnfs.testing.cluster import Cluster
from cairnfs.wire import endpoints
from cairnfs.wire.commits import Attributes, MakeDirectory, SetAttributes

HOME = "/home/ann"
F, G = f"{HOME}/f", f"{HOME}/g"


@pytest.fixture
async def other(here: Cluster, ann: Filesystem) -> Filesystem:
    """Another client of Ann's, who has two files."""
    await ann.write_file(F, b"old")
    await ann.write_file(G, b"old")
    return await here.user("ann")


async def hold(files: Filesystem, path: str, begun: asyncio.Event, end: asyncio.Event, **how: bool) -> int:
    """Hold a lock until told, and change what is under it last of all. Gives its commit."""
    async with files.lock(path, **how):  # type: ignore[arg-type]
        begun.set()
        await end.wait()
        if how.get("shared"):
            return 0
        return (await files.write_file(F, b"theirs")).commit


async def waiting_for(files: Filesystem, many: int) -> None:
    """Until so many wait."""
    async with asyncio.timeout(10):
        while sum([item.state == "waiting" async for item in files.locks("/")]) < many:
            await asyncio.sleep(0.005)


async def locks_left(files: Filesystem) -> int:
    return len([item async for item in files.locks("/")])


@pytest.mark.parametrize("shared", [False, True])
async def test_it_is_refused_at_once_or_waits_and_comes_after(
    ann: Filesystem, other: Filesystem, shared: bool
) -> None:
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, F, begun, end, shared=shared))
    await begun.wait()
    with pytest.raises(Locked) as caught:
        await ann.write_file(F, b"mine")
    assert caught.value.where == F.encode()
    with ann.waiting(20):
        writer = asyncio.create_task(ann.write_file(F, b"mine"))
        await waiting_for(ann, 1)
        end.set()
        written = await writer
    assert written.commit > await holder
    assert await ann.read_file(F) == b"mine"
    assert await locks_left(ann) == 0


async def test_when_time_is_over_nothing_was_changed_and_nobody_waits(
    ann: Filesystem, other: Filesystem
) -> None:
    async with other.lock(F):
        with ann.waiting(0.1), pytest.raises(Locked, match=r"waited 0\.\d+ s in vain: ann \(.*holds it"):
            await ann.write_file(F, b"mine")
        with ann.waiting(0), pytest.raises(Locked, match="somebody else has a lock there"):
            await ann.write_file(F, b"mine")
        assert await locks_left(ann) == 1
    assert await ann.read_file(F) == b"old"


async def test_it_is_one_commit_however_long_it_waits(
    ann: Filesystem, other: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await ann.mkdir(f"{HOME}/d")).commit
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, F, begun, end, shared=True))
    await begun.wait()
    with ann.waiting(None):
        renaming = asyncio.create_task(ann.rename(F, f"{HOME}/d/f"))
        await waiting_for(ann, 1)
        end.set()
        assert (await renaming).commit == before + 1
    await holder


async def test_many_in_a_row_are_waited_for(ann: Filesystem, other: Filesystem) -> None:
    """A commit of several places, each locked by another; and a directory with locks below it."""
    paths = [f"{HOME}/d/{number}" for number in range(5)]
    for path in paths:
        await ann.write_file(path, b"x", parents=True)
    ends = [asyncio.Event() for _ in paths]
    begun = [asyncio.Event() for _ in paths]
    holders = [
        asyncio.create_task(hold(other, path, has, end, shared=True))
        for path, has, end in zip(paths, begun, ends, strict=True)
    ]
    for has in begun:
        await has.wait()
    with ann.waiting(20):
        removing = asyncio.create_task(ann.remove(f"{HOME}/d", recursive=True))
        await waiting_for(ann, 1)
        for end in ends:
            await asyncio.sleep(0.01)
            assert not removing.done()
            end.set()
        await removing
    await asyncio.gather(*holders)
    assert await locks_left(ann) == 0


async def test_it_follows_conflicts_up_to_a_limit(
    ann: Filesystem, other: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnfs.client.locks.turns.TURNS_MAX", 1)
    ends = [asyncio.Event(), asyncio.Event()]
    begun = [asyncio.Event(), asyncio.Event()]
    holders = [asyncio.create_task(hold(other, path, has, end, shared=True))
               for path, has, end in zip((F, G), begun, ends, strict=True)]  # fmt: skip
    for has in begun:
        await has.wait()
    with ann.waiting(20):
        renaming = asyncio.create_task(ann.rename(F, G))
        await waiting_for(ann, 1)
        [waited] = [item async for item in ann.locks("/") if item.state == "waiting"]
        ends[0 if waited.paths[0].path == F else 1].set()
        with pytest.raises(Locked):
            await renaming
    for end in ends:
        end.set()
    await asyncio.gather(*holders)
    assert await ann.read_file(F) == await ann.read_file(G) == b"old"
    assert await locks_left(ann) == 0


async def test_two_who_would_wait_for_each_other_are_told(ann: Filesystem, other: Filesystem) -> None:
    async def swap(files: Filesystem, first: str, second: str, both: asyncio.Barrier) -> str:
        with files.waiting(20):
            async with files.lock(first):
                await both.wait()
                try:
                    await files.write_file(second, b"new")
                except Deadlock:
                    return "deadlock"
        return "done"

    both = asyncio.Barrier(2)
    said = await asyncio.gather(swap(ann, F, G, both), swap(other, G, F, both))
    assert sorted(said) == ["deadlock", "done"]
    assert await locks_left(ann) == 0


async def test_two_who_hold_nothing_both_have_their_turn(
    here: Cluster, ann: Filesystem, other: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is first in line where the other comes next: then one gives way, and waits for both at once."""
    third = await here.user("ann")
    asked: list[int] = []
    take = Desk.take_turn

    async def noted(desk: Desk, what: Asked, owner: str) -> Holding:
        asked.append(len(what.paths))
        return await take(desk, what, owner)

    monkeypatch.setattr(Desk, "take_turn", noted)
    operations = [SetAttributes(path=path, attributes=Attributes(mode=0o600)) for path in (F, G)]
    ends, holders, writers = [], [], []
    # G is locked before F, so that the one who comes between waits there.
    for files, path in ((ann, G), (other, F)):
        begun, end = asyncio.Event(), asyncio.Event()
        holders.append(asyncio.create_task(hold(third, path, begun, end, shared=True)))
        ends.append(end)
        await begun.wait()
        with files.waiting(20):
            writers.append(asyncio.create_task(commit(files.connection.control, operations)))
        await waiting_for(ann, len(writers))
    for end in ends:
        end.set()
    first, second = await asyncio.gather(*writers)
    assert first.commit != second.commit
    assert sorted(asked) in ([1, 1, 1, 1, 2], [1, 1, 1, 2])
    await asyncio.gather(*holders)
    assert await locks_left(ann) == 0


async def test_in_a_body_it_waits_as_the_same_owner_and_children_do(
    ann: Filesystem, other: Filesystem
) -> None:
    """Else a child that waits for its turn would be in the way of its own parent."""
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, f"{HOME}/d", begun, end, shared=True))
    await begun.wait()
    with ann.waiting(20):
        async with ann.lock(G):
            child = asyncio.create_task(ann.rename(G, f"{HOME}/d"))
            await waiting_for(ann, 1)
            end.set()
            await child
    await holder
    assert await ann.read_file(f"{HOME}/d") == b"old"


async def test_commits_of_one_body_wait_for_each_other_too(ann: Filesystem, other: Filesystem) -> None:
    """They are one owner's, but what one of them has waited for is not the others' to write under."""
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, F, begun, end, shared=True))
    await begun.wait()
    with ann.waiting(20):
        async with ann.lock(G), asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(ann.write_file(F, b"%d" % number))
            await waiting_for(ann, 1)
            end.set()
    await holder
    assert len([item async for item in ann.history(F)]) == 6


async def test_copies_of_trees_wait_too(ann: Filesystem, other: Filesystem) -> None:
    await ann.write_file(f"{HOME}/t/a", b"x", parents=True)
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, f"{HOME}/u", begun, end, shared=True))
    await begun.wait()
    with pytest.raises(Locked):
        await ann.copy_tree(f"{HOME}/t", f"{HOME}/u")
    with ann.waiting(20):
        copying = asyncio.create_task(ann.copy_tree(f"{HOME}/t", f"{HOME}/u"))
        await waiting_for(ann, 1)
        end.set()
        await copying
    await holder
    async with ann.lock(f"{HOME}/u", subtree=True):
        await ann.copy_tree(f"{HOME}/t", f"{HOME}/u", replace=True)
        with pytest.raises(Locked):
            await other.copy_tree(f"{HOME}/t", f"{HOME}/u", replace=True)
    assert await ann.read_file(f"{HOME}/u/a") == b"x"


async def test_a_caller_who_goes_away_while_it_waits_leaves_nothing(
    ann: Filesystem, other: Filesystem
) -> None:
    async with other.lock(F):
        with ann.waiting(20):
            writer = asyncio.create_task(ann.write_file(F, b"mine"))
            await waiting_for(ann, 1)
            writer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writer
        async with asyncio.timeout(10):
            while await locks_left(ann) > 1:
                await asyncio.sleep(0.005)
    assert await ann.read_file(F) == b"old"


async def test_a_turn_that_is_lost_with_its_session_is_waited_for_again(
    ann: Filesystem, other: Filesystem
) -> None:
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, F, begun, end, shared=True))
    await begun.wait()
    desk = ann.connection.locks
    take = desk.take_turn
    lost: list[int] = []

    async def unlucky(*asked: object) -> object:
        holding = await take(*asked)  # type: ignore[arg-type]
        if not lost:
            lost.append(holding.proof.lock)
            await ann.ask(endpoints.END_SESSION, params={"session": holding.hold.session})
            holding.hold.end("as a test")
        return holding

    desk.take_turn = unlucky  # type: ignore[assignment, method-assign]
    with ann.waiting(20):
        renaming = asyncio.create_task(ann.rename(F, f"{HOME}/h"))
        await waiting_for(ann, 1)
        end.set()
        await renaming
    await holder
    assert lost


async def test_a_lost_lock_of_ones_own_is_not_waited_for(ann: Filesystem, other: Filesystem) -> None:
    with pytest.raises(LockLost):
        async with ann.lock(F) as lock:
            await other.break_lock(lock.id, "as a test")
            async with other.lock(F):
                with ann.waiting(20):
                    await ann.write_file(F, b"mine")
    assert await ann.read_file(F) == b"old"


async def test_a_negative_time_is_no_time(ann: Filesystem) -> None:
    with pytest.raises(BadRequest), ann.waiting(-1):
        raise AssertionError("never")


async def test_an_upload_is_not_made_again_for_it(ann: Filesystem, other: Filesystem) -> None:
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, F, begun, end))
    await begun.wait()
    content = bytes(3_000_000)
    with ann.waiting(20):
        writer = asyncio.create_task(ann.write_file(F, content))
        await waiting_for(ann, 1)
        end.set()
        written = await writer
    assert written.commit > await holder
    assert await ann.read_file(F) == content


async def test_what_is_staged_in_pages_waits_whole(ann: Filesystem, other: Filesystem) -> None:
    await ann.mkdir(f"{HOME}/d")
    begun, end = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(other, f"{HOME}/d", begun, end, shared=True, subtree=True))
    await begun.wait()
    pages = Pages(ann.connection.control)
    for start in (0, 700):
        many = [MakeDirectory(path=f"{HOME}/d/{number}") for number in range(start, start + 700)]
        await pages.add(Page(list(many)), None)
    assert pages.staged == 1
    with pytest.raises(Locked):
        await pages.commit()
    with ann.waiting(20):
        committing = asyncio.create_task(pages.commit())
        await waiting_for(ann, 1)
        end.set()
        reply = await committing
    await holder
    assert reply is not None
    assert len([entry async for entry in ann.list(f"{HOME}/d")]) == 1400


async def test_trees_are_put_and_published_when_their_turn_has_come(
    ann: Filesystem, other: Filesystem, tmp_path: Path
) -> None:
    (tmp_path / "t").mkdir()
    for verb, target in ((ann.put_tree, f"{HOME}/put"), (ann.publish, f"{HOME}/published")):
        (tmp_path / "t" / "f").write_bytes(b"x")
        begun, end = asyncio.Event(), asyncio.Event()
        holder = asyncio.create_task(hold(other, target, begun, end, shared=True))
        await begun.wait()
        with pytest.raises(Locked):
            await verb(tmp_path / "t", target)
        with ann.waiting(20):
            working = asyncio.create_task(verb(tmp_path / "t", target))
            await waiting_for(ann, 1)
            end.set()
            await working
        await holder
        assert await ann.read_file(f"{target}/f") == b"x"
        async with ann.lock(target, subtree=True):
            (tmp_path / "t" / "f").write_bytes(target.encode())
            await verb(tmp_path / "t", target)
        assert await ann.read_file(f"{target}/f") == target.encode()
