"""The house rules that a machine can check: who imports whom, sizes, names, bans.

Each rule is a function from one module to its findings. What belongs here: the rules and their
tables, exceptions with their reasons included. What does not: running them (`test_tidy.py`), and
whatever ruff and mypy check already.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 70
#: What may be longer and why: "src/cairnfs/x.py" for a file, "src/cairnfs/x.py::name" for a function.
LONGER: dict[str, str] = {}

FLOOR = frozenset({"errors", "ids", "clock"})
_UP_TO_NET = FLOOR | {"core", "wire", "net"}
_UP_TO_CLIENT = _UP_TO_NET | {"client"}
#: Imports point down only: each room, and the rooms it may import. "face" is cairnfs/__init__.py.
SEES: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "ids": frozenset(),
    "clock": frozenset(),
    "core": FLOOR - {"clock"},
    "wire": FLOOR | {"core"},
    "net": FLOOR | {"core", "wire"},
    "metadata": FLOOR | {"core", "wire"},
    "control": _UP_TO_NET | {"metadata"},
    "fileserver": _UP_TO_NET,
    "client": _UP_TO_NET,
    "gateways": _UP_TO_CLIENT,
    "local": _UP_TO_CLIENT,
    "face": _UP_TO_CLIENT,
    "cli": _UP_TO_CLIENT | {"face", "gateways", "local"},
}
SEES["testing"] = frozenset(SEES)
#: Where a process is put together it must name what it is made of.
DOORSTEPS = {"cli/serve.py": frozenset({"control", "fileserver"})}

#: Libraries that one place hides from the rest. `testing` may reach behind them: it breaks things.
HIDDEN = {
    "uvicorn": ("net/serving",),
    "httptools": ("net/",),
    # A fileserver's index of its own segments is a file of SQLite too (docs/design/0004-chunk-store.md).
    # So is a client's record of its local trees (docs/design/0019-publish-and-the-local-record.md).
    "sqlite3": ("metadata/databases/", "fileserver/table", "client/record/table"),
    "psycopg": ("metadata/databases/",),
}
#: What pure rules have no business with.
IMPURE = frozenset(
    {
        "asyncio",
        "httptools",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "structlog",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "uvicorn",
    }
)
COLOURLESS = ("core/", "metadata/ops/", "metadata/rows/")
SPEAKS_SQL = ("metadata/rows/", "metadata/databases/", "metadata/migrations/", "metadata/verify/",
              "metadata/schema", "fileserver/table", "client/record/table", "testing/")  # fmt: skip
SQL = re.compile(
    r"\s*(?i:select\s.+\sfrom\s|insert\s+(or\s+\w+\s+)?into\s|update\s+\w+\s+set\s|delete\s+from\s+\w+\s*($|where\s)"
    r"|(create|drop|alter)\s+(unique\s+)?(table|index|view)\s|with\s+(recursive\s+)?\w+(\(.*\))?\s+as\s*\()"
    r"|\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|PRAGMA|SELECT|VALUES)\b",
    re.DOTALL,
)
NAMELESS = frozenset(
    {"base", "bases", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
)


@dataclass(frozen=True)
class Module:
    """One source file. `path` is relative to the repository, with slashes."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @property
    def inner(self) -> str:
        """The path inside the package, or "" for a file that is not of the package."""
        head, found, tail = self.path.partition("src/cairnfs/")
        return tail if found and not head else ""

    @property
    def room(self) -> str:
        first = self.inner.split("/")[0].removesuffix(".py")
        return "face" if first == "__init__" else first

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of everything imported, wherever in the file it is written."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names)


Rule = Callable[[Module], Iterator[str]]


