"""Known ways to get detached trees wrong, planted on purpose: the stories of growing trees must find each.

What belongs here: one context manager a bug; within it all of Cairn in this process has the bug. Not to be
switched while operations run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.ids import InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import tree_rows
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.extend_tree import ExtendTree, Reserved, ReserveInodes
from cairnfs.metadata.ops.tree_rows import Rows
from cairnfs.metadata.rows import detached
from cairnfs.metadata.state import State
from cairnfs.metadata.state.tree import Tree


@contextmanager
def forgetting_first_answers() -> Iterator[None]:
    """A page that is sent again is done again."""
    honest = ExtendTree.__init__

    def forgetful(operation: ExtendTree, *asked: Any, **rest: Any) -> None:
        honest(operation, *asked, **rest)
        operation.reply_key = None  # type: ignore[assignment]

    with patch.object(ExtendTree, "__init__", forgetful):
        yield


@contextmanager
def believing_without_receipts() -> Iterator[None]:
    """A chunk in a tree needs no receipt."""
    with (
        patch.object(Durability, "check_new", lambda *_: None),
        patch.object(Durability, "refuse_early", lambda *_, **__: None),
    ):
        yield


@contextmanager
def looking_only_beforehand() -> Iterator[None]:
    """Nobody looks again, under the clock, whether a name was taken since."""
    with patch.object(ExtendTree, "_check_free", lambda *_: None):
        yield


@contextmanager
def _writing(change: Callable[[Rows], Rows]) -> Iterator[None]:
    honest = tree_rows.write
    with patch.object(tree_rows, "write", lambda tx, rows: honest(tx, change(rows))):
        yield


@contextmanager
def forgetting_links() -> Iterator[None]:
    """Another name of a file of an earlier page is not counted."""
    with _writing(lambda rows: rows._replace(more_links=())):
        yield


@contextmanager
def leaving_names_untraced() -> Iterator[None]:
    """The first name of a file cannot be found from its inode when a later page gives it another."""
    with _writing(lambda rows: rows._replace(traced=())):
        yield


@contextmanager
def attaching_again() -> Iterator[None]:
    """A tree that has its name is still in the making."""

    def forgetful(tree: Tree, parent: Any, name: Any, top: Any, stamp: Any) -> Any:
        dentry = tree.add(parent, name, top, "directory", stamp)
        tree._journal.put(tree.links, top, tree.links[top] - 1)
        return dentry

    with patch.object(Tree, "attach", forgetful):
        yield


@contextmanager
def going_on_after_the_end() -> Iterator[None]:
    """A tree that was given up still takes pages, and names."""

    def blind(tx: Tx, inode: InodeId) -> int | None:
        row = tx.row("SELECT at_us FROM detached WHERE inode = ?", inode)
        return None if row is None else int(row[0])

    with patch.object(detached, "lock", blind), patch.object(detached, "worked_at", blind):
        yield


@contextmanager
def giving_numbers_twice() -> Iterator[None]:
    """Numbers are given to a page and not taken."""

    def generous(operation: ReserveInodes, state: State) -> Reserved:
        first = state.counters["next_inode"]
        return Reserved(state.clock.incarnation, InodeId(first), InodeId(first + operation._count))

    with patch.object(ReserveInodes, "apply", generous):
        yield


BUGS: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    forgetting_first_answers,
    believing_without_receipts,
    looking_only_beforehand,
    forgetting_links,
    leaving_names_untraced,
    attaching_again,
    going_on_after_the_end,
    giving_numbers_twice,
)
