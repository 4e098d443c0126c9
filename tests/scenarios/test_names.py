"""Any legal name, through every door: in, shown, moved, linked, out and away, byte for byte."""

from __future__ import annotations

import base64
import http.client
import json
import os
import pty
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest

import cairnfs
from cairnfs.client.sync import Client
from tests.scenarios.people import PASSWORD, Person

NAMES: list[bytes] = sorted(
    [
        b" ", b" before", b"behind ", b"two  inside", b". ", b"...", b"....", b".hidden", b"..a",
        b"new\nline", b"\n", b"\r", b"tab\t", b"bell\x07", b"\x1b[31mred\x1b[0m", b"\x1b]0;title\x07",
        b"\x7f", bytes(range(1, 32)), "\u0085".encode(), "\u009b31m".encode(),
        b"-", b"--", b"-rf", b"--help", b"-0",
        "grüße".encode(), "caf\u00e9".encode(), "cafe\u0301".encode(), "\u0301".encode(),
        b"README", b"readme", b"Readme", b"STRASSE", "straße".encode(),
        b"x" * 255, "ü".encode() * 127 + b"x", b"\xff" * 255, b"\n" * 255,
        b"~", b"~root", b"$HOME", b"`id`", b"$(id)", b"a;b&c|d", b"*", b"?", b"[a]", b"{a,b}", b"!", b"#",
        b"%2F", b"%", b"%00", b"%zz", b"%%", b"a?b=c", b"a+b", b"a&b", b"a=b", b"a:b", b"@", b"||",
        "😀".encode(), "👩\u200d👩\u200d👧".encode(), "\u202eexe.txt".encode(), "\u200f".encode(),
        "\u2028".encode(), "\ufeff".encode(), "\ue000".encode(), "日本語".encode(), "שלום".encode(),
        b"back\\slash", b"\\", b"\\x41", b"\\n", b"\\\\", b'"quoted"', b"'", b"''", b'"',
        b"\xff", b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"a\xffb\n",
        b"con", b"nul.txt", b"name.", b"none", b"null", b"0", b"41", b"@41",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A local directory with a file of each name, which holds its own name."""
    root = os.fsencode(tmp_path_factory.mktemp("names") / "tree")
    os.mkdir(root)
    for name in NAMES:
        with open(root + b"/" + name, "wb") as file:
            file.write(name)
    return root


@pytest.fixture(scope="module")
def shared(ann: Person, local: bytes) -> bytes:
    """A directory of ann's in Cairn with all of them, for tests that change nothing in it."""
    ann.does("put", "-r", local, "/home/ann/shared")
    return b"/home/ann/shared"


@pytest.fixture
def place(ann: Person, request: pytest.FixtureRequest, local: bytes) -> bytes:
    """A directory with all of them that a test has for itself."""
    path = f"/home/ann/{request.node.name}"
    ann.does("put", "-r", local, path)
    return path.encode()


@pytest.fixture
def client(admin: Person, ann: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with cairnfs.connect(url=address(admin), user="ann", password=PASSWORD) as made:
        yield made


def address(admin: Person) -> str:
    url: str = admin.does("status", "--json").document["url"]
    return url


def paths(place: bytes, names: list[bytes] = NAMES) -> list[bytes]:
    return [place + b"/" + name for name in names]


def raw(document: dict[str, Any], key: str) -> bytes:
    """What a JSON document says, as bytes; base64 stands only where it has to."""
    encoded = document.get(f"{key}_b64")
    if encoded is None:
        text: str = document[key]
        return text.encode()
    found = base64.b64decode(encoded)
    with pytest.raises(UnicodeDecodeError):
        found.decode()
    return found


def harmless(out: bytes) -> list[str]:
    """The lines of what was written, in which nothing gives orders to a terminal."""
    lines = out.decode().replace("\r\n", "\n").splitlines()
    assert out.decode().replace("\r\n", "\n").count("\n") == len(lines)
    for line in lines:
        assert all(char.isprintable() for char in line), repr(line)
    return lines


def test_listings_show_each_name_in_a_line_of_its_own(ann: Person, shared: bytes) -> None:
    lines = harmless(ann.does("ls", shared).out)
    assert len(set(lines)) == len(NAMES)
    assert "new\\nline" in lines
    assert "caf\\xe9" in lines
    assert "\\u202eexe.txt" in lines
    assert "back\\\\slash" in lines
    assert "\\x1b[31mred\\x1b[0m" in lines
    assert "cafe\u0301" in lines
    long = harmless(ann.does("ls", "-l", shared).out)
    assert [line.endswith(f"  {name}") for line, name in zip(long, lines, strict=True)].count(False) == 0


def test_listings_at_a_terminal_show_the_same(ann: Person, shared: bytes) -> None:
    lines = harmless(ann.does("ls", shared).out)
    mine, theirs = pty.openpty()
    with ann.start("ls", shared, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        while piece := _read(mine):
            shown += piece
        assert process.wait() == 0
    os.close(mine)
    assert harmless(shown) == lines


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so where the other end is closed
        return b""


def test_listings_for_programs_hold_the_bytes(ann: Person, shared: bytes) -> None:
    entries = ann.does("ls", "--json", shared).document["entries"]
    assert [raw(entry, "name") for entry in entries] == NAMES
    assert [raw(entry, "path") for entry in entries] == paths(shared)
    latin = ann.does("ls", "--json", shared, PYTHONIOENCODING="ascii").out
    assert json.loads(latin)["entries"] == entries


def test_looks_and_contents(ann: Person, shared: bytes) -> None:
    entries = ann.does("stat", "--json", *paths(shared)).document["entries"]
    assert [raw(entry, "path") for entry in entries] == paths(shared)
    assert [entry["size"] for entry in entries] == [len(name) for name in NAMES]
    harmless(ann.does("stat", *paths(shared)).out)
    assert ann.does("cat", *paths(shared)).out == b"".join(NAMES)


def test_they_are_found(ann: Person, shared: bytes) -> None:
    found = ann.does("find", shared, "--type", "f", "-0").out
    assert sorted(found.removesuffix(b"\0").split(b"\0")) == paths(shared)
    assert len(set(harmless(ann.does("find", shared, "--type", "f").out))) == len(NAMES)
    found = ann.does("find", shared, "--name", b"caf\xe9", "-0").out
    assert found == shared + b"/caf\xe9\0"


def test_a_tree_comes_back(ann: Person, shared: bytes, local: bytes, tmp_path: Path) -> None:
    back = os.fsencode(tmp_path / "back")
    harmless(ann.does("get", "-r", shared, back).out)
    assert sorted(os.listdir(back)) == NAMES
    for name in NAMES:
        assert (Path(os.fsdecode(back)) / os.fsdecode(name)).read_bytes() == name


def test_files_go_and_come_one_by_one(ann: Person, place: bytes, local: bytes, tmp_path: Path) -> None:
    one_by_one = place + b"/" + b"one by one"
    ann.does("mkdir", one_by_one)
    harmless(ann.does("put", "--", *paths(local), one_by_one).out)
    assert ann.does("cat", *paths(one_by_one)).out == b"".join(NAMES)
    harmless(ann.does("get", "--", *paths(one_by_one), os.fsencode(tmp_path)).out)
    assert sorted(os.listdir(os.fsencode(tmp_path))) == NAMES
    for name in (b"-rf", b"--help"):
        (ann.home / os.fsdecode(name)).write_bytes(name * 2)
    ann.does("put", "--", b"-rf", b"--help", one_by_one)
    assert ann.does("cat", *paths(one_by_one, [b"-rf", b"--help"])).out == b"-rf-rf--help--help"


def test_they_are_moved_linked_changed_copied_and_removed(ann: Person, place: bytes) -> None:
    ann.does("mkdir", place + b"/moved", place + b"/linked")
    said = harmless(ann.does("mv", "-v", *paths(place), place + b"/moved").out)
    assert len(said) == len(NAMES)
    moved = paths(place + b"/moved")
    assert ann.does("cat", *moved).out == b"".join(NAMES)
    harmless(ann.does("ln", "-v", *moved, place + b"/linked").out)
    assert ann.does("chmod", "-v", "600", *moved).text.startswith(f"changed {len(NAMES)} paths (commit ")
    entries = ann.does("ls", "--json", place + b"/linked").document["entries"]
    assert {(entry["links"], entry["mode"]) for entry in entries} == {(2, "0600")}
    harmless(ann.does("rm", "-v", *moved).out)
    assert ann.does("ls", place + b"/moved").out == b""
    assert ann.does("cat", *paths(place + b"/linked")).out == b"".join(NAMES)
    ann.does("cp", "-r", place + b"/linked", place + b"/copied")
    assert ann.does("cat", *paths(place + b"/copied")).out == b"".join(NAMES)
    ann.does("rm", "-r", place)


def test_symlinks_lead_to_any_bytes(ann: Person, place: bytes) -> None:
    links = place + b"/links"
    ann.does("mkdir", links)
    ann.does("ln", "-s", "--", *(b"../" + name for name in NAMES), links)
    assert ann.does("cat", *paths(links)).out == b"".join(NAMES)
    assert ann.does("readlink", "-0", *paths(links)).out == b"".join(b"../" + name + b"\0" for name in NAMES)
    assert len(harmless(ann.does("readlink", *paths(links)).out)) == len(NAMES)
    assert len(harmless(ann.does("ls", "-l", links).out)) == len(NAMES)
    entries = ann.does("ls", "--json", links).document["entries"]
    assert [raw(entry, "target") for entry in entries] == [b"../" + name for name in NAMES]


def test_errors_show_names_harmlessly(ann: Person, shared: bytes) -> None:
    missing = paths(shared + b"/none", [name for name in NAMES if len(name) < 100])
    for path in missing[:: len(missing) // 3]:
        line = ann.fails(5, "cat", path)
        assert all(char.isprintable() for char in line), repr(line)
    ended = ann.tries("stat", *missing)
    assert len(ended.err.splitlines()) == len(missing)
    harmless(ended.err.encode())


def test_python_takes_bytes_and_text(client: Client, place: bytes) -> None:
    assert [entry.raw_name() for entry in client.list(place)] == NAMES
    assert [path for path, _ in client.walk(place)] == paths(place)
    for name in NAMES:
        path = place + b"/" + name
        assert client.read_file(path) == name
        text = os.fsdecode(path)
        assert client.stat(text).raw_name() == name
        client.write_file(text, name * 2)
    for name in NAMES:
        client.rename(place + b"/" + name, place + b"/moving")
        assert client.read_file(place + b"/moving") == name * 2
        client.rename(place + b"/moving", os.fsdecode(place + b"/" + name), replace=False)
        client.remove(place + b"/" + name)
    assert list(client.list(place)) == []


def test_the_http_door_takes_them_percent_encoded(admin: Person, place: bytes) -> None:
    origin = urlsplit(address(admin)).netloc
    login = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    wire = http.client.HTTPConnection(origin, timeout=30)

    def ask(method: str, path: bytes, body: bytes | None = None, query: str = "") -> tuple[int, bytes]:
        target = f"/files{quote_from_bytes(path, safe='/')}{query}"
        wire.request(method, target, body, {"Authorization": f"Basic {login}"})
        answer = wire.getresponse()
        return answer.status, answer.read()

    page = json.loads(ask("GET", place + b"/")[1])
    assert [raw(entry, "name") for entry in page["entries"]] == NAMES
    for name in NAMES:
        path = place + b"/" + name
        assert ask("GET", path) == (200, name)
        assert raw(json.loads(ask("GET", path, query="?stat=1")[1]), "name") == name
        assert ask("PUT", path, name * 2)[0] == 204
        assert ask("PUT", place + b"/below/" + name, name)[0] == 201
        assert ask("GET", path) == (200, name * 2)
        assert ask("DELETE", path)[0] == 204
        assert ask("GET", path)[0] == 404
    page = json.loads(ask("GET", place + b"/below/")[1])
    assert [raw(entry, "name") for entry in page["entries"]] == NAMES
    wire.close()


def test_what_stands_beside_the_content_survives_too(
    ann: Person, place: bytes, local: bytes, tmp_path: Path
) -> None:
    tree = tmp_path / "beside"
    tree.mkdir()
    for number, name in enumerate(NAMES):
        path = os.fsencode(tree) + b"/" + name
        if number % 3 == 0:
            os.symlink(b"to " + name, path)
        else:
            Path(os.fsdecode(path)).write_bytes(name)
        os.utime(path, ns=(0, 1_234_567_890_123_456_789 + number), follow_symlinks=False)
    ann.does("put", "-a", str(tree), place + b"/beside")
    ann.does("get", "-a", place + b"/beside", str(tmp_path / "back"))
    for number, name in enumerate(NAMES):
        path = os.fsencode(tmp_path / "back") + b"/" + name
        found = os.lstat(path)
        assert found.st_mtime_ns == 1_234_567_890_123_456_789 + number
        assert stat.S_ISLNK(found.st_mode) == (number % 3 == 0)
        if number % 3 == 0:
            assert os.readlink(path) == b"to " + name
