"""Links, modes, owners, times, attributes and policies, by commands in a running cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenarios.people import Person


@pytest.fixture
def place(ann: Person, request: pytest.FixtureRequest) -> str:
    """A directory of ann's with a file and a directory in it."""
    path = f"/home/ann/{request.node.name[:60]}"
    ann.does("mkdir", "-p", f"{path}/d")
    ann.does("put", "-", f"{path}/f", given=b"content\n")
    return path


def names(person: Person, path: str) -> list[str]:
    return person.does("ls", path).text.split()


def test_hard_links_are_names_of_one_file(ann: Person, place: str) -> None:
    ann.does("ln", f"{place}/f", f"{place}/g")
    ann.does("ln", f"{place}/f", f"{place}/d")
    ann.does("put", "-", f"{place}/g", given=b"changed\n")
    assert ann.does("cat", f"{place}/f", f"{place}/d/f").text == "changed\n" * 2
    assert [line.split()[1] for line in ann.does("ls", "-l", place).text.splitlines()] == ["1", "3", "3"]
    assert "already has that name" in ann.fails(5, "ln", f"{place}/f", f"{place}/g")
    ann.does("put", "-", f"{place}/other", given=b"other\n")
    ann.does("ln", "-f", f"{place}/other", f"{place}/g")
    assert ann.does("cat", f"{place}/g").text == "other\n"
    assert "ln -s" in ann.fails(5, "ln", f"{place}/d", f"{place}/e")
    ann.fails(3, "ln", f"{place}/gone", f"{place}/e")
    ann.fails(3, "ln", f"{place}/f", f"{place}/gone/")
    ann.fails(5, "ln", f"{place}/f", f"{place}/other", f"{place}/g")
    ann.does("rm", f"{place}/f")
    assert ann.does("stat", "--json", f"{place}/d/f").document["links"] == 1


def test_symlinks_are_followed_for_content_and_not_for_names(ann: Person, place: str, tmp_path: Path) -> None:
    ann.does("ln", "-s", "f", f"{place}/to-f")
    ann.does("ln", "-s", "../f", f"{place}/d")
    ann.does("ln", "-s", f"{place}/d", f"{place}/to-d")
    ann.does("ln", "-s", "any where, not checked/../..//", f"{place}/dangling")
    assert ann.does("readlink", f"{place}/dangling").text == "any where, not checked/../..//\n"
    assert ann.does("cat", f"{place}/to-f", f"{place}/to-d/f").text == "content\n" * 2
    ann.does("get", f"{place}/to-f", str(tmp_path))
    assert (tmp_path / "to-f").read_text() == "content\n"
    assert names(ann, f"{place}/to-d") == ["f"]
    assert ann.does("ls", "-d", f"{place}/to-d").text == f"{place}/to-d\n"
    assert ann.does("ls", "-l", f"{place}/to-d").text.endswith(f"{place}/to-d -> {place}/d\n")
    assert ann.does("ls", "-l", f"{place}/to-d/").text.endswith("  f -> ../f\n")
    looked = ann.does("stat", "--json", f"{place}/to-f").document
    assert (looked["kind"], looked["target"], looked["mode"]) == ("symlink", "f", "0777")
    assert ann.does("stat", "-L", "--json", f"{place}/to-f").document["kind"] == "file"
    assert ann.does("stat", f"{place}/to-f").text.splitlines()[2].split() == ["target", "f"]
    ann.does("mv", f"{place}/to-f", f"{place}/to-d")
    assert names(ann, f"{place}/d") == ["f", "to-f"]
    ann.does("put", "-", f"{place}/d/to-f", given=b"through\n")  # leads to the symlink d/f, that to f
    assert ann.does("cat", f"{place}/f").text == "through\n"
    ann.does("rm", "-r", f"{place}/to-d")
    assert names(ann, f"{place}/d") == ["f", "to-f"]
    ann.does("rm", f"{place}/dangling")
    ann.fails(2, "readlink", f"{place}/f")
    ann.fails(5, "ln", "-s", "x", f"{place}/f")
    ann.does("ln", "-s", "circle", f"{place}/circle")
    ann.fails(5, "cat", f"{place}/circle")
    ann.fails(2, "ln", "-s", "", f"{place}/empty")


def test_a_symlink_to_a_directory_is_replaced_only_where_that_is_meant(ann: Person, place: str) -> None:
    ann.does("mkdir", f"{place}/v1", f"{place}/v2")
    ann.does("ln", "-s", "v1", f"{place}/current")
    ann.does("ln", "-sf", "v2", f"{place}/current")
    assert names(ann, f"{place}/v1") == ["v2"]
    said = ann.does("ln", "-sfnv", "v2", f"{place}/current").text
    assert said.startswith(f"{place}/current -> v2 (commit ")
    assert ann.does("readlink", f"{place}/current").text == "v2\n"
    ann.does("put", "-", f"{place}/file", given=b"x")
    ann.does("mv", f"{place}/file", f"{place}/current")
    assert names(ann, f"{place}/v2") == ["file"]


