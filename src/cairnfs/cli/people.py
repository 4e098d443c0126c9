"""Asking about people: what `user`, `group` and `invite` share. One thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from cairnfs.cli import connection

if TYPE_CHECKING:
    from cairnfs.client.people import People

R = TypeVar("R")


def ask(url: str | None, profile: str | None, work: Callable[[People], Coroutine[Any, Any, R]]) -> R:
    """What `work` gives, done as the one who is logged in."""
    from cairnfs.client.people import People

    with connection.client(url, profile) as client:
        through, filesystem = client.inside()
        return through.call(work(People(filesystem.connection)))
