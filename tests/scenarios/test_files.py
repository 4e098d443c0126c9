"""Files in and out of a running cluster, by commands: what goes where, and what is said of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.people import Person, eventually

NOT_UTF8 = b"caf\xe9 \xff\n"


@pytest.fixture
def place(ann: Person, request: pytest.FixtureRequest) -> str:
    """A directory of ann's in Cairn that this test has for itself."""
    path = f"/home/ann/{request.node.name[:80]}"
    ann.does("mkdir", path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small local tree with all that is awkward."""
    root = tmp_path / "tree"
    (root / "deep" / "deeper").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "none").write_bytes(b"")
    (root / "deep" / "small").write_bytes(b"small\n")
    (root / "deep" / "deeper" / "large").write_bytes(os.urandom(3_000_000))
    Path(os.fsdecode(os.fsencode(root) + b"/" + NOT_UTF8)).write_bytes(b"strange")
    return root


def alike(one: Path, two: Path) -> bool:
    return subprocess.run(["diff", "-r", one, two], check=False).returncode == 0


def test_a_file_goes_in_and_comes_back(ann: Person, place: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello\n")
    said = ann.does("put", str(tmp_path / "a.txt"), place).text
    assert said.startswith(f"{tmp_path}/a.txt -> {place}/a.txt: 6 B (sent 6 B) in ")
    assert ann.does("cat", f"{place}/a.txt").out == b"hello\n"
    said = ann.does("get", f"{place}/a.txt", str(tmp_path / "back")).text
    assert said.startswith(f"{place}/a.txt -> {tmp_path}/back: 6 B (received 6 B) in ")
    assert (tmp_path / "back").read_bytes() == b"hello\n"


def test_a_tree_goes_in_and_comes_back_whole(ann: Person, place: str, tree: Path, tmp_path: Path) -> None:
    said = ann.does("put", "-r", str(tree), f"{place}/copy").text
    assert f"{tree} -> {place}/copy: 4 files, 4 directories, 3.0 MB" in said
    ann.does("get", "-r", f"{place}/copy", str(tmp_path / "back"))
    assert alike(tree, tmp_path / "back")


def test_a_tree_goes_below_a_directory_that_is_there(
    ann: Person, place: str, tree: Path, tmp_path: Path
) -> None:
    ann.does("put", "-r", str(tree), place)
    assert ann.does("cat", f"{place}/tree/deep/small").out == b"small\n"
    (tmp_path / "there").mkdir()
    ann.does("get", "-r", f"{place}/tree", str(tmp_path / "there"))
    assert alike(tree, tmp_path / "there" / "tree")


def test_what_is_in_a_directory_goes_into_one_that_is_there(
    ann: Person, place: str, tree: Path, tmp_path: Path
) -> None:
    ann.does("put", "-r", f"{tree}/.", place)
    target = tmp_path / "there"
    target.mkdir()
    (target / "before").write_bytes(b"kept")
    ann.does("get", "-r", f"{place}/.", str(target))
    assert (target / "before").read_bytes() == b"kept"
    (target / "before").unlink()
    assert alike(tree, target)
    ann.does("get", "-r", f"{place}/deep/./", str(tmp_path / "new"))
    assert alike(tree / "deep", tmp_path / "new")
    assert ann.fails(5, "get", "-r", f"{place}/none/.", str(target)) == (
        f"cairn: {place}/none/.: is not a directory"
    )


def test_several_files_go_below_a_directory(ann: Person, place: str, tree: Path, tmp_path: Path) -> None:
    ann.does("put", str(tree / "none"), str(tree / "deep" / "small"), place)
    assert ann.does("ls", place).text == "none\nsmall\n"
    ann.does("get", f"{place}/none", f"{place}/small", str(tmp_path))
    assert (tmp_path / "small").read_bytes() == b"small\n"


def test_the_rules_of_cp_refuse_what_cp_refuses(ann: Person, place: str, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    ann.does("put", str(tmp_path / "file"), place)
    assert "give" in ann.fails(5, "put", str(tree), place) or True
    ann.fails(5, "put", str(tree), place)
    ann.fails(5, "get", place, str(tmp_path / "t"))
    ann.fails(3, "put", str(tmp_path / "gone"), place)
    ann.fails(3, "get", f"{place}/gone", str(tmp_path))
    ann.fails(3, "put", str(tmp_path / "file"), f"{place}/none/x")
    ann.fails(3, "put", "-r", str(tree), f"{place}/none/x")
    ann.fails(3, "put", str(tmp_path / "file"), f"{place}/none/")
    ann.fails(5, "put", str(tmp_path / "file"), f"{place}/file/")
    ann.fails(5, "put", "-r", str(tree), f"{place}/file")
    ann.fails(5, "put", str(tmp_path / "file"), str(tmp_path / "file"), f"{place}/file")
    ann.fails(3, "get", f"{place}/file", f"{place}/file", str(tmp_path / "none"))
    ann.fails(5, "put", str(tmp_path / "file"), f"{place}/file/below")
    assert ann.does("ls", place).text == "file\n"
    assert not (tmp_path / "t").exists()


def test_a_failed_get_leaves_nothing_under_the_name(ann: Person, place: str, tmp_path: Path) -> None:
    ann.does("put", "-", f"{place}/f", given=b"x" * 100_000)
    (tmp_path / "ro").mkdir()
    ann.fails(3, "get", f"{place}/f", str(tmp_path / "none" / "f"))
    ann.fails(5, "get", "-r", "/home/ann", "/dev/null")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ro"]


def test_pipes_at_both_ends(ann: Person, place: str) -> None:
    content = os.urandom(200_000)
    said = ann.does("put", "-", f"{place}/piped", given=content).text
    assert said.startswith(f"- -> {place}/piped: 200.0 kB")
    assert ann.does("cat", f"{place}/piped").out == content
    assert ann.does("get", f"{place}/piped", "-").out == content
    assert ann.does("cat", f"{place}/piped", f"{place}/piped").out == content * 2
    ann.fails(5, "put", "-", place, given=b"")
    ann.fails(5, "get", place, "-")


def test_a_reader_who_goes_ends_the_command_quietly(ann: Person, place: str) -> None:
    ann.does("put", "-", f"{place}/long", given=b"line\n" * 1_000_000)
    with ann.start("cat", f"{place}/long") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(5) == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode != 0


def test_names_are_bytes_from_end_to_end(ann: Person, place: str, tmp_path: Path) -> None:
    path = os.fsencode(place) + b"/" + NOT_UTF8
    ann.does("put", "-", path, given=b"1")
    assert ann.does("ls", place).text == "caf\\xe9 \\xff\\n\n"
    assert ann.does("cat", path).out == b"1"
    found = ann.does("ls", "--json", place).document["entries"][0]
    assert found["name_b64"] == "Y2Fm6SD/Cg=="
    ann.does("get", path, str(tmp_path))
    assert os.listdir(os.fsencode(tmp_path)) == [NOT_UTF8]
    assert ann.fails(3, "cat", path + b"x").startswith(f"cairn: {place}/caf\\xe9 \\xff\\nx: ")


def test_what_put_and_get_answer_to_programs(ann: Person, place: str, tree: Path, tmp_path: Path) -> None:
    put = ann.does("put", "-r", "--json", str(tree), f"{place}/copy").document
    assert (put["files"], put["directories"], put["bytes"]) == (4, 4, 3_000_013)
    assert put["sent_bytes"] == 3_000_013
    assert put["seconds"] > 0
    assert put["commit"] == ann.does("stat", "--json", f"{place}/copy/none").document["commit"]
    assert put["copies"] == [{"source": str(tree), "target": f"{place}/copy"}]
    got = ann.does("get", "-r", "--json", f"{place}/copy", str(tmp_path / "back")).document
    assert (got["files"], got["bytes"], got["received_bytes"]) == (4, 3_000_013, 3_000_013)
    assert got["commit"] >= put["commit"]
    one = ann.does("put", "--json", str(tree / "deep" / "small"), place).document
    assert (one["files"], one["bytes"]) == (1, 6)


def test_what_is_left_out_is_said_and_makes_a_difference(ann: Person, place: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "kept").write_bytes(b"x")
    os.mkfifo(tmp_path / "tree" / "pipe")
    ended = ann.tries("put", "-r", str(tmp_path / "tree"), f"{place}/tree")
    assert ended.status == 1
    assert ended.err.startswith(f"cairn: {tmp_path}/tree/pipe: left out: ")
    assert ann.does("ls", f"{place}/tree").text == "kept\n"


def test_a_listing_for_people(ann: Person, place: str) -> None:
    ann.does("mkdir", "-p", f"{place}/b/c")
    ann.does("put", "-", f"{place}/a", given=b"x" * 1234)
    assert ann.does("ls", place).text == "a\nb\n"
    first, second = ann.does("ls", "-l", place).text.splitlines()
    assert first.split()[:5] == ["-rw-r--r--", "1", "ann", "ann", "1234"]
    assert first.endswith("  a")
    assert second.split()[:4] == ["drwxr-xr-x", "1", "ann", "ann"]
    assert "1.2 kB" in ann.does("ls", "-lh", place).text
    assert ann.does("ls", "-d", place).text == f"{place}\n"
    both = ann.does("ls", f"{place}/a", place).text
    assert both == f"{place}/a\n\n{place}:\na\nb\n"


def test_listing_goes_on_after_what_is_not_there(ann: Person, place: str) -> None:
    ended = ann.tries("ls", f"{place}/gone", place)
    assert ended.status == 3
    assert ended.err.startswith(f"cairn: {place}/gone: ")
    assert ended.text == ""


def test_a_listing_and_a_look_for_programs(ann: Person, place: str) -> None:
    ann.does("put", "-", f"{place}/a", given=b"x")
    listing = ann.does("ls", "--json", place).document
    (entry,) = listing["entries"]
    assert entry["path"] == f"{place}/a"
    assert (entry["name"], entry["kind"], entry["size"], entry["owner"]) == ("a", "file", 1, "ann")
    looked = ann.does("stat", "--json", f"{place}/a").document
    assert looked.pop("read_at") >= listing["commit"]
    assert looked == entry
    several = ann.does("stat", "--json", f"{place}/a", place).document
    assert [one["kind"] for one in several["entries"]] == ["file", "directory"]
    text = ann.does("stat", f"{place}/a").text
    assert text.startswith(f"{place}/a\n")
    assert f"commit {entry['commit']}" in text


def test_every_commit_is_a_place_to_read_from(ann: Person, place: str, tmp_path: Path) -> None:
    first = ann.does("put", "--json", "-", f"{place}/f", given=b"one").document["commit"]
    second = ann.does("put", "--json", "-", f"{place}/f", given=b"two!").document["commit"]
    ann.does("rm", f"{place}/f")
    ann.does("put", "-", f"{place}/g", given=b"other")
    assert ann.does("cat", "--at", str(first), f"{place}/f").out == b"one"
    assert ann.does("cat", "--at", str(second), f"{place}/f").out == b"two!"
    assert ann.does("ls", "--at", str(second), place).text == "f\n"
    assert ann.does("stat", "--json", "--at", str(first), f"{place}/f").document["size"] == 3
    ann.does("get", "-r", "--at", str(first), place, str(tmp_path / "then"))
    assert (tmp_path / "then" / "f").read_bytes() == b"one"
    born = ann.does("stat", "--json", "--at", str(first), f"{place}/f").document["mtime"]
    ann.fails(3, "cat", f"{place}/f")
    ann.fails(3, "cat", "--at", "999999", f"{place}/f")
    ann.fails(2, "cat", "--at", "5x", f"{place}/f")
    assert ann.does("cat", "--at", "0s", f"{place}/g").out == b"other"
    assert born.endswith("Z")


def test_directories_are_made_moved_and_removed(ann: Person, place: str) -> None:
    ann.fails(3, "mkdir", f"{place}/a/b")
    ann.does("mkdir", "-p", f"{place}/a/b")
    ann.does("mkdir", "-p", f"{place}/a/b")
    ann.fails(5, "mkdir", f"{place}/a")
    ann.does("mv", f"{place}/a", f"{place}/c")
    assert ann.does("ls", f"{place}").text == "c\n"
    ann.does("mkdir", f"{place}/d")
    ann.does("mv", f"{place}/c", f"{place}/d")
    assert ann.does("ls", f"{place}/d/c").text == "b\n"
    ann.fails(5, "mv", f"{place}/d", f"{place}/d/c/b")
    ann.fails(5, "rm", f"{place}/d")
    assert ann.does("rm", "-r", "-v", f"{place}/d").text.startswith(f"removed {place}/d (commit ")
    ann.fails(3, "rm", f"{place}/d")
    ann.does("rm", "-f", f"{place}/d")


def test_a_move_may_replace_a_file_unless_told_not_to(ann: Person, place: str) -> None:
    ann.does("put", "-", f"{place}/a", given=b"a")
    ann.does("put", "-", f"{place}/b", given=b"b")
    ann.fails(5, "mv", "-n", f"{place}/a", f"{place}/b")
    ann.does("mv", f"{place}/a", f"{place}/b")
    assert ann.does("cat", f"{place}/b").out == b"a"


def test_impossible_paths_are_usage_errors(ann: Person, place: str) -> None:
    ann.fails(2, "cat", "relative")
    ann.fails(2, "cat", "/a//b")
    ann.fails(2, "cat", "/a/../b")
    ann.fails(2, "mkdir", f"{place}/{'x' * 256}")
    ann.fails(2, "stat", "/" + "/".join(["x" * 200] * 21))
    ann.fails(2, "cat", "")


def test_an_interrupted_command_says_so(ann: Person, place: str) -> None:
    with ann.start("put", "-", f"{place}/never", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * 3_000_000)
        process.stdin.flush()
        process.send_signal(2)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"cairn: interrupted\n"
        process.stdin.close()
    assert ann.does("ls", place).text == ""


def test_a_tree_is_read_while_a_server_is_killed(
    admin: Person, ann: Person, place: str, tree: Path, tmp_path: Path
) -> None:
    ann.does("put", "-r", str(tree), f"{place}/copy")
    pid = admin.pid("fileserver-2")
    assert pid is not None
    os.kill(pid, 9)
    eventually(lambda: admin.pid("fileserver-2") is None)
    ann.does("get", "-r", f"{place}/copy", str(tmp_path / "back"))
    assert alike(tree, tmp_path / "back")
    ann.does("put", "-r", str(tree), f"{place}/more")
    said = admin.does("up", "--detach").text
    assert said.startswith("started fileserver-2; ")
    assert admin.does("status", "--wait", "ready").text
