"""Known ways to get names, links and rights wrong, planted on purpose: the model must find each.

What belongs here: one context manager a bug, as in `planted_metadata`. Not to be switched while operations
run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.core.permissions import Person
from cairnfs.metadata.ops import commit, entries, rename, resolve
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import changes
from cairnfs.metadata.state.tree import Stamp, Tree
from cairnfs.metadata.view import SYMLINK


@contextmanager
def one_name_gone_all_gone() -> Iterator[None]:
    """A hard link's removal ends the file, whatever other names it has."""
    with patch.object(Tree, "other_name", lambda *_: None):
        yield


@contextmanager
def asking_at_the_last_name_only() -> Iterator[None]:
    """Directories on the way are walked by everybody."""
    with patch.object(resolve._Walk, "_require_walk", lambda *_: None):
        yield


@contextmanager
def walking_where_a_symlink_led() -> Iterator[None]:
    """A walk that was remembered stays so when a symlink on it goes."""
    honest = Tree.end

    def mindful(tree: Tree, dentry: Dentry, stamp: Stamp) -> None:
        walks = dict(tree.view.walks)
        honest(tree, dentry, stamp)
        if dentry.kind == SYMLINK:
            tree.view.walks.update(walks)

    with patch.object(Tree, "end", mindful):
        yield


@contextmanager
def counting_what_lives_only() -> Iterator[None]:
    """As of an earlier commit, a file has as many names as it has now."""
    honest = entries.count_links
    with patch.object(entries, "count_links", lambda tx, inodes, at, root: honest(tx, inodes, None, root)):
        yield


@contextmanager
def directories_without_a_past() -> Iterator[None]:
    """As of an earlier commit, a directory has the time that it has now."""
    with patch.object(entries, "changes_then", lambda *_: {}):
        yield


@contextmanager
def renaming_below_itself_by_a_symlink() -> Iterator[None]:
    """Whether a target lies below what is moved is judged by how the paths are spelt."""
    honest, rename_honestly = resolve.place, rename.rename

    def by_spelling(state: Any, person: Any, stamp: Any, step: Any) -> Any:
        def place(view: Any, who: Any, path: Any) -> Any:
            found = honest(view, who, path)
            if path == step.path or path.startswith(step.path + b"/"):
                return found
            return type(found)(found.path, found.chain[-1:], found.name, found.dentry)

        with patch.object(rename, "place", place):
            return rename_honestly(state, person, stamp, step)

    with patch.object(commit, "rename", by_spelling):
        yield


@contextmanager
def groups_of_one() -> Iterator[None]:
    """Nobody is in any user group but their own."""
    with patch.object(Person, "is_in", lambda person, owner_group: person.user_id == owner_group):
        yield


@contextmanager
def moving_in_silence() -> Iterator[None]:
    """The log of changes says nothing of what got another name."""
    honest = changes._of_names

    def silent(ended: Any, begun: Any) -> Any:
        return (one for one in honest(ended, begun) if one.what != changes.MOVED)

    with patch.object(changes, "_of_names", silent):
        yield


BUGS: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    one_name_gone_all_gone,
    asking_at_the_last_name_only,
    walking_where_a_symlink_led,
    counting_what_lives_only,
    directories_without_a_past,
    renaming_below_itself_by_a_symlink,
    groups_of_one,
    moving_in_silence,
)
