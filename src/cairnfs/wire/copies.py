"""Messages of the transaction service's copying of trees: `POST /v1/copies`.

A directory with all below it, as of one commit, becomes another one in one commit, whatever its size; no
bytes are sent, since both name the same chunks. Single files and symlinks are copied by the operation
`copy` of a commit. A large copy takes longer than one request: the answer `busy` says that it goes on,
and the same request, sent again, waits for it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cairnfs.wire.codec import Request
from cairnfs.wire.commits import MESSAGE_MAX_BYTES, CommitReply
from cairnfs.wire.locks import PROOFS_MAX, LockProof
from cairnfs.wire.shapes import AtString, Id, PathBase64, PathString, listed, text


class CopyRequest(Request, kw_only=True):
    """Copy the directory at `path`, now or as it was `at`, to `target`.

    Everything that is read is asked for its rights at that commit: READ on files, READ and WALK on
    directories; one refusal refuses it all. `preserve` keeps modes, times, extended attributes and
    policies, owners where the caller is an administrator, user groups where the caller is in them; else
    the copy is the caller's, made now. With `replace`, what is at `target` is removed first, with all below
    it, in the same commit; else nothing may be there.
    """

    request_id: Id
    deadline_ms: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 30_000
    path: PathString
    path_b64: PathBase64 | None = None
    at: AtString | None = None
    target: PathString
    target_b64: PathBase64 | None = None
    preserve: bool = False
    replace: bool = False
    locks: Annotated[list[LockProof], listed(PROOFS_MAX)] = []
    message: Annotated[str, text(MESSAGE_MAX_BYTES)] = ""


class CopyReply(CommitReply, kw_only=True):
    """As of a commit; `read_at` is the commit that was copied, the rest what the copy holds.

    `directories` counts the copy itself too; `bytes` are those of files, each counted once.
    """

    read_at: int = 0
    files: int = 0
    directories: int = 0
    symlinks: int = 0
    bytes: int = 0
