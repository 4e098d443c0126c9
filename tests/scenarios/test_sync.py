"""`cairn sync` as people use it: what it says, what it refuses, and real trees in and out of a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from cairnfs.cli import exits
from tests.oddities import differences
from tests.scenarios.people import Person


def tree(root: Path) -> Path:
    (root / "docs").mkdir(parents=True)
    for number in range(5):
        (root / "docs" / f"{number}.txt").write_text(f"page {number}\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "latest").symlink_to("docs/4.txt")
    return root


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", "--no-dereference", one, other], check=False).returncode == 0


def test_a_person_keeps_a_directory_in_step(ann: Person, tmp_path: Path) -> None:
    source, local = tree(tmp_path / "source"), tmp_path / "local"
    ann.does("put", "-r", str(source), "/home/ann/project")
    said = ann.does("sync", "/home/ann/project", str(local)).text
    assert "8 added" in said
    assert same(source, local)
    assert "nothing to do (received 0 B" in ann.does("sync", "/home/ann/project", str(local)).text
    # A change there, one here, and something that is too much.
    (tmp_path / "two").write_text("page two, rewritten\n")
    ann.does("put", str(tmp_path / "two"), "/home/ann/project/docs/2.txt")
    (local / "docs" / "3.txt").write_text("mine\n")
    (local / "notes.txt").write_text("mine too\n")
    told = ann.does("sync", "--dry-run", "/home/ann/project", str(local)).text.splitlines()
    assert told[:-1] == ["~ docs/2.txt  20 B", "~ docs/3.txt  7 B", "- notes.txt"]
    assert "would be 2 changed, 1 removed" in told[-1]
    assert (local / "notes.txt").exists()
    done = ann.does("sync", "--json", "/home/ann/project", str(local)).document
    assert (done["added"], done["changed"], done["removed"], done["left_out"]) == (0, 2, 1, 0)
    assert done["target"] == str(local)
    assert (local / "docs" / "2.txt").read_text() == "page two, rewritten\n"
    # And back, as it was before: a commit of the past.
    ann.does("sync", "--at", str(done["commit"] - 1), "/home/ann/project", str(local))
    assert same(source, local)


def test_what_it_refuses(ann: Person, tmp_path: Path) -> None:
    source, local = tree(tmp_path / "source"), tree(tmp_path / "local")
    ann.does("put", "-r", str(source / "docs"), "/home/ann/refused")
    before = sorted(os.walk(local))
    ended = ann.tries("sync", "/home/ann/refused", str(local))
    assert ended.status == exits.CONFLICT
    assert "8 of the 8 names here would go" in ended.err
    assert "--yes" in ended.err
    assert sorted(os.walk(local)) == before
    ann.does("sync", "--yes", "/home/ann/refused", str(local))
    assert same(source / "docs", local)
    assert ann.tries("sync", "/home/ann/nowhere", str(local)).status == exits.NOT_FOUND
    assert ann.tries("sync", "/home/ann/refused/0.txt", str(local)).status == exits.CONFLICT
    (tmp_path / "file").write_text("")
    assert ann.tries("sync", "/home/ann/refused", str(tmp_path / "file")).status == exits.CONFLICT


def standard_library(root: Path) -> None:
    """A part of it that is a tree of its own, with what Python compiled."""
    for package in ("asyncio", "email", "json", "xml"):
        shutil.copytree(Path(sysconfig.get_path("stdlib")) / package, root / package, symlinks=True)


def work_tree(root: Path) -> None:
    """A git repository with its objects, some of which nobody may write."""
    git = ["git", "-c", "user.name=ann", "-c", "user.email=ann@example.org", "-C", str(root)]
    root.mkdir()
    subprocess.run([*git, "init", "-q"], check=True)
    for number in range(30):
        (root / f"{number}.txt").write_text(f"{number}\n" * number)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"commit {number}"], check=True)


TREES = {"standard library": standard_library, "work tree": work_tree}


@pytest.mark.parametrize("name", TREES)
def test_real_trees_come_out_as_they_went_in(admin: Person, tmp_path: Path, name: str) -> None:
    if name == "work tree" and shutil.which("git") is None:
        pytest.skip("there is no git here")
    source, local = tmp_path / "source", tmp_path / "local"
    TREES[name](source)
    remote = f"/{name}"
    admin.does("put", "-a", str(source), remote)
    for _ in range(2):
        admin.does("sync", "-a", remote, str(local))
        assert differences(source, local) == []
    assert admin.does("sync", "--json", "-a", remote, str(local)).document["received_bytes"] == 0
    if name == "work tree":
        status = subprocess.run(["git", "-C", str(local), "status", "-s"], check=True, capture_output=True)
        assert status.stdout == b""
        subprocess.run(["git", "-C", str(local), "fsck", "--strict"], check=True, capture_output=True)
