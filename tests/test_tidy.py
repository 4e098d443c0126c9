"""The house is kept: every rule of `house.py` over every module, and no private place named anywhere.

Each rule is shown violations that it must find and innocents that it must pass, so that no rule can
rot into always saying yes.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI, TestPyPI

from tests.house import (
    FILE_LINES,
    FUNCTION_LINES,
    LONGER,
    RULES,
    SEES,
    Module,
    Rule,
    core_is_pure,
    decisions_do_not_wait,
    files_are_small,
    functions_are_small,
    headers_are_there,
    imports_point_down,
    libraries_stay_hidden,
    names_say_something,
    only_the_command_line_prints,
    sql_has_its_rooms,
    time_comes_from_the_clock,
)

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "cairnfs"

LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
LONG_METHOD = "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES
VIOLATIONS: tuple[tuple[Rule, str, str], ...] = (
    (imports_point_down, "core/a.py", "import cairnfs.wire.names"),
    (imports_point_down, "core/a.py", "from cairnfs.clock import Clock"),
    (imports_point_down, "ids.py", "from cairnfs import errors"),
    (imports_point_down, "wire/a.py", "def f():\n    from cairnfs import net"),
    (imports_point_down, "metadata/ops/a.py", "from cairnfs.net.calls import Calls"),
    (imports_point_down, "control/app.py", "from cairnfs.fileserver.app import make"),
    (imports_point_down, "fileserver/app.py", "import cairnfs.control"),
    (imports_point_down, "client/a.py", "from cairnfs import connect"),
    (imports_point_down, "client/a.py", "from cairnfs.testing import clock"),
    (imports_point_down, "local/up.py", "from cairnfs.control.app import make"),
    (imports_point_down, "attic/a.py", ""),
    (libraries_stay_hidden, "control/app.py", "import uvicorn"),
    (libraries_stay_hidden, "net/transport.py", "from uvicorn import Config"),
    (libraries_stay_hidden, "client/a.py", "import httptools"),
    (libraries_stay_hidden, "metadata/rows/a.py", "import sqlite3"),
    (libraries_stay_hidden, "metadata/driver.py", "from psycopg import sql"),
    (core_is_pure, "core/a.py", "from os import path"),
    (core_is_pure, "core/a.py", "import structlog"),
    (decisions_do_not_wait, "core/a.py", "async def f(): ..."),
    (decisions_do_not_wait, "metadata/ops/rename.py", "async def f():\n    await g()"),
    (time_comes_from_the_clock, "fileserver/a.py", "import time"),
    (time_comes_from_the_clock, "testing/a.py", "from time import monotonic"),
    (time_comes_from_the_clock, "control/a.py", "import datetime\nt = datetime.datetime.now(datetime.UTC)"),
    (time_comes_from_the_clock, "client/a.py", "t = asyncio.get_running_loop().time()"),
    (time_comes_from_the_clock, "client/a.py", "async def f(): await asyncio.sleep(0.5)"),
    (sql_has_its_rooms, "metadata/ops/a.py", "tx.run('select inode from dentry where parent = ?')"),
    (sql_has_its_rooms, "metadata/driver.py", "tx.run('BEGIN IMMEDIATE')"),
    (sql_has_its_rooms, "control/a.py", "q = f'''\n  INSERT INTO chunk VALUES ({x})'''"),
    (sql_has_its_rooms, "control/a.py", "q = 'with recursive up(i) as (select 1)'"),
    (files_are_small, "core/a.py", "x = 1\n" * (FILE_LINES + 1)),
    (functions_are_small, "core/a.py", LONG_FUNCTION),
    (functions_are_small, "core/a.py", LONG_METHOD),
    (names_say_something, "core/utils.py", ""),
    (names_say_something, "common/a.py", ""),
    (headers_are_there, "core/a.py", "x = 1"),
    (only_the_command_line_prints, "client/a.py", "print('here')"),
)  # fmt: skip
INNOCENTS: tuple[tuple[Rule, str, str], ...] = (
    (imports_point_down, "control/app.py", "from cairnfs.metadata.driver import Driver"),
    (imports_point_down, "net/serving.py", "from cairnfs import __version__, errors"),
    (imports_point_down, "cli/serve.py", "from cairnfs.control.app import make"),
    (imports_point_down, "cli/cat.py", "from cairnfs import connect"),
    (imports_point_down, "testing/cluster.py", "from cairnfs import control, fileserver"),
    (libraries_stay_hidden, "net/serving.py", "import uvicorn"),
    (libraries_stay_hidden, "metadata/databases/postgres.py", "import psycopg.sql"),
    (core_is_pure, "client/a.py", "import os"),
    (decisions_do_not_wait, "client/a.py", "async def f(): ..."),
    (time_comes_from_the_clock, "clock.py", "import time"),
    (time_comes_from_the_clock, "core/moment.py", "t = datetime.fromisoformat(text)"),
    (time_comes_from_the_clock, "client/a.py", "async def f(): await asyncio.sleep(0)"),
    (sql_has_its_rooms, "metadata/rows/a.py", "q = 'select 1 from clock'"),
    (sql_has_its_rooms, "control/a.py", '"""Select what lies below, from the top."""'),
    (sql_has_its_rooms, "control/a.py", "e = 'commit the change first'"),
    (files_are_small, "core/a.py", "x = 1\n" * FILE_LINES),
    (functions_are_small, "core/a.py", LONG_FUNCTION.removesuffix("    x = 1\n")),
    (names_say_something, "core/base_version.py", ""),
    (headers_are_there, "core/a.py", '"""What belongs here."""'),
    (only_the_command_line_prints, "cli/cat.py", "print('here')"),
)


def _told(entry: object) -> str:
    return getattr(entry, "__name__", "")


def sources() -> list[Module]:
    """Every Python file of the project, tracked or about to be."""
    files = [
        file for room in ("src", "tests", "bench", "demo") for file in sorted((ROOT / room).rglob("*.py"))
    ]
    return [Module(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files]


@pytest.mark.parametrize("rule", RULES, ids=_told)
def test_the_house_keeps(rule: Rule) -> None:
    findings = [finding for module in sources() for finding in rule(module)]
    assert not findings, "\n".join([rule.__doc__ or "", *findings])


@pytest.mark.parametrize(("rule", "path", "source"), VIOLATIONS, ids=_told)
def test_a_violation_is_found(rule: Rule, path: str, source: str) -> None:
    assert list(rule(Module(f"src/cairnfs/{path}", source)))


@pytest.mark.parametrize(("rule", "path", "source"), INNOCENTS, ids=_told)
def test_an_innocent_passes(rule: Rule, path: str, source: str) -> None:
    assert not list(rule(Module(f"src/cairnfs/{path}", source)))


def test_every_rule_is_shown_both() -> None:
    assert set(RULES) == {rule for rule, _, _ in VIOLATIONS} == {rule for rule, _, _ in INNOCENTS}


def test_every_room_is_in_the_table() -> None:
    rooms = {
        path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()
    }
    assert rooms - {"__init__", "__pycache__"} <= set(SEES)


def test_no_allowance_is_stale() -> None:
    there = set()
    for module in sources():
        there.add(module.path)
        names = [node.name for node in ast.walk(module.tree) if hasattr(node, "name")]
        there.update(f"{module.path}::{name}" for name in names)
    assert set(LONGER) <= there
    assert all(LONGER.values()), "each allowance gives its reason"


def installers_places() -> set[str]:
    """Hosts and folders from which this machine's pip installs, asked of pip; none is written here."""
    configuration = Configuration(isolated=False)
    configuration.load()
    urls = {PyPI.url, TestPyPI.url, PyPI.file_storage_domain, TestPyPI.file_storage_domain}
    for key, value in configuration.items():
        if key.split(".")[-1] in ("index-url", "extra-index-url", "find-links", "trusted-host"):
            urls.update(str(value).split())
    places = set()
    for url in urls:
        parts = urlsplit(url if "//" in url else f"//{url}" if "/" not in url else f"file://{url}")
        place = parts.path.rstrip("/") if parts.scheme == "file" else parts.netloc.rpartition("@")[2]
        if place not in ("", "localhost", "127.0.0.1", "[::1]"):
            places.add(place)
    return places


