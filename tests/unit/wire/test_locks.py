"""Messages of locks: secrets are not told by accident."""

from __future__ import annotations

import pytest

from cairnfs.wire.locks import (
    AcquireRequest,
    LockPath,
    LockProof,
    LockToken,
    ReleaseRequest,
    TokenRequest,
    WaitRequest,
)

ID, SECRET = "1" * 32, "5ec4e7" * 5 + "00"


@pytest.mark.parametrize(
    "message",
    [
        AcquireRequest(request_id=ID, session=ID, owner=ID, token=SECRET, paths=[LockPath(path="/f")]),
        LockProof(lock=1, fence=1, incarnation=1, token=SECRET),
        ReleaseRequest(locks=[LockToken(lock=1, token=SECRET)]),
        TokenRequest(token=SECRET),
        WaitRequest(token=SECRET),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_token_is_not_in_what_is_printed(message: object) -> None:
    assert SECRET not in repr(message)
    assert SECRET not in str([message])
