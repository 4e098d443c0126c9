"""stat: what paths lead to, at one commit.

What belongs here: the verb, for one path and for many alike: a statement a level, not a path.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core import names as rules
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, CairnError, TooManyOperations
from cairnfs.ids import ROOT, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import entries, moment
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.resolve import place, there
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire import problems
from cairnfs.wire.directory import STAT_PATHS_MAX, PathText, StatReply, StatRequest, StatResult


def stat(tx: Tx, person: Person, request: StatRequest) -> StatReply:
    """A path that cannot be read has its error in its place. Raises NoSuchCommit, BeforeHorizon,
    BadRequest, TooManyOperations."""
    asked = checked(request.paths, STAT_PATHS_MAX)
    sight = moment.look(tx, request.at)
    sight.view.prefetch(path for path in asked if not isinstance(path, CairnError))
    who = sight.people.now(person)
    found = [
        path if isinstance(path, CairnError) else _find(sight.view, who, path, follow=request.follow)
        for path in asked
    ]
    built = iter(entries.build(sight, [one for one in found if isinstance(one, Found)]))
    return StatReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        results=[
            StatResult(entry=next(built))
            if isinstance(one, Found)
            else StatResult(error=problems.from_error(one))
            for one in found
        ],
    )


def checked(paths: Sequence[PathText], most: int) -> list[Path | CairnError]:
    """The paths of a request that asks for several, each or why it is none.

    Raises BadRequest for none at all, TooManyOperations beyond `most`.
    """
    if not paths:
        raise BadRequest("give at least one path")
    if len(paths) > most:
        raise TooManyOperations(f"at most {most} paths in one request")
    return [_path(one) for one in paths]


def find(view: View, person: Person, path: Path, *, follow: bool) -> Found:
    """What one path leads to, under the path's own name. Raises NotFound, NotADirectory, Forbidden."""
    assert view.told is not None, "a view for people"
    at = place(view, person, path, follow=follow)
    if at.is_root:
        return Found(rules.base(path), DIRECTORY, view.version(ROOT), view.told[ROOT])
    dentry = there(at)
    version = view.version(dentry.inode)
    return Found(rules.base(path), dentry.kind, version, view.told[dentry.inode], dentry.traced)


def _path(one: PathText) -> Path | CairnError:
    try:
        return one.raw()
    except CairnError as error:
        return error


def _find(view: View, person: Person, path: Path, *, follow: bool) -> Found | CairnError:
    try:
        return find(view, person, path, follow=follow)
    except CairnError as error:
        return error
