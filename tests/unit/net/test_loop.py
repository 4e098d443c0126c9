"""A process runs on the quickest loop there is."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.net.loop import run


def test_what_main_gives_comes_back() -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    assert run(main()) in ("uvloop", "asyncio")


def test_what_main_raises_comes_out() -> None:
    async def main() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(main())


def test_there_is_room_for_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))

    async def main() -> None:
        return None

    run(main())
    assert given == [(4096, 4096)]
