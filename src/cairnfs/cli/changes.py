"""Changing attributes of many paths, or of whole trees, in as few commits as that takes.

Up to 1,000 paths are one commit; each commit is whole or absent. A path that goes away between looking and
committing is left out. What belongs here: walking and committing, for `chmod` and `chown`. What does not:
what is changed. One thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cairnfs.cli import exits
from cairnfs.cli.output import note, number, show, shown
from cairnfs.client.commit import commit
from cairnfs.core import names
from cairnfs.core.permissions import READ, WALK
from cairnfs.errors import CairnError, Forbidden, NotFound
from cairnfs.wire.commits import OPERATIONS_MAX, Attributes, SetAttributes
from cairnfs.wire.names import to_text

if TYPE_CHECKING:
    from cairnfs.client.sync import Client
    from cairnfs.wire.directory import Entry

#: What an entry is to get; None where it stays as it is.
Wanted = Callable[["Entry"], Attributes | None]
_ATTEMPTS_MAX = 3


class _Waiting(NamedTuple):
    """One path that is to be changed. `follow`: it was named, and stands for what it leads to."""

    path: bytes
    entry: Entry
    follow: bool


class Changes:
    """Changes of one command on their way. `follow`: symlinks that are named stand for what they lead to."""

    def __init__(self, client: Client, wanted: Wanted, *, follow: bool) -> None:
        self._client = client
        self._wanted = wanted
        self._follow = follow
        self._waiting: list[_Waiting] = []
        self._changed = 0
        self._commits: list[int] = []
        self.status = exits.OK

    def add(self, paths: Sequence[bytes], *, recursive: bool) -> None:
        """Change these, and all below them if that is wanted. Raises what refused it."""
        try:
            for path, entry in self._look(paths):
                one = _Waiting(path, entry, self._follow)
                if recursive and entry.kind == "directory":
                    self._tree(one)
                else:
                    self._put(one)
            self.flush()
        except CairnError as error:
            if self._commits:
                error.hint = (
                    f"{number(self._changed, 'path')} changed before, up to commit {self._commits[-1]}"
                )
            raise

    def flush(self) -> None:
        """Commit what waits."""
        waiting, self._waiting = self._waiting, []
        for attempt in range(_ATTEMPTS_MAX):
            operations = list(self._operations(waiting))
            if not operations:
                return
            try:
                self._commit(operations)
                return
            except NotFound:
                if attempt == _ATTEMPTS_MAX - 1:
                    raise
                waiting = list(self._still_there(waiting))

    def tell(self, *, verbose: bool) -> int:
        """Say what was done, where that is wanted or it took several commits. The exit status."""
        commits = self._commits
        if len(commits) > 1:
            span = f"{len(commits)} commits, {commits[0]} to {commits[-1]}"
            show(f"changed {number(self._changed, 'path')} in {span}")
        elif verbose:
            show(f"changed {number(self._changed, 'path')}" + (f" (commit {commits[0]})" if commits else ""))
        return self.status

    def _tree(self, root: _Waiting) -> None:
        """A directory and everything below it; symlinks in it are not followed.

        A directory is changed before what is in it, unless it is closed to its owner by that.
        """
        stack = [(root, False)]
        while stack:
            directory, entered = stack.pop()
            if entered:
                self._put(directory)
                continue
            if self._closes(directory.entry):
                stack.append((directory, True))
            else:
                self._put(directory)
            inner = []
            for entry in self._list(directory.path):
                path = names.path(directory.path.rstrip(b"/") + b"/" + entry.raw_name())
                one = _Waiting(path, entry, follow=False)
                if entry.kind == "directory":
                    inner.append((one, False))
                else:
                    self._put(one)
            stack += reversed(inner)

    def _closes(self, directory: Entry) -> bool:
        """Whether its owner may not read or walk the directory any more afterwards."""
        wanted = self._wanted(directory)
        mode = None if wanted is None else wanted.mode
        return mode is not None and bool(directory.mode & ~mode & (READ | WALK) << 6)

    def _list(self, directory: bytes) -> Iterator[Entry]:
        """What is in a directory; one that may not be read says so, and the others are changed."""
        try:
            yield from self._client.list(directory)
            return
        except Forbidden:
            # Perhaps what waits makes it readable.
            self.flush()
        try:
            yield from self._client.list(directory)
        except (Forbidden, NotFound) as error:
            error.path = shown(directory)
            self.status = self.status or exits.status_of(error)
            note(f"cairn: {exits.line_of(error)}")

    def _put(self, one: _Waiting) -> None:
        if self._wanted(one.entry) is None:
            return
        self._waiting.append(one)
        if len(self._waiting) >= OPERATIONS_MAX:
            self.flush()

    def _operations(self, waiting: Iterable[_Waiting]) -> Iterator[SetAttributes]:
        for path, entry, follow in waiting:
            attributes = self._wanted(entry)
            if attributes is not None:
                text, base64 = to_text(path)
                yield SetAttributes(path=text, path_b64=base64, attributes=attributes, follow=follow)

    def _commit(self, operations: list[SetAttributes]) -> None:
        through, filesystem = self._client.inside()
        reply = through.call(commit(filesystem.connection.control, operations))
        self._changed += len(operations)
        self._commits.append(reply.commit)

    def _look(self, paths: Sequence[bytes]) -> list[tuple[bytes, Entry]]:
        found = []
        for path, entry in zip(paths, self._client.stat_many(paths, follow=self._follow), strict=True):
            if isinstance(entry, CairnError):
                entry.path = shown(path)
                raise entry
            found.append((path, entry))
        return found

    def _still_there(self, waiting: Sequence[_Waiting]) -> Iterator[_Waiting]:
        """Those of them that have not gone away."""
        present = self._client.stat_many([one.path for one in waiting], follow=False)
        for one, entry in zip(waiting, present, strict=True):
            if not isinstance(entry, CairnError):
                yield one
