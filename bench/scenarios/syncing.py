"""Whole trees by whole commands: what `cairn publish`, `get` and `put` take, their start included.

Beside them stand `cp -a` and `rsync -a` to a local directory, which keep one copy and promise no fsync, and
whatever is mounted where `--beside` says, by the same commands. What was moved is compared afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from bench import commands
from bench.figures import MARKS, Figure
from bench.limits import Yardstick
from bench.samples import Runs
from bench.scenarios.trees import FILE_BYTES
from bench.site import MIB, Outcome, Site

_EDITED_BYTES = 256 * MIB
_MB = 1e6


def small_files(site: Site) -> list[Figure]:
    """A directory of small files: got when nothing is here, got again, published with one changed."""
    count = site.scale.entries
    local, remote = site.directory / "small", "/bench/small"
    # Where many files were just removed a local system takes long to make others: each run has a new place.
    copies = [site.directory / f"small-copy-{number}" for number in range(site.scale.repeats)]
    site.crew.ask("make_tree", local=str(local), prefix="f", count=count, size=FILE_BYTES)
    site.crew.ask("mkdir", path="/bench")
    told(site, "publish", str(local), remote)

    def cold(number: int) -> Outcome:
        ran, said = told(site, "get", "-r", remote, str(copies[number]))
        assert said["received_bytes"] == count * FILE_BYTES, said
        return outcome(ran, count)

    def unchanged(_: int) -> Outcome:
        ran, said = told(site, "get", "-r", f"{remote}/.", str(copies[-1]))
        assert said["received_bytes"] == 0, said
        return outcome(ran, count)

    def one_changed(number: int) -> Outcome:
        Path(local, f"f{number:06d}").write_bytes(os.urandom(FILE_BYTES))
        ran, said = told(site, "publish", str(local), remote)
        assert said["sent_bytes"] == FILE_BYTES, said
        return Outcome(ran.seconds, 1, [], {})

    name = f"{count:,} files"
    figures = [
        site.figure(f"get {name}, cold", "files/s", cold, by="cairn", beside=site.limits.creates(count)),
        site.figure(
            f"get {name}, unchanged", "files/s", unchanged, by="cairn", beside=site.limits.scan(local)
        ),
        site.figure(f"publish, 1 of {name} changed", "s", one_changed, by="cairn"),
    ]
    _alike(local, copies[-1], but_for=site.scale.repeats)
    figures += _beside(site, local, name, count)
    _remove(local, *copies)
    return figures


def edits(site: Site) -> list[Figure]:
    """What of a large file is sent when little of it is new."""
    local, remote = site.directory / "edited", "/bench/edited"
    site.crew.ask("mkdir", path="/bench")
    content = bytearray(os.urandom(_EDITED_BYTES))
    local.write_bytes(content)
    told(site, "put", str(local), remote)
    sent: dict[str, list[float]] = {"one byte in the middle of": [], "insertion at the start of": []}
    for _ in range(site.scale.repeats):
        for what, values in sent.items():
            if what.startswith("one"):
                content[len(content) // 2] ^= 1
            else:
                content[:0] = os.urandom(100)
            local.write_bytes(content)
            _, said = told(site, "put", str(local), remote)
            values.append(said["sent_bytes"] / _MB)
    local.unlink()
    return [
        Figure(name, "cairn", "MB", Runs(tuple(values)), mark=MARKS.get(name))
        for what, values in sent.items()
        for name in [f"{what} {_EDITED_BYTES // MIB} MiB: sent"]
    ]


def real_trees(site: Site) -> list[Figure]:
    """Python's own library and a work tree of git, in and out, with all that stands beside content."""
    site.crew.ask("mkdir", path="/bench")
    figures = []
    for name, tree in _real(site):
        count = sum(len(files) for _, _, files in os.walk(tree))
        back = site.directory / "back"

        def into(number: int, name: str = name, tree: Path = tree, count: int = count) -> Outcome:
            return outcome(told(site, "put", "-r", "-a", str(tree), f"/bench/{name}-{number}")[0], count)

        def out(number: int, name: str = name, count: int = count, back: Path = back) -> Outcome:
            shutil.rmtree(back, ignore_errors=True)
            return outcome(told(site, "get", "-r", "-a", f"/bench/{name}-{number}", str(back))[0], count)

        beside = _copies(site, tree, count)
        note = f"{count:,} files"
        figures.append(site.figure(f"{name}: in", "files/s", into, by="cairn", beside=beside, note=note))
        figures.append(site.figure(f"{name}: out", "files/s", out, by="cairn", beside=beside, note=note))
        _alike(tree, back)
        _remove(back)
    return figures