def test_modes_in_numbers_and_letters(ann: Person, place: str) -> None:
    def mode(path: str) -> str:
        found: str = ann.does("stat", "--json", path).document["mode"]
        return found

    ann.does("mkdir", "-m", "go=", f"{place}/private")
    assert mode(f"{place}/private") == "0700"
    ann.does("rm", "-r", f"{place}/private")
    ann.does("chmod", "4640", f"{place}/f")
    assert mode(f"{place}/f") == "4640"
    ann.does("chmod", "u-s,o=g", f"{place}/f")
    assert mode(f"{place}/f") == "0644"
    ann.does("chmod", "-w", f"{place}/f")
    assert mode(f"{place}/f") == "0444"
    ann.does("ln", "-s", "f", f"{place}/s")
    ann.does("chmod", "600", f"{place}/s")
    assert (mode(f"{place}/f"), mode(f"{place}/s")) == ("0600", "0777")
    ann.does("chmod", "a+t,g+s", f"{place}/d")
    assert mode(f"{place}/d") == "3755"
    ann.does("put", "-", f"{place}/d/x", given=b"x")
    assert ann.does("chmod", "-R", "-v", "go-rwx,u+X", place).text.startswith("changed 3 paths (commit ")
    assert (mode(f"{place}/d"), mode(f"{place}/d/x"), mode(place)) == ("3700", "0600", "0700")
    assert ann.does("chmod", "-R", "-v", "go-rwx,u+X", place).text == "changed 0 paths\n"
    ann.does("chmod", "000", f"{place}/d")
    ann.does("chmod", "-R", "u+rwX", place)
    assert mode(f"{place}/d") == "2700"
    ann.does("chmod", "-R", "600", f"{place}/d")
    ann.fails(4, "stat", f"{place}/d/x")
    ann.does("chmod", "-R", "u+X", f"{place}/d")
    assert (mode(f"{place}/d"), mode(f"{place}/d/x")) == ("2700", "0600")
    before = ann.does("stat", "--json", place).document["read_at"]
    assert f"{place}/gone" in ann.fails(3, "chmod", "777", f"{place}/f", f"{place}/gone")
    ann.fails(2, "chmod", "999", f"{place}/f")
    assert ann.does("stat", "--json", place).document["read_at"] == before


def test_a_large_tree_takes_several_commits_and_says_so(ann: Person, place: str, tmp_path: Path) -> None:
    for number in range(1050):
        (tmp_path / f"{number:04d}").touch()
    ann.does("put", "-r", str(tmp_path), f"{place}/many")
    said = ann.does("chmod", "-R", "g+w", f"{place}/many").text
    assert said.startswith("changed 1,051 paths in 2 commits, ")


def test_owners_and_user_groups(admin: Person, ann: Person, place: str) -> None:
    bob = ann.signed_up("bob")
    ann.fails(4, "chown", "bob", f"{place}/f")
    bob.fails(4, "chmod", "777", f"{place}/f")
    admin.fails(3, "chown", "nobody", f"{place}/f")
    admin.fails(3, "chown", ":nobody", f"{place}/f")
    ann.fails(2, "chown", ":", f"{place}/f")
    ann.does("ln", "-s", "../f", f"{place}/d/s")
    admin.does("chown", "-h", "bob", f"{place}/d/s")
    admin.does("chown", "bob:", f"{place}/f")
    assert ann.does("ls", "-l", place).text.splitlines()[1].split()[2:4] == ["bob", "bob"]
    admin.does("chown", "root:ann", f"{place}/d/s")
    assert ann.does("ls", "-l", place).text.splitlines()[1].split()[2:4] == ["root", "ann"]
    assert ann.does("ls", "-l", f"{place}/d").text.split()[2:4] == ["bob", "ann"]
    said = admin.does("chown", "-R", "-v", ":bob", place).text
    assert said.startswith("changed 4 paths (commit ")
    assert ann.does("ls", "-l", f"{place}/d").text.split()[2:4] == ["bob", "bob"]


