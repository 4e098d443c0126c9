"""Three walks side by side: what is here, what the record knows, what is there.

Each comes in the order of a walk; together they are met path by path, in the memory of one page. What
belongs here: the merge. What does not: what is made of it (`publish/compare.py`). Pure, one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from cairnfs.client.local.walk import Here
from cairnfs.client.record.record import Known, walk_key


class Pathed(Protocol):
    """What has a path below the top of its tree."""

    @property
    def path(self) -> bytes:
        """Relative, without a slash before it."""
        ...


P = TypeVar("P", bound=Pathed)
T = TypeVar("T", bound=Pathed)


class Met(NamedTuple, Generic[T]):
    """One path, and who has it; one of the three at least."""

    path: bytes
    here: Here | None
    known: Known | None
    there: T | None


class _Stream(Generic[P]):
    """A walk, one ahead. `key` is None at its end."""

    def __init__(self, items: Iterable[P]) -> None:
        self._items = iter(items)
        self.item: P | None = None
        self.key: bytes | None = None
        self.advance()

    def advance(self) -> None:
        item = self.item = next(self._items, None)
        self.key = None if item is None else walk_key(item.path)


class WalkMerge(Generic[T]):
    """The merge of a local walk, the record's rows and the remote walk, which comes in pages."""

    def __init__(self, here: Iterable[Here], known: Iterable[Known]) -> None:
        """Both begin to be read at once."""
        self._here = _Stream(here)
        self._known = _Stream(known)

    def take(self, page: Sequence[T]) -> Iterator[Met[T]]:
        """What is met up to the end of this page. To be read to its end before the next page."""
        for there in page:
            key = walk_key(there.path)
            yield from self._before(key)
            yield self._at(key, there)

    def end(self) -> Iterator[Met[T]]:
        """What is met after the last page."""
        return self._before(None)

    def _before(self, bound: bytes | None) -> Iterator[Met[T]]:
        """What is met before a key, or up to the end, where nothing is there."""
        here, known = self._here, self._known
        while True:
            a, b = here.key, known.key
            key = a if b is None or (a is not None and a < b) else b
            if key is None or (bound is not None and key >= bound):
                return
            yield self._at(key, None)

    def _at(self, key: bytes, there: T | None) -> Met[T]:
        here = self._here.item if self._here.key == key else None
        known = self._known.item if self._known.key == key else None
        if here is not None:
            path = here.path
            self._here.advance()
        if known is not None:
            path = known.path
            self._known.advance()
        if there is not None:
            path = there.path
        return Met(path, here, known, there)
