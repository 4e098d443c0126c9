"""stat: what paths lead to, at one commit.

What belongs here: the verb, for one path and for many alike: a statement a level, not a path.
"""

from __future__ import annotations

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
    if not request.paths:
        raise BadRequest("give at least one path")
    if len(request.paths) > STAT_PATHS_MAX:
        raise TooManyOperations(f"at most {STAT_PATHS_MAX} paths in one request")
    asked = [_path(one) for one in request.paths]
    sight = moment.look(tx, request.at)
    sight.view.prefetch(path for path in asked if not isinstance(path, CairnError))
    found = [path if isinstance(path, CairnError) else _find(sight.view, person, path) for path in asked]
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


def find(view: View, person: Person, path: Path) -> Found:
    """What one path leads to. Raises NotFound, NotADirectory, Forbidden."""
    assert view.told is not None, "a view for people"
    if len(path) == 1:
        return Found(b"", DIRECTORY, view.version(ROOT), view.told[ROOT])
    dentry = there(place(view, person, path))
    return Found(rules.base(path), dentry.kind, view.version(dentry.inode), view.told[dentry.inode])


def _path(one: PathText) -> Path | CairnError:
    try:
        return one.raw()
    except CairnError as error:
        return error


def _find(view: View, person: Person, path: Path) -> Found | CairnError:
    try:
        return find(view, person, path)
    except CairnError as error:
        return error