def test_times_to_the_nanosecond(ann: Person, place: str) -> None:
    ann.does("touch", "-d", "2026-01-02T03:04:05.123456789Z", f"{place}/f")
    assert ann.does("stat", "--json", f"{place}/f").document["mtime"] == "2026-01-02T03:04:05.123456789Z"
    assert "2026-01-02 03:04:05.123456789 +0000" in ann.does("stat", f"{place}/f", TZ="UTC").text
    ann.does("ln", "-s", "f", f"{place}/s")
    ann.does("touch", "-h", "-d", "1999-12-31T23:59:59Z", f"{place}/s")
    assert ann.does("stat", "--json", f"{place}/s").document["mtime"] == "1999-12-31T23:59:59.000000Z"
    ann.does("touch", "-d", "2001-01-01T00:00Z", f"{place}/s")
    assert ann.does("stat", "--json", f"{place}/f").document["mtime"].startswith("2001-01-01T00:00:00.000000")
    ann.does("touch", "-c", f"{place}/new")
    ann.fails(3, "stat", f"{place}/new")
    said = ann.does("touch", "-v", f"{place}/new", f"{place}/f").text
    assert [line.split()[1] for line in said.splitlines()] == [f"{place}/new", f"{place}/f"]
    assert ann.does("stat", "--json", f"{place}/new").document["size"] == 0
    assert ann.does("stat", "--json", f"{place}/f").document["mtime"] > "2002"
    ann.fails(2, "touch", "-d", "yesterday", f"{place}/f")


def test_extended_attributes(ann: Person, place: str, tmp_path: Path) -> None:
    path = f"{place}/f"
    assert ann.does("xattr", "list", path).text == ""
    ann.does("xattr", "set", path, "user.color", "blue")
    ann.does("xattr", "set", path, "user.bytes", "--hex", "00ff0a")
    ann.does("xattr", "set", path, "user.piped", given=b"from a pipe\n")
    (tmp_path / "value").write_bytes(b"from a file")
    ann.does("xattr", "set", path, "user.file", "--from-file", str(tmp_path / "value"))
    assert names_of(ann, path) == ["user.bytes", "user.color", "user.file", "user.piped"]
    assert ann.does("xattr", "get", path, "user.bytes").out == b"\x00\xff\n"
    assert ann.does("xattr", "get", "--hex", path, "user.bytes").text == "00ff0a\n"
    long = ann.does("xattr", "list", "-l", path).text.splitlines()
    assert long[0].split() == ["user.bytes", "3", "B", "\\x00\\xff\\n"]
    found = ann.does("xattr", "list", "--json", path).document["xattrs"]
    assert found[0] == {"name": "user.bytes", "value": "\x00\\xff\n", "value_b64": "AP8K"}
    assert found[1] == {"name": "user.color", "value": "blue"}
    assert "xattr list" in ann.does("stat", path).text
    assert ann.does("stat", "--json", path).document["xattrs"]
    before = ann.does("stat", "--json", path).document["read_at"]
    ann.fails(5, "xattr", "set", "--create", path, "user.color", "red")
    ann.fails(3, "xattr", "set", "--replace", path, "user.none", "red")
    ann.does("xattr", "remove", path, "user.color")
    ann.fails(3, "xattr", "get", path, "user.color")
    assert ann.does("xattr", "get", "--at", str(before), path, "user.color").text == "blue"
    ann.fails(3, "xattr", "remove", path, "user.color")
    ann.fails(2, "xattr", "set", path, "color", "red")
    ann.fails(4, "xattr", "set", path, "trusted.color", "red")
    ann.fails(7, "xattr", "set", path, "user.long", given=bytes(65_537))
    ann.fails(2, "xattr", "set", path, "user.hex", "--hex", "0")
    ann.fails(2, "xattr", "colour", path)


def names_of(person: Person, path: str) -> list[str]:
    return person.does("xattr", "list", path).text.split()


def test_policies_come_from_the_nearest_directory_that_has_one(ann: Person, place: str) -> None:
    assert ann.does("policy", f"{place}/f").text == "majority (nothing is set here or above)\n"
    assert ann.does("policy", place, "all").text == f"all (set at {place})\n"
    assert ann.does("policy", f"{place}/d").text == f"all (set at {place})\n"
    ann.does("policy", f"{place}/d", "async")
    ann.does("ln", "-s", f"{place}/d", "/home/ann/elsewhere")
    assert ann.does("policy", "/home/ann/elsewhere/").text == f"async (set at {place}/d)\n"
    shown = ann.does("policy", "--json", f"{place}/d").document
    assert shown == {"path": f"{place}/d", "policy": "async", "from": f"{place}/d"}
    assert "policy    async" in ann.does("stat", f"{place}/d").text
    for directory in (place, f"{place}/d", "/home/ann/elsewhere"):
        ann.does("put", "-", f"{directory}/written", given=os.urandom(100_000))
    ann.does("policy", f"{place}/d", "none")
    assert ann.does("policy", f"{place}/d").text == f"all (set at {place})\n"
    ann.fails(2, "policy", f"{place}/f", "all")
    ann.fails(2, "policy", f"{place}/d", "most")
    ann.fails(3, "policy", f"{place}/gone")
    ann.does("rm", "/home/ann/elsewhere")
