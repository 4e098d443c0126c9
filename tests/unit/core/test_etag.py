"""An ETag's text is INCARNATION.INODE.COMMIT and nothing else."""

from __future__ import annotations

import pytest

from cairnfs.core.etag import ETag, parse
from cairnfs.errors import BadRequest
from cairnfs.ids import CommitNumber, Incarnation, InodeId


def test_it_reads_what_it_writes() -> None:
    one = ETag(Incarnation(2), InodeId(17), CommitNumber(2**53))
    assert str(one) == "2.17.9007199254740992"
    assert parse(str(one)) == one


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2",
        "1.2.3.4",
        "1.2.",
        "a.b.c",
        "-1.2.3",
        "1.2.3 ",
        "+1.2.3",
        "1.2.٣",
        '"1.2.3"',
        "1.2." + "9" * 20,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text)
