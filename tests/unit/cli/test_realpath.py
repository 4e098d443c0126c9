"""Where paths lead, by looking at each name on the way."""

from __future__ import annotations

from typing import Any

import pytest

from cairnfs.cli.realpath import resolved
from cairnfs.errors import NotFound, SymlinkLoop
from cairnfs.wire.directory import Entry
from cairnfs.wire.names import to_text


class Looked:
    """Symlinks by path; every other path that is asked for is a directory, unless it is gone."""

    def __init__(self, symlinks: dict[bytes, bytes], gone: bytes = b"/gone") -> None:
        self.symlinks = symlinks
        self.gone = gone

    def lstat(self, path: bytes) -> Entry:
        if path == self.gone:
            raise NotFound("no such file or directory")
        target, base64 = to_text(self.symlinks.get(path, b""))
        return Entry(
            name="", kind="symlink" if target else "directory", inode=1, etag="1.1.1", commit=1, size=0,
            mode=0o755, owner="ann", group="ann", mtime_us=0, target=target, target_b64=base64,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        (b"/", b"/"),
        (b"/a/b", b"/a/b"),
        (b"/a/link", b"/a/b"),
        (b"/a/link/c", b"/a/b/c"),
        (b"/a/absolute/c", b"/x/y/c"),
        (b"/a/up", b"/z"),
        (b"/a/beyond", b"/z"),
        (b"/a/back", b"/x"),
        (b"/a/root", b"/"),
        (b"/a/twice", b"/a/b"),
        (b"/a/\xff", b"/a/\xfe"),
    ],
)
def test_a_path_leads_over_its_symlinks(path: bytes, leads_to: bytes) -> None:
    client: Any = Looked(
        {
            b"/a/link": b"b",
            b"/a/absolute": b"/x//y/",
            b"/a/up": b"../z",
            b"/a/beyond": b"../../../z",
            b"/a/back": b"absolute/..",
            b"/a/root": b"/",
            b"/a/twice": b"./link",
            b"/a/\xff": b"\xfe",
        }
    )
    assert resolved(client, path) == leads_to


def test_a_circle_ends() -> None:
    client: Any = Looked({b"/a": b"b", b"/b": b"a"})
    with pytest.raises(SymlinkLoop) as caught:
        resolved(client, b"/a/c")
    assert caught.value.path == "/a/c"


def test_what_is_not_there_is_told_by_the_path_that_was_asked_for() -> None:
    client: Any = Looked({b"/a": b"/gone"})
    with pytest.raises(NotFound) as caught:
        resolved(client, b"/a/c")
    assert caught.value.path == "/a/c"
