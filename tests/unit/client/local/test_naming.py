"""What one name may be on the systems there are, and that trying finds it out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cairnfs.client.local import naming as local_naming
from cairnfs.client.local.naming import MACOS, WINDOWS, Capabilities, assumed, require_nameable
from cairnfs.client.local.probe import Trial
from cairnfs.errors import BadName
from tests.unit.client.foreign import KINDS, mounted

VFAT = replace(WINDOWS, charset="bmp", refused=WINDOWS.refused | {"\x7f"}, hard_links=False)


@pytest.mark.parametrize("holds", [WINDOWS, VFAT])
@pytest.mark.parametrize(
    "name", [b"a:b", b"a\\b", b"con", b"NUL.txt", b"dot.", b"space ", b"\xff", b"a?b", b"\x01", b"COM1"]
)
def test_names_that_windows_cannot_hold(holds: Capabilities, name: bytes) -> None:
    assert holds.why_not(name)
    assert Capabilities().why_not(name) is None
    assert Capabilities().key(name) == name


@pytest.mark.parametrize("name", [b"a:b", b"con", b"dot.", "\U0001f600".encode(), b"x" * 255])
def test_names_that_macos_can_hold(name: bytes) -> None:
    assert MACOS.why_not(name) is None
    assert MACOS.why_not(b"\xff") == "names have to be UTF-8 here"


def test_a_reason_says_what_is_in_the_way() -> None:
    assert WINDOWS.why_not(b"a:\n") == "\\n : cannot be in a name here"
    assert WINDOWS.why_not(b"a ") == "a space cannot end a name here"
    assert WINDOWS.why_not(b"Aux.c") == "it is the name of a device here"
    assert WINDOWS.why_not(b"link", "symlink") == "there are no symlinks here"
    assert VFAT.why_not("\U0001f600".encode()) == "characters beyond U+FFFF cannot be in a name here"
    assert replace(VFAT, charset="ascii").why_not("é".encode())


def test_long_names_are_measured_as_the_system_does() -> None:
    short = Capabilities(longest=143)
    assert short.why_not(b"x" * 143) is None
    assert short.why_not(b"x" * 144) == "names have at most 143 bytes here"
    assert short.why_not("é".encode() * 100)
    assert replace(short, counts_utf16=True).why_not("é".encode() * 100) is None
    assert replace(short, longest=50, counts_utf16=True).why_not("\U0001f600".encode() * 26)


@pytest.mark.parametrize(
    ("one", "other", "same_on"),
    [
        ("README", "readme", "WMVA"),
        ("É", "é", "WMV"),
        ("\u00e9", "e\u0301", "M"),
        ("É", "e\u0301", "M"),
        ("ß", "SS", "M"),
        ("ς", "Σ", "WMV"),
        ("a", "b", ""),
        ("a", "a.", ""),
        ("ﬁ", "fi", "M"),
    ],
)
def test_names_that_are_one(one: str, other: str, same_on: str) -> None:
    systems = {"W": WINDOWS, "M": MACOS, "V": VFAT, "A": Capabilities(case="ascii"), "L": Capabilities()}
    found = {name for name, holds in systems.items() if holds.key(one.encode()) == holds.key(other.encode())}
    assert found == set(same_on)


def test_names_that_are_not_utf8_have_a_key_too() -> None:
    assert MACOS.key(b"A\xff") == MACOS.key(b"a\xff") != MACOS.key(b"a\xfe")
    assert Capabilities(folds_unicode=True).key(b"A\xff") == b"A\xff"


def test_only_what_holds_everything_is_unlimited() -> None:
    assert Capabilities().unlimited
    assert Capabilities(hard_links=False).unlimited, "that is no matter of names"
    for less in (WINDOWS, MACOS, VFAT, Capabilities(symlinks=False), Capabilities(longest=254)):
        assert not less.unlimited


def test_a_place_that_holds_everything_is_found_out_and_left_as_it_was(tmp_path: Path) -> None:
    holds = Capabilities.probe(tmp_path)
    if not holds.unlimited:
        pytest.skip(f"the temporary directory is on a system with limits: {holds}")
    assert list(tmp_path.iterdir()) == []
    assert Capabilities.probe(tmp_path / "not" / "there" / "yet") == holds
    (tmp_path / "file").touch()
    assert Capabilities.probe(tmp_path / "file") == holds
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_where_nothing_can_be_made_the_usual_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise PermissionError(13, "planned")

    monkeypatch.setattr(os, "mkdir", closed)
    assert Capabilities.probe(tmp_path) == assumed()
    assert (assumed("win32"), assumed("darwin"), assumed("linux")) == (WINDOWS, MACOS, Capabilities())


class Windows(Trial):
    """Names as WINDOWS holds them, in memory; `:` and what ends in a dot are shortened without a word."""

    def __init__(self) -> None:
        pass

    def holds(self, name: str | bytes) -> bool:
        return WINDOWS.why_not(name if isinstance(name, bytes) else name.encode()) is None

    def same(self, name: str, other: str) -> bool:
        return self.holds(name) and WINDOWS.key(name.encode()) == WINDOWS.key(other.encode())

    def symlinks(self) -> bool:
        return False

    def hard_links(self) -> bool:
        return True


def test_trying_finds_what_a_system_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_naming.found(Windows()) == WINDOWS
    apple = Windows()
    monkeypatch.setattr(apple, "holds", lambda name: MACOS.why_not(_raw(name)) is None)
    monkeypatch.setattr(
        apple, "same", lambda name, other: MACOS.key(name.encode()) == MACOS.key(other.encode())
    )
    monkeypatch.setattr(apple, "symlinks", lambda: True)
    assert local_naming.found(apple) == MACOS


def _raw(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_out_of_a_real_system_is_so(kind: str, tmp_path: Path) -> None:
    with mounted(kind, tmp_path) as point:
        before = os.listdir(point)
        holds = Capabilities.probe(point)
        assert os.listdir(point) == before
        assert holds.case != "kept"
        assert not holds.unlimited
        for name in ("plain", "a:b", "a?b", "a\tb", "dot.", "space ", "con", "é", "\U0001f600", "x" * 255):
            made = _make(point, os.fsencode(name))
            assert (holds.why_not(os.fsencode(name)) is None) == made, name
        assert (holds.why_not(b"\xff") is None) == _make(point, b"\xff")
        for one, other in (("a", "A"), ("é", "É"), ("ß", "ss"), ("\u00e9", "e\u0301")):
            if _make(point, one.encode(), keep=True):
                there = os.path.lexists(os.fsencode(point) + b"/" + other.encode())
                assert (holds.key(one.encode()) == holds.key(other.encode())) == there, (one, other)
                os.unlink(os.fsencode(point) + b"/" + one.encode())


def _make(point: Path, name: bytes, *, keep: bool = False) -> bool:
    """Whether this name can be made there, and is in the listing."""
    before = set(os.listdir(os.fsencode(point)))
    try:
        with open(os.fsencode(point) + b"/" + name, "xb"):
            pass
    except OSError:
        return False
    new = set(os.listdir(os.fsencode(point))) - before
    if not keep:
        for one in new:
            os.unlink(os.fsencode(point) + b"/" + one)
    return new == {name}


def test_an_ordinary_name_is_not_even_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Capabilities, "probe", lambda _: pytest.fail("probed"))
    for name in ("ordinary.txt", ".hidden", "a-b_c", "console"):
        require_nameable(tmp_path / name)
    for name in ("there:", "e\u0301", "name~1", "Dot."):
        (tmp_path / name).touch()
        require_nameable(tmp_path / name)
    require_nameable("/dev/null")
    require_nameable(str(tmp_path) + "/")


@pytest.mark.parametrize("name", ["a:b", "con", "aux.c", "end.", "x" * 200, "caf\u00e9", b"\xff"])
def test_any_other_name_is_tried_where_it_is_to_be(
    name: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.fsencode(tmp_path) + b"/" + os.fsencode(name)
    require_nameable(path)
    asked: list[bytes] = []

    def less(directory: bytes) -> Capabilities:
        asked.append(directory)
        return replace(WINDOWS, charset="ascii", longest=100)

    monkeypatch.setattr(Capabilities, "probe", less)
    with pytest.raises(BadName) as caught:
        require_nameable(path)
    assert caught.value.path == os.fsdecode(path)
    assert asked == [os.fsencode(tmp_path)]
    assert list(tmp_path.iterdir()) == []


def test_what_answers_to_a_name_that_is_in_no_listing_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PROGRAMS").touch()
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    with pytest.raises(BadName, match="something with another name is there"):
        require_nameable(tmp_path / "PROGRA~1")


@pytest.mark.parametrize("renormalises", [True, False])
def test_where_names_are_stored_in_another_form_that_is_the_same_file(
    renormalises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e\u0301").touch()
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    monkeypatch.setattr(Capabilities, "probe", lambda _: replace(MACOS, renormalises=renormalises))
    if renormalises:
        require_nameable(tmp_path / "\u00e9")
        return
    with pytest.raises(BadName, match="e\u0301 is there, the same name here"):
        require_nameable(tmp_path / "\u00e9")


def test_two_links_to_one_file_are_not_one_name(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "A").hardlink_to(tmp_path / "a")
    require_nameable(tmp_path / "a")
    require_nameable(tmp_path / "A")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_there_under_another_spelling_is_not_replaced(kind: str, tmp_path: Path) -> None:
    with mounted(kind, tmp_path) as point:
        (point / "ReadMe").write_bytes(b"mine")
        require_nameable(point / "ReadMe")
        for other in ("readme", "README", "rEADmE"):
            with pytest.raises(BadName, match="ReadMe is there, the same name here"):
                require_nameable(point / other)
