"""Grants of this process are told by the commit that made them; what came in between is looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from cairnfs.control.feed import Feed
from cairnfs.control.locks.news import Follower, News
from cairnfs.ids import SessionId
from cairnfs.metadata.driver import CommitEvent, Driver
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.rows.grants import Grant
from cairnfs.testing.clock import ManualClock

SESSION = SessionId("a" * 32)


class Scene:
    """News over a clock row and the locks that are held, by their fences."""

    def __init__(self) -> None:
        self.row = ClockRow(**dict.fromkeys(ClockRow.columns(), 1))  # type: ignore[arg-type]
        self.held: dict[int, Grant] = {}
        self.looks = 0
        self.tell: Callable[[ClockRow, CommitEvent | None], None] = lambda _, __: None
        self.news = News(cast(Driver, self), cast(Feed, self), ManualClock())

    @contextmanager
    def following(self, tell: Callable[[ClockRow, CommitEvent | None], None]) -> Iterator[None]:
        """As the feed."""
        self.tell = tell
        yield

    async def read(self, look: Callable[[Any], Any]) -> Any:
        """As the driver."""
        self.looks += 1
        return look(self)

    def rows(self, sql: str, *args: Any) -> list[Any]:
        """As a tx: grants after a fence."""
        assert "FROM lock WHERE fence > ?" in sql, sql
        return [tuple(self.held[fence]) for fence in sorted(self.held) if fence > args[0]]

    def rows_given(self, sql: str, columns: str, given: Any, *args: Any) -> list[Any]:
        """Nobody ended."""
        return (
            [(SESSION, 1, "", 1, 1, 1, 1)] if "FROM {given} AS g CROSS JOIN session" in sql else list(given)
        )

    def grant(self, lock: int, *, here: bool) -> None:
        """A process grants a lock; this one, or another one that it hears of later."""
        before = self.row
        self.row = replace(before, fence=before.fence + 1)
        granted = self.held[self.row.fence] = Grant(lock, SESSION, self.row.fence)
        if here:
            self.tell(self.row, CommitEvent(before, self.row, (granted,)))


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()
    monkeypatch.setattr("cairnfs.control.locks.news.clock_row.read", lambda _: made.row)
    return made


async def _settled(scene: Scene, follower: Follower) -> None:
    """The first look is over: whoever follows is to read by themselves what was before."""
    await _until(lambda: scene.looks > 0 and follower.behind)
    follower.behind = False


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def test_a_commit_tells_its_grants_and_nobody_looks(scene: Scene) -> None:
    with scene.news.following(SESSION) as follower:
        await _settled(scene, follower)
        looks = scene.looks
        scene.grant(7, here=True)
        scene.grant(8, here=True)
        assert [(one.lock, one.fence) for one in follower.grants] == [(7, 2), (8, 3)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert scene.looks == looks
    await scene.news.close()


async def test_after_a_grant_elsewhere_it_is_looked_and_all_is_told_once_in_order(scene: Scene) -> None:
    with scene.news.following(SESSION) as follower:
        await _settled(scene, follower)
        scene.grant(7, here=False)
        scene.grant(8, here=True)
        assert not follower.grants, "what came before is not known yet"
        await _until(lambda: len(follower.grants) == 2)
        scene.grant(9, here=True)
        assert [(one.lock, one.fence) for one in follower.grants] == [(7, 2), (8, 3), (9, 4)]
    await scene.news.close()
