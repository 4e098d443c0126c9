"""What `put` and `get` say of what they did: a line for each copy, or one JSON document.

What belongs here: adding up and wording. What does not: copying. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cairnfs.cli.output import note, number, path_fields, seconds, show, show_json, shown, size
from cairnfs.client.results import Tree
from cairnfs.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Done:
    """One copy that was made."""

    source: bytes
    target: bytes
    tree: Tree
    seconds: float


@dataclass(slots=True)
class Report:
    """The copies of one command, each told as soon as it is made, or all together as JSON; or not at all."""

    verb: Literal["put", "get"]
    json: bool
    quiet: bool = False
    done: list[Done] = field(default_factory=list)

    def make(self, source: bytes, target: bytes, copy: Callable[[], Tree]) -> None:
        """Make one copy and tell of it."""
        clock = SystemClock()
        begun = clock.monotonic()
        tree = copy()
        one = Done(source, target, tree, clock.monotonic() - begun)
        self.done.append(one)
        for skipped in tree.skipped:
            note(f"cairn: {shown(skipped.path)}: left out: {skipped.reason}")
        unnamed = tree.skipped_count - len(tree.skipped)
        if unnamed:
            note(f"cairn: {shown(source)}: {number(unnamed, 'more')} left out")
        if not self.json and not self.quiet:
            show(f"{shown(source)} -> {shown(target)}: {self._words(one)}")

    def finish(self) -> int:
        """Say the JSON document, if that was asked for. How many things were left out."""
        left_out = sum(one.tree.skipped_count for one in self.done)
        if self.json:
            show_json(self._document(left_out))
        return left_out

    def _words(self, one: Done) -> str:
        tree = one.tree
        counts = [number(tree.files, "file")] if tree.files != 1 or tree.directories or tree.symlinks else []
        if tree.directories:
            counts.append(number(tree.directories, "directory", "directories"))
        if tree.symlinks:
            counts.append(number(tree.symlinks, "symlink"))
        if tree.links:
            counts.append(number(tree.links, "further name"))
        counts.append(size(tree.bytes))
        if tree.unchanged:
            counts.append(f"{tree.unchanged:,} unchanged")
        if self.verb == "put":
            moved = f"sent {size(tree.sent_bytes)}"
            commit = (
                f"commit {tree.commit}" if tree.commits else f"nothing to change since commit {tree.commit}"
            )
        else:
            moved, commit = received(tree.received_bytes, tree.cached_bytes), f"as of commit {tree.commit}"
        return f"{', '.join(counts)} ({moved}) in {seconds(one.seconds)}, {commit}"

    def _document(self, left_out: int) -> dict[str, Any]:
        trees = [one.tree for one in self.done]
        moved = {
            "put": {"sent_bytes": sum(tree.sent_bytes for tree in trees)},
            "get": {
                "received_bytes": sum(tree.received_bytes for tree in trees),
                "cached_bytes": sum(tree.cached_bytes for tree in trees),
            },
        }[self.verb]
        return {
            "files": sum(tree.files for tree in trees),
            "directories": sum(tree.directories for tree in trees),
            "symlinks": sum(tree.symlinks for tree in trees),
            "links": sum(tree.links for tree in trees),
            "unchanged": sum(tree.unchanged for tree in trees),
            "bytes": sum(tree.bytes for tree in trees),
            **moved,
            "seconds": round(sum(one.seconds for one in self.done), 6),
            "commit": max((tree.commit for tree in trees), default=0),
            "copies": [
                {**path_fields(one.source, "source"), **path_fields(one.target, "target")}
                for one in self.done
            ],
            "left_out": left_out,
        }


def received(received_bytes: int, cached_bytes: int) -> str:
    """What came from fileservers, and what from this machine's cache, if anything did."""
    cached = f", {size(cached_bytes)} from the cache" if cached_bytes else ""
    return f"received {size(received_bytes)}{cached}"