def imports_point_down(module: Module) -> Iterator[str]:
    """A room imports only rooms below it."""
    if not module.inner:
        return
    if module.room not in SEES:
        yield f"{module.path}: no such room in the house: {module.room}"
        return
    allowed = SEES[module.room] | {module.room} | DOORSTEPS.get(module.inner, frozenset())
    for line, name in module.imports():
        package, _, rest = name.partition(".")
        if package != "cairnfs" or rest == "__version__":
            continue
        first = rest.split(".")[0]
        room = first if first in SEES else "face"
        if room not in allowed:
            yield f"{module.path}:{line}: {module.room} imports {room}"


def libraries_stay_hidden(module: Module) -> Iterator[str]:
    """uvicorn, httptools and the database drivers are each imported in one place."""
    if not module.inner or module.room == "testing":
        return
    for line, name in module.imports():
        places = HIDDEN.get(name.split(".")[0])
        if places and not module.inner.startswith(places):
            yield f"{module.path}:{line}: imports {name.split('.')[0]}, which belongs to {places[0]}"


def core_is_pure(module: Module) -> Iterator[str]:
    """The rules of `core` reach for nothing outside."""
    if module.room == "core":
        for line, name in module.imports():
            if name.split(".")[0] in IMPURE:
                yield f"{module.path}:{line}: core imports {name}"


def decisions_do_not_wait(module: Module) -> Iterator[str]:
    """One colour: rules, operations and rows are synchronous."""
    if module.inner.startswith(COLOURLESS):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                yield f"{module.path}:{node.lineno}: async where all is synchronous"


def time_comes_from_the_clock(module: Module) -> Iterator[str]:
    """Nobody but clock.py reads or waits for time, so that tests can move it."""
    if not module.inner or module.inner == "clock.py":
        return
    for line, name in module.imports():
        if name.split(".")[0] == "time":
            yield f"{module.path}:{line}: imports time"
    for node in ast.walk(module.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, attribute = ast.unparse(node.func.value), node.func.attr
        today = attribute in ("now", "utcnow", "today") and owner.split(".")[-1] in ("datetime", "date")
        loop = attribute == "time" and re.search(r"loop(\(\))?$", owner)
        nap = attribute == "sleep" and owner == "asyncio" and ast.unparse(node.args[0]) != "0"
        if today or loop or nap:
            yield f"{module.path}:{node.lineno}: {owner}.{attribute} instead of the clock"


def sql_has_its_rooms(module: Module) -> Iterator[str]:
    """Statements are written in `rows` and below, nowhere else."""
    if not module.inner or module.inner.startswith(SPEAKS_SQL):
        return
    prose = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(module.tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if SQL.match(text) and id(node) not in prose:
            yield f"{module.path}: SQL: {' '.join(text.split())[:40]}..."


def files_are_small(module: Module) -> Iterator[str]:
    """At most 400 lines a file."""
    lines = len(module.source.splitlines())
    if lines > FILE_LINES and module.path not in LONGER:
        yield f"{module.path}: {lines} lines"


def functions_are_small(module: Module) -> Iterator[str]:
    """At most 70 lines a function, docstring included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES and f"{module.path}::{node.name}" not in LONGER:
                yield f"{module.path}:{node.lineno}: {node.name} has {lines} lines"


def names_say_something(module: Module) -> Iterator[str]:
    """No module is named for being useful."""
    for part in Path(module.path).with_suffix("").parts:
        if part in NAMELESS:
            yield f"{module.path}: {part} says nothing"


def headers_are_there(module: Module) -> Iterator[str]:
    """Every module says what belongs in it."""
    if not ast.get_docstring(module.tree):
        yield f"{module.path}: no docstring"


def only_the_command_line_prints(module: Module) -> Iterator[str]:
    """The package speaks through return values, errors and the log."""
    if not module.inner or module.room == "cli":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{module.path}:{node.lineno}: prints"


RULES: tuple[Rule, ...] = (
    imports_point_down,
    libraries_stay_hidden,
    core_is_pure,
    decisions_do_not_wait,
    time_comes_from_the_clock,
    sql_has_its_rooms,
    files_are_small,
    functions_are_small,
    names_say_something,
    headers_are_there,
    only_the_command_line_prints,
)
