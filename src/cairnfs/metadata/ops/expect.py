"""What a change expects to find: a version by its ETag, or nothing.

What belongs here: reading an expectation beforehand, holding it against the living tree. The path
must still lead to that inode, at the version born at that commit, in the same incarnation.
"""

from __future__ import annotations

from cairnfs.core import etag
from cairnfs.core.etag import ETag
from cairnfs.errors import Exists, IncarnationChanged, VersionChanged
from cairnfs.ids import ROOT
from cairnfs.metadata.ops.resolve import Place, text
from cairnfs.metadata.state import Stamp
from cairnfs.metadata.view import View

NOTHING = "none"
Expected = ETag | str | None  #: a version, NOTHING, or whatever there is


def parse(expected: str | None) -> Expected:
    """Read an expectation. Raises BadRequest."""
    return expected if expected is None or expected == NOTHING else etag.parse(expected)


def hold(expected: Expected, view: View, place: Place, stamp: Stamp) -> None:
    """Raises VersionChanged, Exists or IncarnationChanged where the expectation does not hold."""
    if expected is None:
        return
    if isinstance(expected, str):
        if place.dentry is not None:
            raise Exists("something already has that name", path=text(place.path))
        return
    if expected.incarnation != stamp.incarnation:
        raise IncarnationChanged("that version is of another incarnation", path=text(place.path))
    inode = ROOT if place.is_root else None if place.dentry is None else place.dentry.inode
    if inode != expected.inode or view.version(inode).born != expected.commit:
        raise VersionChanged("the expected version has gone by", path=text(place.path))
