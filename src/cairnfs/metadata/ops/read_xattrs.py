"""read_xattrs: the extended attributes of what paths lead to, as the caller may see them.

What belongs here: the verb, for one path and for many alike. Whoever may read a file is told of its
attributes, but for those that only administrators see. Sets are loaded a few at a time, and no further
than one reply can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cairnfs.core import xattrs as rules
from cairnfs.core.permissions import READ, Person
from cairnfs.errors import CairnError
from cairnfs.ids import Hash, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.resolve import found, require
from cairnfs.metadata.ops.stat import checked
from cairnfs.metadata.rows import xattrs as rows
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.view import View
from cairnfs.wire import names, problems
from cairnfs.wire.directory import (
    XATTRS_PATHS_MAX,
    XATTRS_REPLY_BYTES,
    XattrsReply,
    XattrsRequest,
    XattrsResult,
    XattrText,
)

#: Sets loaded by one statement: 8 MiB where each is as large as may be.
_SETS_AT_ONCE = 64


def read_xattrs(tx: Tx, person: Person, request: XattrsRequest) -> XattrsReply:
    """A path that cannot be read has its error in its place. Raises NoSuchCommit, BeforeHorizon,
    BadRequest, TooManyOperations."""
    asked = checked(request.paths, XATTRS_PATHS_MAX)
    sight = moment.look(tx, request.at)
    sight.view.prefetch(path for path in asked if not isinstance(path, CairnError))
    who = sight.people.now(person)
    versions = [_find(sight.view, who, path, follow=request.follow) for path in asked]
    results: list[XattrsResult] = []
    left = XATTRS_REPLY_BYTES
    for one, entries in _with_sets(tx, versions):
        left -= len(entries)
        if left < 0 and results:
            break
        results.append(_result(who, one, entries))
    return XattrsReply(commit=sight.commit, incarnation=sight.clock.incarnation, results=results)


def _find(view: View, person: Person, path: Path | CairnError, *, follow: bool) -> Version | CairnError:
    if isinstance(path, CairnError):
        return path
    try:
        version = found(view, person, path, follow=follow)
        require(person, version, READ, path)
    except CairnError as error:
        return error
    return version


def _with_sets(
    tx: Tx, versions: Sequence[Version | CairnError]
) -> Iterator[tuple[Version | CairnError, bytes]]:
    """Each with the entries of its set, loaded as they are asked for."""
    known: dict[bytes, bytes] = {b"": b""}  # by the name of the set
    for number, one in enumerate(versions):
        name = b"" if isinstance(one, CairnError) else one.xattrs
        if name not in known:
            coming = [ahead.xattrs for ahead in versions[number:] if isinstance(ahead, Version)]
            missing = [Hash(ahead) for ahead in dict.fromkeys(coming) if ahead and ahead not in known]
            known |= dict[bytes, bytes](rows.load(tx, missing[:_SETS_AT_ONCE]).items())
        yield one, known[name]


def _result(person: Person, one: Version | CairnError, entries: bytes) -> XattrsResult:
    if isinstance(one, CairnError):
        return XattrsResult(error=problems.from_error(one))
    shown = []
    for name, value in rules.decode(entries).items():
        if rules.may_see(person, name):
            text, base64 = names.to_text(name)
            shown.append(XattrText(name=text, name_b64=base64, value=value))
    return XattrsResult(xattrs=shown)
