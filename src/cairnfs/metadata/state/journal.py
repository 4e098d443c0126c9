"""Undo for the working set: what an operation changed in memory can be taken back.

What belongs here: the journal. What does not: what is in the tables it guards. Every table is a
plain dict; a change through `put` or `drop` remembers what was there. Facts merely loaded from the
database are stored without it: they stay true whatever is undone. What is written is kept all the same:
whoever looks at what an operation did (`state/touched`) is to see what it wrote midway too. Not for use
by two threads.
"""

from __future__ import annotations

from typing import Any, NewType, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Mark = NewType("Mark", int)  #: a place in the journal
ABSENT: Any = object()  #: what was there before, where nothing was
Entry = tuple[dict[Any, Any], Any, Any]  #: a table, a key, and what was there before


class Journal:
    """What was changed, in order, with what was there before."""

    __slots__ = ("_entries", "_flushed")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._flushed = 0

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """`table[key] = value`, so that it can be undone."""
        self._entries.append((table, key, table.get(key, ABSENT)))
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> None:
        """`del table[key]`, so that it can be undone; nothing if it is not there."""
        if key in table:
            self._entries.append((table, key, table.pop(key)))

    def mark(self) -> Mark:
        """The present place."""
        return Mark(len(self._entries))

    def since(self, mark: Mark) -> list[Entry]:
        """What was changed since `mark`, in order."""
        return self._entries[mark:]

    def undo(self, mark: Mark) -> bool:
        """Take back everything since `mark`; whether there was anything. A flush cannot be undone."""
        assert mark >= self._flushed, "an operation changed something, flushed, and then refused"
        anything = mark < len(self._entries)
        while len(self._entries) > mark:
            table, key, before = self._entries.pop()
            if before is ABSENT:
                del table[key]
            else:
                table[key] = before
        return anything

    def written(self) -> None:
        """What was changed so far is written: from here on there is nothing to take back."""
        self._flushed = len(self._entries)
