"""`cairn lock`, `locks`, `unlock` and `--wait`: what they understand, and how they tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cairnfs.cli import commands, connection, exits
from cairnfs.cli.locks import ordinal
from cairnfs.errors import BadRequest, CairnError, Forbidden
from cairnfs.wire.locks import BrokenItem, LockItem, LockPath, ReleaseRequest
from cairnfs.wire.names import to_text

#: Every command that changes what others may have locked, with arguments that reach the cluster.
WRITING = (
    ("put", "-", "/x"),
    ("publish", ".", "/x"),
    ("mkdir", "/x"),
    ("rm", "/x"),
    ("mv", "/x", "/y"),
    ("cp", "/x", "/y"),
    ("ln", "/x", "/y"),
    ("touch", "/x"),
    ("chmod", "600", "/x"),
    ("chown", "ann", "/x"),
    ("xattr", "set", "/x", "user.a", "b"),
    ("xattr", "remove", "/x", "user.a"),
    ("policy", "/x", "all"),
    ("restore", "/x", "--at", "1"),
)
TOKEN = "0123456789abcdef" * 2


def complaint(*arguments: str) -> CairnError:
    with pytest.raises(CairnError) as caught:
        commands.dispatch(list(arguments))
    return caught.value


class Reached(Exception):
    """The command has asked the cluster for something."""


class FakeClient:
    """A cluster that has these locks, and remembers what was asked."""

    def __init__(self) -> None:
        self.held: list[LockItem] = []
        self.broken: list[BrokenItem] = []
        self.asked: list[Any] = []
        self.waiting_s: float | None = None

    def locks(self, path: bytes) -> Iterator[LockItem]:
        self.asked.append(path)
        return iter(self.held)

    def broken_locks(self) -> Iterator[BrokenItem]:
        return iter(self.broken)

    def break_lock(self, lock: int, reason: str = "") -> None:
        self.asked.append((lock, reason))

    def ask(self, endpoint: Any, request: Any = None) -> None:
        if not isinstance(request, ReleaseRequest):
            raise Reached(endpoint.name)
        self.asked.append(request)

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        self.waiting_s = seconds
        yield
        self.waiting_s = None

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        raise Reached(name)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(connection, "client", lambda url, profile: made)
    monkeypatch.delenv("CAIRN_LOCK", raising=False)
    return made


def item(lock: int, **said: Any) -> LockItem:
    usual: dict[str, Any] = {
        "state": "held", "mode": "exclusive", "subtree": False, "paths": [LockPath(path="/x")], "user": "ann",
        "label": "host cairn 77", "session": "", "fence": 12, "asked_us": 1_800_000_000_000_000,
        "granted_us": 1_800_000_060_000_000,
    }  # fmt: skip
    return LockItem(lock=lock, **usual | said)


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_every_writing_command_waits_as_long_as_told(client: FakeClient, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Reached):
        commands.dispatch([*arguments, "--wait", "2.5"])
    assert client.waiting_s == 2.5


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_without_being_told_nothing_waits(client: FakeClient, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Reached):
        commands.dispatch(list(arguments))
    assert client.waiting_s is None


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "1e9", "soon", ""])
@pytest.mark.parametrize(
    "command", [("rm", "/x"), ("lock", "/x"), ("lock", "/x", "--", "true")], ids=" ".join
)
def test_what_is_no_time_to_wait(command: tuple[str, ...], wait: str) -> None:
    assert complaint(command[0], "--wait", wait, *command[1:]).exit_status == exits.USAGE


@pytest.mark.parametrize(
    "arguments",
    [
        ["lock"],
        ["lock", "--", "true"],
        ["lock", "x"],
        ["lock", "/x", "--"],
        ["lock", "/x", "--", ""],
        ["lock", "/x", "--json", "--", "true"],
        ["unlock"],
        ["unlock", "0"],
        ["unlock", "seven"],
        ["unlock", "7", "--reason", "stuck"],
        ["locks", "x"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_LOCK", raising=False)
    assert complaint(*arguments).exit_status == exits.USAGE


def test_what_is_behind_the_dashes_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch(["lock", "/x", "--", "no-such-command", "--help", "--", "--json"]) == 127
    assert capsys.readouterr().err == "cairn: no-such-command: no such command\n"


def test_the_help_tells_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch(["lock", "--help"]) == 0
    assert "Usage: cairn lock [OPTIONS] PATH... [-- COMMAND ARGUMENT...]" in capsys.readouterr().out


def test_the_table(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    many = [LockPath(path="/x"), LockPath(path="/y\x1b")]
    client.held = [
        item(7, subtree=True, paths=many, more=3, waiting=2),
        item(18, state="waiting", mode="shared", fence=0, granted_us=0, place=2, user="bob", paths=[]),
    ]
    assert commands.dispatch(["locks", "/d"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "LOCK STATE MODE USER SINCE FENCE WAITING PROCESS PATH"
    assert lines[1].startswith("7 held exclusive, subtree ann 20")
    assert lines[1].endswith(" 12 2 host cairn 77 /x and 4 more")
    assert lines[2].startswith("18 waits, 2nd shared bob 20")
    assert lines[2].endswith(" host cairn 77 (removed)")
    assert client.asked == [b"/d"]


def test_where_nothing_is_locked_nothing_is_said(
    client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.dispatch(["locks"]) == 0
    assert commands.dispatch(["locks", "--broken"]) == 0
    assert capsys.readouterr().out == ""
    assert client.asked == [b"/"]
    assert commands.dispatch(["locks", "--json"]) == 0
    assert commands.dispatch(["locks", "--broken", "--json"]) == 0
    assert capsys.readouterr().out == '{"locks":[]}\n{"broken":[]}\n'


def test_the_document(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    text, base64 = to_text(b"/\xff")
    odd = LockPath(path=text, path_b64=base64)
    client.held = [item(7, paths=[odd], mine=True), item(8, state="waiting", fence=0, granted_us=0, place=1)]
    assert commands.dispatch(["locks", "--json"]) == 0
    held, waits = json.loads(capsys.readouterr().out)["locks"]
    assert held["paths"] == [{"path": text, "path_b64": "L/8="}]
    assert (held["state"], held["place"], held["mine"]) == ("held", 0, True)
    assert held["granted"] == "2027-01-15T08:01:00.000000Z"
    assert (waits["state"], waits["place"], waits["granted"]) == ("waiting", 1, None)


def test_broken_locks(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.broken = [BrokenItem(lock=3, fence=4, user="ann", by="root", at_us=0, reason="stuck\x1b[2J")]
    assert commands.dispatch(["locks", "--broken"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["LOCK", "FENCE", "USER", "BROKEN", "BY", "WHEN", "REASON"]
    assert "stuck\\x1b[2J" in lines[1]
    assert commands.dispatch(["locks", "--broken", "--json"]) == 0
    [broken] = json.loads(capsys.readouterr().out)["broken"]
    assert (broken["lock"], broken["by"], broken["at"]) == (3, "root", "1970-01-01T00:00:00.000000Z")


def test_places() -> None:
    assert [ordinal(place) for place in (1, 2, 3, 4, 11, 12, 13, 21, 101, 111, 4096)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th", "4,096th",
    ]  # fmt: skip


def test_breaking_a_lock(client: FakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch(["unlock", "7", "--break", "--reason", "stuck"]) == 0
    assert client.asked == [(7, "stuck")]
    assert capsys.readouterr().out == "lock 7 is broken\n"


def test_giving_back_what_the_environment_shows(
    client: FakeClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAIRN_LOCK", f"6.1.1.{'0' * 32},7.2.1.{TOKEN}")
    assert commands.dispatch(["unlock", "7"]) == 0
    [request] = client.asked
    assert isinstance(request, ReleaseRequest)
    assert [(one.lock, one.token) for one in request.locks] == [(7, TOKEN)]
    assert capsys.readouterr().out == "lock 7 is given back\n"


def test_a_lock_that_is_not_shown_is_not_given_back(
    client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = complaint("unlock", "7")
    assert isinstance(error, Forbidden)
    assert error.exit_status == exits.NOT_ALLOWED
    assert "cairn unlock 7 --break" in error.hint
    monkeypatch.setenv("CAIRN_LOCK", f"7.2.1.{TOKEN}extra")
    error = complaint("unlock", "7")
    assert isinstance(error, BadRequest)
    assert TOKEN not in exits.line_of(error)
    assert client.asked == []
