"""Messages of the transaction service's detached trees: `POST /v1/trees`, and below it.

A tree that is built, page by page, where no name leads: what is put into it is kept and counted as any
file's, but nobody sees it until the operation `attach` of a commit gives it its name. So a tree of any size
appears in one commit that takes no longer than a small one. It can be read (`walk` with `tree`), its files
can be the bases of others. A tree at which nobody works for an hour is given up; for a day, while its owner
has a live session: the next file may be long, and its way slow.
"""

from __future__ import annotations

from typing import Annotated

from cairnfs.wire.codec import Reply, Request
from cairnfs.wire.commits import (
    BASES_MAX,
    OPERATIONS_MAX,
    Attributes,
    Base,
    Link,
    MakeDirectory,
    MakeSymlink,
    Receipt,
    Write,
)
from cairnfs.wire.shapes import Cursor, Id, Mode, PathBase64, PathString, listed

#: What may be done in a detached tree. Nothing is ever in the way there: what has a name is refused.
Making = Write | MakeDirectory | MakeSymlink | Link


class BeginTreeRequest(Request, kw_only=True):
    """Begin a tree that is to be attached at `path`: policy and user group are as they will be there.

    `mode` and `attributes` are its top's. Where nothing is at `path` the caller has to be allowed to make
    something there; whether what is there may be replaced, the commit judges.
    """

    request_id: Id
    path: PathString
    path_b64: PathBase64 | None = None
    mode: Mode | None = None
    attributes: Attributes | None = None


class BeginTreeReply(Reply, kw_only=True):
    """`tree` stands for the tree wherever it is asked for; it is for nobody else."""

    tree: Cursor


class ExtendTreeRequest(Request, kw_only=True):
    """A page: at most OPERATIONS_MAX things to make, whose paths begin at the tree's top, which is `/`.

    Directories come before what is in them, in this page or one before: `parents` is refused, and so are
    `replace` and an expected version, for nothing is in the way. No symlink is followed. Modes and attributes
    are final: nobody is held up by them in here. Receipts and bases count as in a commit.
    """

    request_id: Id
    tree: Cursor
    operations: Annotated[list[Making], listed(OPERATIONS_MAX, 1)]
    session: Id | None = None
    receipts: list[Receipt] = []
    bases: Annotated[list[Base], listed(BASES_MAX)] = []


class ExtendTreeReply(Reply, kw_only=True):
    """What the page made."""

    made: int


class DropTreeRequest(Request, kw_only=True):
    """Give the tree up; nothing happens where it was attached or given up before."""

    tree: Cursor


class DropTreeReply(Reply, kw_only=True):
    """Whether it was there."""

    dropped: bool
