"""Finding and measuring, by commands in a running cluster."""

from __future__ import annotations

import pytest

from tests.scenarios.people import Person


@pytest.fixture
def place(ann: Person, request: pytest.FixtureRequest) -> str:
    """A directory of ann's with a small tree in it."""
    path = f"/home/ann/{request.node.name[:60]}"
    ann.does("mkdir", "-p", f"{path}/d/e")
    ann.does("put", "-", f"{path}/small", given=b"12345")
    ann.does("put", "-", f"{path}/d/large", given=b"x" * 3000)
    ann.does("put", "-", b"%s/d/e/odd\xff\n" % path.encode(), given=b"?")
    ann.does("ln", "-s", "../small", f"{path}/d/way")
    return path


def found(person: Person, *arguments: str | bytes) -> list[str]:
    return person.does("find", *arguments).text.splitlines()


def test_find(ann: Person, place: str) -> None:
    odd = f"{place}/d/e/odd\\xff\\n"
    tree = [place, f"{place}/d", f"{place}/d/e", odd, f"{place}/d/large", f"{place}/d/way", f"{place}/small"]
    assert found(ann, place) == tree
    assert found(ann, place, "--name", "?ma*") == [f"{place}/small"]
    assert found(ann, place, "--iname", "LARGE") == [f"{place}/d/large"]
    assert found(ann, place, "--type", "d,l") == [tree[0], tree[1], tree[2], f"{place}/d/way"]
    assert found(ann, place, "--type", "f", "--size", "+1k") == [f"{place}/d/large"]
    assert found(ann, place, "--type", "f", "--size", "-1k", "--size", "+4") == [f"{place}/small"]
    assert found(ann, place, "--type", "f", "--size", "3000") == [f"{place}/d/large"]
    ann.does("touch", "-d", "2020-01-01T00:00Z", f"{place}/small")
    assert found(ann, place, "--newer", f"{place}/small", "--name", "s*") == []
    assert found(ann, place, "--newer", "2020-01-01T00:00Z", "--name", "l*") == [f"{place}/d/large"]
    assert found(ann, place, "--owner", "ann", "--limit", "2") == tree[:2]
    assert ann.does("find", place, "--name", b"odd\xff*", "-0").out == b"%s/d/e/odd\xff\n\0" % place.encode()
    said = ann.does("find", place, "--name", "small", "--json").document
    assert [one["path"] for one in said["entries"]] == [f"{place}/small"]
    assert len(said["entries"][0]["replicas"]) == 3
    assert said["closed"] == 0
    assert ann.does("find", place, "--name", "none", "--json").document["entries"] == []


def test_what_find_refuses(ann: Person, place: str) -> None:
    ann.fails(2, "find", place, "--name", "x" * 10_000)
    ann.fails(2, "find", place, "--name", "[")
    ann.fails(2, "find", place, "--size", "big")
    ann.fails(2, "find", place, "--type", "x")
    ann.fails(3, "find", place, "--owner", "nobody")
    ann.fails(3, "find", f"{place}/none")
    said = ann.fails(3, "find", f"{place}/none", place, "--name", "small")
    assert "none" in said
    assert "1 directory could not be read" in ann.fails(4, "find", "/home", "--name", "*", "--limit", "1000")


def test_du_and_df(ann: Person, place: str) -> None:
    ann.does("ln", f"{place}/small", f"{place}/d/again")
    sums = ["1\t" + f"{place}/d/e", f"3014\t{place}/d", f"3014\t{place}"]
    assert ann.does("du", place).text.splitlines() == sums
    assert ann.does("du", "-s", place).text.splitlines() == sums[-1:]
    assert ann.does("du", "-d", "1", "-h", place).text.splitlines() == [
        f"3.0 kB\t{place}/d",
        f"3.0 kB\t{place}",
    ]
    said = ann.does("du", "-s", "--json", place).document
    assert said["entries"] == [
        {"path": place, "size": 3014, "files": 3, "directories": 3, "symlinks": 1},
    ]
    ann.fails(2, "du", "-s", "-d", "1", place)
    ann.fails(3, "du", f"{place}/none")
    room = ann.does("df", "--json").document
    assert room["copies"] == 3
    assert 0 < room["available_bytes"] <= min(one["free_bytes"] for one in room["fileservers"])
    assert "available for new data, in 3 copies each" in ann.does("df").text
