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
