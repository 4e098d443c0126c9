"""Copies, snapshots and restored trees by commands: what is said, and what is there afterwards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scenarios.people import Person


@pytest.fixture
def place(ann: Person, request: pytest.FixtureRequest) -> str:
    """A directory of ann's in Cairn with a small tree `t` in it, for this test alone."""
    path = f"/home/ann/{request.node.name[:80]}"
    ann.does("mkdir", path)
    return path


@pytest.fixture
def tree(ann: Person, place: str, tmp_path: Path) -> Path:
    """That tree, as it is on this machine."""
    root = tmp_path / "t"
    (root / "deep" / "empty").mkdir(parents=True)
    (root / "one").write_bytes(b"one\n")
    (root / "deep" / "two").write_bytes(b"two\n" * 100)
    (root / "deep" / "link").symlink_to("../one")
    (root / "again").hardlink_to(root / "one")
    ann.does("put", "-r", "-p", str(root), f"{place}/t")
    return root


def alike(one: Path, two: Path) -> bool:
    return subprocess.run(["diff", "-r", "--no-dereference", one, two], check=False).returncode == 0


def test_a_tree_is_copied_and_comes_out_alike(ann: Person, place: str, tree: Path, tmp_path: Path) -> None:
    said = ann.does("cp", "-r", "-v", f"{place}/t", f"{place}/copy").text
    assert said.startswith(f"{place}/t -> {place}/copy: 2 files, 3 directories as of commit ")
    ann.does("get", "-r", f"{place}/copy", str(tmp_path / "back"))
    assert alike(tree, tmp_path / "back")
    copies = ann.does("cp", "--json", f"{place}/t/one", f"{place}/t/deep/two", f"{place}/copy").document[
        "copies"
    ]
    assert [one["target"] for one in copies] == [f"{place}/copy/one", f"{place}/copy/two"]


def test_the_rules_are_those_of_cp(ann: Person, place: str, tree: Path) -> None:
    assert "copy it with -r" in ann.fails(5, "cp", f"{place}/t", f"{place}/copy")
    ann.fails(3, "cp", f"{place}/nothing", f"{place}/copy")
    ann.fails(3, "cp", f"{place}/t/one", f"{place}/t/deep/two", f"{place}/nowhere")
    ann.fails(3, "cp", "-r", f"{place}/t", f"{place}/nowhere/copy")
    ann.does("cp", "-r", f"{place}/t", f"{place}/t")
    assert ann.does("ls", f"{place}/t/t").text == "again\ndeep\none\n"
    assert "--replace" in ann.fails(5, "cp", "-r", f"{place}/t", f"{place}/t")
    ann.does("cp", "-r", "--replace", f"{place}/t/deep", f"{place}/t/t")
    ann.fails(5, "cp", "-n", f"{place}/t/one", f"{place}/t/again")


def test_what_was_lost_is_restored(ann: Person, place: str, tree: Path, tmp_path: Path) -> None:
    name = "before-the-accident"
    assert ann.does("snapshot", "create", name).text.startswith(f"{name} is commit ")
    ann.does("rm", "-r", f"{place}/t/deep")
    ann.does("rm", f"{place}/t/one")
    assert "restore that one" in ann.fails(3, "restore", f"{place}/t/deep/two", "--at", name)
    said = ann.does("restore", f"{place}/t", "--at", name).text
    assert said.startswith(f"{place}/t is as of commit ")
    assert "2 files, 3 directories, 1 symlink" in said
    ann.does("get", "-r", "-p", f"{place}/t", str(tmp_path / "back"))
    assert alike(tree, tmp_path / "back")
    assert (tmp_path / "back" / "one").stat().st_mtime_ns == (tree / "one").stat().st_mtime_ns
    ann.does("rm", f"{place}/t/deep/link")
    told = ann.does("restore", "--json", f"{place}/t/deep/link", "--at", name).document
    assert (told["files"], told["symlinks"]) == (0, 1)
    ann.fails(3, "restore", f"{place}/never", "--at", name)
    assert ann.does("snapshot", "list").text.startswith(f"{name}  commit ")
    ann.fails(5, "snapshot", "create", name)
    ann.does("snapshot", "remove", name)
    ann.fails(3, "ls", "--at", name, place)


def test_history_is_kept_as_long_as_an_administrator_says(admin: Person, ann: Person) -> None:
    assert ann.does("retention").text.startswith("everything is kept; commits 0 to ")
    ann.fails(4, "retention", "7d")
    ann.fails(2, "retention", "soon")
    assert admin.does("retention", "7d", "--json").document["retention_seconds"] == 604_800
    assert admin.does("retention", "all").text.startswith("everything is kept")
    admin.does("verify")
