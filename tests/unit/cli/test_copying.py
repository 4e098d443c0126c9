"""The rules of cp -r, one by one."""

from __future__ import annotations

import pytest

from cairnfs.cli.copying import Copy, Kind, Source, Target, plan
from cairnfs.errors import BadRequest, IsADirectory, NotADirectory, NotFound

FILE = Source(b"a.txt", "file", b"a.txt")
OTHER = Source(b"x/b.txt", "file", b"b.txt")
TREE = Source(b"x/tree", "directory", b"tree")
CONTENTS = Source(b"x/tree/.", "directory", b"")
NOTHING = Source(b"gone", None, b"gone")


def planned(
    *sources: Source,
    target: Kind | None,
    slash: bool = False,
    recursive: bool = True,
    there: dict[bytes, Kind | None] | None = None,
) -> list[tuple[bytes, bytes]]:
    """(source, place) of each copy to /t, which is a `target`; `there` is what lies below it."""
    around: dict[bytes, Kind | None] = {b"/": "directory", **(there or {})}
    copies = plan(
        sources,
        Target(b"/t", target, slash),
        recursive=recursive,
        kinds=lambda places: [around.get(place) for place in places],
    )
    assert all(isinstance(copy, Copy) for copy in copies)
    return [(copy.source, copy.target) for copy in copies]


def test_a_file_becomes_a_target_that_is_not_there() -> None:
    assert planned(FILE, target=None) == [(b"a.txt", b"/t")]


def test_a_file_replaces_a_file() -> None:
    assert planned(FILE, target="file") == [(b"a.txt", b"/t")]


def test_a_file_goes_below_a_directory() -> None:
    assert planned(FILE, target="directory") == [(b"a.txt", b"/t/a.txt")]
    assert planned(FILE, target="directory", slash=True) == [(b"a.txt", b"/t/a.txt")]


def test_a_file_does_not_become_a_directory_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="no such directory"):
        planned(FILE, target=None, slash=True)


def test_a_file_with_a_slash_behind_it_is_no_target() -> None:
    with pytest.raises(NotADirectory):
        planned(FILE, target="file", slash=True)


def test_a_tree_becomes_a_target_that_is_not_there() -> None:
    assert planned(TREE, target=None) == [(b"x/tree", b"/t")]
    assert planned(TREE, target=None, slash=True) == [(b"x/tree", b"/t")]


def test_a_tree_goes_below_a_directory_under_its_name() -> None:
    assert planned(TREE, target="directory") == [(b"x/tree", b"/t/tree")]


def test_a_tree_joins_a_tree_of_its_name() -> None:
    assert planned(TREE, target="directory", there={b"/t/tree": "directory"}) == [(b"x/tree", b"/t/tree")]


def test_the_contents_of_a_tree_go_into_a_directory() -> None:
    assert planned(CONTENTS, target="directory") == [(b"x/tree/.", b"/t")]
    assert planned(CONTENTS, target=None) == [(b"x/tree/.", b"/t")]


def test_a_tree_needs_the_word() -> None:
    with pytest.raises(IsADirectory) as caught:
        planned(TREE, target=None, recursive=False)
    assert caught.value.path == "x/tree"
    assert "-r" in caught.value.hint


def test_a_tree_does_not_replace_a_file() -> None:
    with pytest.raises(NotADirectory):
        planned(TREE, target="file")
    with pytest.raises(NotADirectory) as caught:
        planned(TREE, target="directory", there={b"/t/tree": "file"})
    assert caught.value.path == "/t/tree"


def test_a_file_does_not_replace_a_tree() -> None:
    with pytest.raises(IsADirectory) as caught:
        planned(FILE, target="directory", there={b"/t/a.txt": "directory"})
    assert caught.value.path == "/t/a.txt"


def test_several_go_below_a_directory() -> None:
    assert planned(FILE, TREE, OTHER, target="directory") == [
        (b"a.txt", b"/t/a.txt"),
        (b"x/tree", b"/t/tree"),
        (b"x/b.txt", b"/t/b.txt"),
    ]


def test_several_need_a_directory() -> None:
    with pytest.raises(NotFound):
        planned(FILE, OTHER, target=None)
    with pytest.raises(NotADirectory):
        planned(FILE, OTHER, target="file")


def test_two_cannot_become_one() -> None:
    with pytest.raises(BadRequest, match=r"and so would a\.txt"):
        planned(FILE, Source(b"y/a.txt", "file", b"a.txt"), target="directory")


def test_what_is_named_twice_is_copied_once() -> None:
    assert planned(FILE, TREE, FILE, target="directory") == [(b"a.txt", b"/t/a.txt"), (b"x/tree", b"/t/tree")]
    with pytest.raises(NotFound):
        planned(FILE, FILE, target=None)


def test_what_is_not_there_is_named_before_anything_is_copied() -> None:
    with pytest.raises(NotFound) as caught:
        planned(FILE, NOTHING, target="directory")
    assert caught.value.path == "gone"


def test_below_the_root_there_is_one_slash() -> None:
    copies = plan([FILE], Target(b"/", "directory", True), recursive=False, kinds=lambda places: [None])
    assert copies == [Copy(b"a.txt", b"/a.txt", "file")]


def test_what_is_to_hold_the_target_must_be_there() -> None:
    for source in (FILE, TREE):
        with pytest.raises(NotFound) as caught:
            planned(source, target=None, there={b"/": None})
        assert caught.value.path == "/"
        with pytest.raises(NotADirectory):
            planned(source, target=None, there={b"/": "file"})


def test_a_bare_name_lies_in_the_present_directory() -> None:
    asked: list[bytes] = []

    def kinds(places: list[bytes]) -> list[Kind | None]:
        asked.extend(places)
        return ["directory"]

    assert plan([FILE], Target(b"t", None, False), recursive=False, kinds=kinds) == [
        Copy(b"a.txt", b"t", "file")
    ]
    assert asked == [b"."]


LINK = Source(b"/d/link", "symlink", b"link")


def test_a_symlink_moves_like_a_file() -> None:
    assert planned(LINK, target=None) == [(b"/d/link", b"/t")]
    assert planned(LINK, target="file") == [(b"/d/link", b"/t")]
    assert planned(LINK, target="directory", recursive=False) == [(b"/d/link", b"/t/link")]
    with pytest.raises(NotFound, match="no such directory"):
        planned(LINK, target=None, slash=True)
    with pytest.raises(IsADirectory, match="cannot become the symlink"):
        planned(LINK, target="directory", there={b"/t/link": "directory"})


def test_a_symlink_where_something_goes_is_a_name_like_a_files() -> None:
    assert planned(FILE, target="directory", there={b"/t/a.txt": "symlink"}) == [(b"a.txt", b"/t/a.txt")]
    with pytest.raises(NotADirectory, match="is a symlink"):
        planned(TREE, target="directory", there={b"/t/tree": "symlink"})


def test_the_way_to_the_target_may_lead_over_a_symlink() -> None:
    assert planned(FILE, target=None, there={b"/": "symlink"}) == [(b"a.txt", b"/t")]