def private_paths() -> set[str]:
    """Where this clone and its owner's home happen to lie: true of this machine alone."""
    ordinary = {Path("/"), Path(tempfile.gettempdir()).resolve()}
    # A clone right below "/" has a name that may be anybody's, as /cairn or /src.
    clone = {ROOT} if len(ROOT.parts) > 2 else set()
    return {f"{path}/" for path in clone | {Path.home().resolve()} if path not in ordinary}


def names_a_place(content: bytes, place: str) -> bool:
    """Whether the content names this host or path; a path counts from its beginning only."""
    start = rb"(?:(?<=//)|(?<![\w./-]))" if place.startswith("/") else b""
    return re.search(start + re.escape(place.encode()), content) is not None


def test_no_tracked_file_names_an_installers_place_or_a_private_path() -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git clone")
    places = installers_places() | private_paths()
    tracked = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    findings = [
        f"{file.relative_to(ROOT)}: {place}"
        for file in tracked
        if file.is_file()
        for place in places
        if names_a_place(file.read_bytes(), place)
    ]
    assert not findings


def test_a_named_place_is_found() -> None:
    host = urlsplit(PyPI.url).netloc
    assert host in installers_places()
    assert names_a_place(f"see https://{host}/simple".encode(), host)
    assert names_a_place(b"kept in /home/ann/cairn/x", "/home/ann/cairn/")
    assert names_a_place(b"file:///home/ann/cairn/x", "/home/ann/cairn/")
    assert not names_a_place(b"kept in /srv/home/ann/cairn/x", "/home/ann/cairn/")
