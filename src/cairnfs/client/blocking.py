"""Asynchronous verbs for callers who wait.

What belongs here: crossing over to the loop's thread, for a verb that answers once and for one that gives
items. What does not: which verbs there are (`sync.py`). Any thread.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from cairnfs.client.portal import Portal

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)


class Reaches(Protocol[F_co]):
    """What has something asynchronous inside."""

    def inside(self) -> tuple[Portal, F_co]:
        """This process's portal, and what lives on its loop."""
        ...


def blocking(
    method: Callable[Concatenate[F, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Reaches[F], P], R]:
    """The method, waited for."""

    @functools.wraps(method)
    def call(self: Reaches[F], /, *args: P.args, **kwargs: P.kwargs) -> R:
        through, inside = self.inside()
        return through.call(method(inside, *args, **kwargs))

    return call


def iterating(
    method: Callable[Concatenate[F, P], AsyncIterator[T]], at_once: int
) -> Callable[Concatenate[Reaches[F], P], Iterator[T]]:
    """The method's items, waited for; so many cross over together."""

    @functools.wraps(method)
    def call(self: Reaches[F], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        through, inside = self.inside()
        return through.iterate(method(inside, *args, **kwargs), at_once)

    return call