def told(site: Site, *words: str) -> tuple[commands.Ran, dict[str, Any]]:
    """Run a `cairn` command; what it said of itself."""
    said = site.directory / "said.json"
    ran = commands.run(
        site.cluster.command(words[0], "--json", *words[1:]),
        site.cluster.environment,
        site.directory / "clients.log",
        keep=said,
    )
    document: dict[str, Any] = json.loads(ran.output)
    return ran, document


def outcome(ran: commands.Ran, count: int) -> Outcome:
    """So many files by one command."""
    return Outcome(count / ran.seconds, count, [], {})


def _real(site: Site) -> list[tuple[str, Path]]:
    library = site.directory / "library"
    kept = shutil.ignore_patterns("site-packages", "__pycache__", "test")
    shutil.copytree(sysconfig.get_path("stdlib"), library, symlinks=True, ignore=kept)
    found = [("python-library", library)]
    home = Path(__file__).parents[2]
    if (home / ".git").exists() and shutil.which("git"):
        work = site.directory / "work"
        subprocess.run(["git", "clone", "-q", str(home), str(work)], check=True, capture_output=True)
        found.append(("git-work-tree", work))
    return found


def _beside(site: Site, local: Path, name: str, count: int) -> list[Figure]:
    """The same files by others."""
    figures = []
    for place, directory in (("local", site.directory), *site.beside):
        for tool, command in _tools():
            target = directory / "cairn-bench-copy"

            def copy(_: int, command: list[str] = command, target: Path = target) -> Outcome:
                shutil.rmtree(target, ignore_errors=True)
                return outcome(_ran(site, [*command, f"{local}/", str(target)]), count)

            def again(_: int, command: list[str] = command, target: Path = target) -> Outcome:
                return outcome(_ran(site, [*command, f"{local}/", str(target)]), count)

            by = f"{tool}, {place}"
            figures.append(site.figure(f"copy {name}", "files/s", copy, by=by))
            if tool == "rsync -a":
                figures.append(site.figure(f"copy {name}, unchanged", "files/s", again, by=by))
            _remove(target)
    return figures


def _tools() -> list[tuple[str, list[str]]]:
    tools = [("cp -a", ["cp", "-a", "-T"]), ("rsync -a", ["rsync", "-a"])]
    return [(name, command) for name, command in tools if shutil.which(command[0])]


def _copies(site: Site, tree: Path, count: int) -> Yardstick:
    def take() -> float:
        target = site.directory / "copied"
        ran = _ran(site, ["cp", "-a", "-T", str(tree), str(target)])
        _remove(target)
        return count / ran.seconds

    return Yardstick("cp -a to a local directory", take)


def _ran(site: Site, command: list[str]) -> commands.Ran:
    return commands.run(command, os.environ, site.directory / "clients.log")


def _alike(one: Path, other: Path, *, but_for: int = 0) -> None:
    """Compare two local trees; so many files may differ."""
    found = subprocess.run(
        ["diff", "-rq", "--no-dereference", str(one), str(other)], capture_output=True, text=True, check=False
    )
    differences = found.stdout.splitlines()
    assert len(differences) <= but_for, differences[:5]


def _remove(*trees: Path) -> None:
    for tree in trees:
        shutil.rmtree(tree, ignore_errors=True)
