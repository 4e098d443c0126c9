"""A tree that the local system cannot hold is refused before anything is written, and it is said why."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.local.clashes import CLASHES_MAX, Clash, Clashes, check
from cairnfs.client.local.naming import MACOS, WINDOWS, Capabilities
from cairnfs.errors import BadName
from tests.unit.client.foreign import KINDS, mounted

VFAT = replace(WINDOWS, charset="bmp", hard_links=False)


def files(*paths: str) -> Iterable[tuple[bytes, str]]:
    return [(os.fsencode(path), "directory" if path.endswith("/") else "file") for path in paths]


def told(clashes: list[Clash]) -> list[str]:
    return [str(clash) for clash in clashes]


def test_where_everything_is_held_nothing_clashes() -> None:
    assert check(Capabilities(), files("/a", "/A", "/con", "/a:b", "/\udcff")) == []


@pytest.mark.parametrize("holds", [WINDOWS, MACOS, VFAT])
def test_names_of_one_directory_that_would_become_one(holds: Capabilities) -> None:
    entries = [
        (b"/A", "directory"),
        (b"/A/x", "file"),
        (b"/a", "file"),
        (b"/b", "directory"),
        (b"/b/X", "file"),
    ]
    assert told(check(holds, entries)) == ["/a: the same name here as /A"]


def test_after_a_directory_the_one_above_goes_on() -> None:
    entries = [
        (b"/One", "file"),
        (b"/d", "directory"),
        (b"/d/e", "directory"),
        (b"/d/e/one", "file"),
        (b"/d/f", "directory"),
        (b"/d/f/One", "file"),
        (b"/d/f/oNe", "file"),
        (b"/dd", "directory"),
        (b"/dd/one", "file"),
        (b"/one", "file"),
    ]
    assert told(check(WINDOWS, entries)) == [
        "/d/f/oNe: the same name here as /d/f/One",
        "/one: the same name here as /One",
    ]


def test_each_system_is_told_what_it_cannot_hold() -> None:
    entries = [
        ("/caf\u00e9".encode(), "file"),
        ("/cafe\u0301".encode(), "file"),
        (b"/aux", "file"),
        (b"/q?", "file"),
        (b"/to", "symlink"),
        (b"/\xff\n", "file"),
    ]
    assert told(check(WINDOWS, entries)) == [
        "/aux: it is the name of a device here",
        "/q?: ? cannot be in a name here",
        "/to: there are no symlinks here",
        "/\\xff\\n: names have to be UTF-8 here",
    ]
    assert told(check(MACOS, entries)) == [
        "/cafe\u0301: the same name here as /caf\u00e9",
        "/\\xff\\n: names have to be UTF-8 here",
    ]
    (clash,) = check(Capabilities(folds_unicode=True), entries)
    assert clash == Clash("/cafe\u0301".encode(), "the same name here as", "/caf\u00e9".encode())


def test_all_are_counted_and_the_first_hundred_told() -> None:
    clashes = Clashes(WINDOWS)
    clashes.see((b"/%d:" % number, "file") for number in range(2500))
    assert clashes.count == 2500
    assert len(clashes.listed) == CLASHES_MAX
    with pytest.raises(BadName) as caught:
        clashes.require_none()
    assert "2500 of the names, nothing was written: /0:: : cannot be in" in caught.value.detail
    assert caught.value.detail.endswith("; and 2400 more")
    Clashes(WINDOWS).require_none()


def test_what_is_there_under_another_spelling_stays(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ReadMe").touch()
    (tmp_path / "sub" / "same").touch()
    clashes = Clashes(WINDOWS, root=b"/tree", local=os.fsencode(tmp_path))
    clashes.see([(b"/tree/sub", "directory"), (b"/tree/sub/README", "file"), (b"/tree/sub/same", "file")])
    clashes.see([(b"/tree/new", "directory"), (b"/tree/new/readme", "file")])
    assert told(clashes.listed) == ["/tree/sub/README: the same name here as the local ReadMe"]


def test_a_system_that_stores_names_in_another_form_is_not_taken_for_a_clash(tmp_path: Path) -> None:
    (tmp_path / "e\u0301").touch()
    for renormalises in (True, False):
        holds = replace(MACOS, renormalises=renormalises)
        clashes = Clashes(holds, local=os.fsencode(tmp_path))
        clashes.see([("/\u00e9".encode(), "file")])
        assert clashes.count == (0 if renormalises else 1)


async def test_nothing_of_a_refused_tree_is_written(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "sub/b", "sub/B", "z:"):
        await files.write_file(f"/t/{name}", b"x", parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(Capabilities, "probe", lambda _: WINDOWS)
        with pytest.raises(BadName, match="cannot hold 2 of the names") as caught:
            await files.get_tree("/t", tmp_path / "out")
        assert "/t/sub/b: the same name here as /t/sub/B" in caught.value.detail
        assert "/t/z:: : cannot be in a name here" in caught.value.detail
        assert not (tmp_path / "out").exists()
        await files.remove("/t/z:")
        await files.remove("/t/sub/B")
        got = await files.get_tree("/t", tmp_path / "out")
        assert (got.files, got.directories) == (2, 2)
    assert (tmp_path / "out" / "sub" / "b").read_bytes() == b"x"


@pytest.mark.parametrize("kind", KINDS)
async def test_on_a_real_system_with_fewer_names(kind: str, files: Filesystem, tmp_path: Path) -> None:
    with mounted(kind, tmp_path) as point:
        for name in ("good", "sub/Read", "sub/READ"):
            await files.write_file(f"/t/{name}", b"x", parents=True)
        with pytest.raises(BadName, match="cannot hold 1 of the names") as caught:
            await files.get_tree("/t", point / "out")
        assert "/t/sub/Read: the same name here as /t/sub/READ" in caught.value.detail
        assert not (point / "out").exists()
        assert [name for name in os.listdir(point) if name.startswith(".cairn")] == []
        await files.remove("/t/sub/READ")
        await files.get_tree("/t", point / "out", preserve=False)
        assert (point / "out" / "sub" / "Read").read_bytes() == b"x"
        await files.rename("/t/sub/Read", "/t/sub/rEAD")
        with pytest.raises(BadName, match="the same name here as the local Read"):
            await files.get_tree("/t", point / "out")
        with pytest.raises(BadName, match="Read is there, the same name here"):
            await files.get_file("/t/good", point / "out" / "sub" / "READ")
        assert (point / "out" / "sub" / "Read").read_bytes() == b"x"
