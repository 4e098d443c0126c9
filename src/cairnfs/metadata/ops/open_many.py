"""open_many: the versions of many files and their first chunks, at one commit.

What belongs here: the verb. Paths are looked up together, one statement a level, and chunks by two more. A
file that cannot be opened has its error in its place. What does not: a file's further chunks (`ops/open`).
"""

from __future__ import annotations

from cairnfs.core import etag
from cairnfs.core.permissions import READ, Person
from cairnfs.errors import BadRequest, CairnError, IsADirectory, TooManyOperations
from cairnfs.ids import Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import contents, entries, moment
from cairnfs.metadata.ops.contents import Beginning
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.resolve import require, text
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire import names, problems
from cairnfs.wire.directory import (
    OPEN_FILES_MAX,
    Entry,
    Opened,
    OpenManyReply,
    OpenManyRequest,
    OpenResult,
    Wanted,
)


def open_many(tx: Tx, person: Person, request: OpenManyRequest) -> OpenManyReply:
    """A file that cannot be opened has its error in its place. Raises NoSuchCommit, NoSuchSnapshot,
    BeforeHorizon, BadRequest, TooManyOperations."""
    if not request.files:
        raise BadRequest("give at least one file")
    if len(request.files) > OPEN_FILES_MAX:
        raise TooManyOperations(f"at most {OPEN_FILES_MAX} files in one request")
    asked = [_path(one) for one in request.files]
    sight = moment.look(tx, request.at)
    sight.view.prefetch(path for path in asked if not isinstance(path, CairnError))
    who = sight.people.now(person)
    found = [path if isinstance(path, CairnError) else _find(sight.view, who, path) for path in asked]
    built = iter(entries.build(sight, [one for one in found if isinstance(one, Found)]))
    answers = [next(built) if isinstance(one, Found) else one for one in found]
    beginnings = contents.load(tx, list(map(_changed, request.files, found, answers)), whole=False)
    return OpenManyReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        results=[_result(*one) for one in zip(answers, beginnings, strict=False)],  # those that fit
    )


def _path(one: Wanted) -> Path | CairnError:
    try:
        if one.known is not None:
            etag.parse(one.known)
        return names.to_path(one.path, one.path_b64)
    except CairnError as error:
        return error


def _find(view: View, person: Person, path: Path) -> Found | CairnError:
    """A file that the person may read."""
    try:
        file = find(view, person, path, follow=True)
        if file.kind == DIRECTORY:
            return IsADirectory("a directory cannot be read as a file", path=text(path))
        require(person, file.version, READ, path)
    except CairnError as error:
        return error
    return file


def _changed(asked: Wanted, found: Found | CairnError, answer: Entry | CairnError) -> Version | None:
    """The version of which chunks are to be told, if any are."""
    if not isinstance(found, Found) or (isinstance(answer, Entry) and answer.etag == asked.known):
        return None
    return found.version


def _result(answer: Entry | CairnError, beginning: Beginning | None) -> OpenResult:
    if isinstance(answer, CairnError):
        return OpenResult(error=problems.from_error(answer))
    if beginning is None:
        return OpenResult(opened=Opened(entry=answer, unchanged=True))
    return OpenResult(opened=Opened(entry=answer, chunks=beginning.chunks, next_start=beginning.next_start))
