"""Who calls is asked about before every endpoint that not anyone may call, whatever their token says."""

from __future__ import annotations

from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.net.serving import Caller, application
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint
from tests.unit.net import service
from tests.unit.net.service import ADMIN, ASK, OPEN, WATCH, Look, calls

NONSENSE: Any = Empty()
ASKED: list[tuple[str, str]] = []


async def standing(endpoint: Endpoint[Any, Any], caller: Caller) -> None:
    """Ann is an administrator now, bob none any more, and carl nobody."""
    ASKED.append((endpoint.name, caller.name))
    if caller.name == "carl":
        raise e.Unauthenticated("carl was removed")
    if endpoint.access == "admin" and caller.name != "ann":
        raise e.Forbidden("for administrators")


@pytest.fixture
def app() -> Any:
    ASKED.clear()
    return application(
        endpoints=service.TABLE,
        handlers={
            "ask": service.ask,
            "open_door": service.open_door,
            "named": service.named,
            "admin_only": service.admin_only,
        },
        frames={"take": service.take, "give": service.give, "watch": service.watch},
        authenticate=service.authenticate,
        standing=standing,
        clock=SystemClock(),
        title="Test",
    )


async def test_it_decides_who_is_an_administrator(app: Any) -> None:
    assert (await calls(app, "user:ann").call(ADMIN)).text == "admin"
    with pytest.raises(e.Forbidden):
        await calls(app, "admin:bob").call(ADMIN)
    assert ASKED == [("admin_only", "ann"), ("admin_only", "bob")]


async def test_whoever_was_shut_out_is_refused_before_anything_they_say_is_read(app: Any) -> None:
    with pytest.raises(e.Unauthenticated, match="removed"):
        await calls(app, "user:carl").call(ASK, NONSENSE)
    with pytest.raises(e.Unauthenticated, match="removed"):
        async with calls(app, "user:carl").events(WATCH, Look(path="/")):
            pass
    with pytest.raises(e.BadRequest):
        await calls(app, "user:bob").call(ASK, NONSENSE)


async def test_a_fileserver_is_no_administrator_and_anyone_is_not_asked_about(app: Any) -> None:
    with pytest.raises(e.Forbidden):
        await calls(app, "fileserver:ann").call(ADMIN)
    assert (await calls(app, "user:carl").call(OPEN)).text == "open"
    assert ASKED == []
