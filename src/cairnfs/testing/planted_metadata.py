"""Known ways to get the heart of the metadata wrong, planted on purpose: the model must find each.

What belongs here: one context manager a bug; within it all of Cairn in this process has the bug. Bugs
of the driver are in `planted`. Not to be switched while operations run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.ids import CommitNumber, Hash
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import rename, resolve, unchanged, vouching
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.rows import nodes, orphans
from cairnfs.metadata.state import State
from cairnfs.metadata.state import content as content_module
from cairnfs.metadata.state.journal import Journal
from cairnfs.metadata.state.tree import Stamp, Tree


@contextmanager
def numbers_that_repeat() -> Iterator[None]:
    """Two commits of a batch take the same number."""

    def hasty(state: State, counter: str) -> int:
        value = state.clock.commit_number + 1 if counter == "commit_number" else state.counters[counter] + 1
        state.journal.put(state.counters, counter, value)
        return value

    with patch.object(State, "raise_counter", hasty):
        yield


@contextmanager
def undo_that_forgets() -> Iterator[None]:
    """A refusal leaves the first thing that it changed."""
    honest = Journal.undo

    def forgetful(journal: Journal, mark: Any) -> bool:
        return honest(journal, mark + 4) if journal.mark() > mark + 4 else honest(journal, mark)

    with patch.object(Journal, "undo", forgetful):
        yield


@contextmanager
def reading_the_dead() -> Iterator[None]:
    """A read at a commit sees what that very commit ended: `<=` where `<` belongs."""
    with patch.object(nodes, "_AT", "{0}.born <= ? AND {0}.died >= ?"):
        yield


@contextmanager
def forgetting_what_lived_within_a_batch() -> Iterator[None]:
    """A name that one commit made and a later one of the same batch ended is never written."""
    honest = Tree.end

    def forgetful(tree: Tree, dentry: Any, stamp: Stamp) -> None:
        key = (dentry.parent, dentry.name, dentry.born)
        known = key in tree.born_names
        honest(tree, dentry, stamp)
        if known and key in tree.born_names:
            del tree.born_names[key]

    with patch.object(Tree, "end", forgetful):
        yield


@contextmanager
def renaming_below_itself() -> Iterator[None]:
    """Nobody looks whether the target lies below what is moved."""
    honest = resolve.place

    def blind(view: Any, person: Any, path: Any) -> Any:
        found = honest(view, person, path)
        return type(found)(found.path, found.chain[-1:], found.name, found.dentry)

    with patch.object(rename, "place", blind):
        yield


@contextmanager
def reaping_at_the_present() -> Iterator[None]:
    """What was below a removed directory ends when the duty comes by, not when it was removed."""
    honest = orphans.below

    def late(tx: Tx, directories: int, limit: int) -> Any:
        row = tx.row("SELECT commit_number FROM clock")
        assert row is not None
        return [(*one[:5], row[0]) for one in honest(tx, directories, limit)]

    with patch.object(orphans, "below", late):
        yield


@contextmanager
def counting_leaves_once() -> Iterator[None]:
    """A manifest that names a leaf twice counts as one reference."""

    def once(hashes: Any) -> Counter[Hash]:
        return Counter(set(hashes))

    with patch.object(content_module, "Counter", once):
        yield


@contextmanager
def believing_without_receipts() -> Iterator[None]:
    """A chunk needs no receipt: whoever knows its hash may have it in a file."""
    with patch.object(Durability, "_check_base", lambda *_: None):
        yield


@contextmanager
def etags_of_the_commit() -> Iterator[None]:
    """An expectation holds whenever the file is the same one, whatever its version."""
    from cairnfs.metadata.ops import expect

    honest = expect.hold

    def lenient(expected: Any, view: Any, place: Any, stamp: Any) -> None:
        if not isinstance(expected, str | None) and place.dentry is not None:
            born: CommitNumber = view.version(place.dentry.inode).born
            expected = expected._replace(commit=born)
        honest(expected, view, place, stamp)

    with patch.object(expect, "hold", lenient):
        yield


@contextmanager
def reading_bases_of_others() -> Iterator[None]:
    """Files that whoever commits may not read vouch for chunks."""
    honest = vouching._files

    def nosy(tx: Any, now: Any, at: Any, person: Any, paths: Any) -> Any:
        return honest(tx, now, at, person._replace(role="admin"), paths)

    with patch.object(vouching, "_files", nosy):
        yield


@contextmanager
def expecting_without_the_batch() -> Iterator[None]:
    """What earlier commits of the same batch changed does not count as changed."""
    with (
        patch.object(unchanged, "derive", lambda _: {}),
        patch.object(unchanged, "_stayed", lambda view, who, step: unchanged._spot(view, who, step.path)),
    ):
        yield


BUGS: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    numbers_that_repeat,
    undo_that_forgets,
    reading_the_dead,
    forgetting_what_lived_within_a_batch,
    renaming_below_itself,
    reaping_at_the_present,
    counting_leaves_once,
    believing_without_receipts,
    etags_of_the_commit,
)
