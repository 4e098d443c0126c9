"""Which event loop a suite runs on: asyncio's own, or the one that its class names as `loop_factory`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """One loop for each test: that of its class."""
    owner = item.getparent(pytest.Class)
    factory = getattr(owner.obj, "loop_factory", None) if owner else None
    return {"loop": factory or asyncio.new_event_loop}
