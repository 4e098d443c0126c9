"""The law of locks, told in scripts: `scenarios/*.txt`. The first of them says how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from cairnfs.core.locks.request import Owner, Request, keys_of
from cairnfs.core.locks.table import Table
from cairnfs.errors import Deadlock, Locked, NotSoleHolder
from tests.unit.core.locks.toy import Toy

SCRIPTS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
LINE = re.compile(r"(?P<who>\S+) (?P<verb>\w+)(?P<rest>[^>]*?) +-> (?P<comes>.*)")


class Play:
    """One script being played."""

    def __init__(self, tree: Toy) -> None:
        self.tree = tree
        self.table = Table()
        self.paths: dict[int, str] = {}

    def line(self, who: Owner, verb: str, words: list[str]) -> str:
        """What comes of a line."""
        paths = [word for word in words if word.startswith("/")]
        if verb == "ends":
            return self.turns(self.table.end([who]))
        if verb in ("asks", "tries"):
            return self.ask(who, paths, words, wait=verb == "asks")
        said = " ".join(paths)
        own = [number for number, one in self.table.requests.items() if one.owner == who]
        number = max(one for one in own if self.paths[one] == said)
        if verb == "releases":
            return self.turns(self.table.release([number]))
        assert verb == "upgrades", verb
        try:
            return "held" if self.table.upgrade(number).held else "waits"
        except NotSoleHolder:
            return "not alone"
        except Deadlock:
            return self.circle(who, self.waiting(who), number)

    def ask(self, who: Owner, paths: list[str], words: list[str], *, wait: bool) -> str:
        exclusive, subtree = "shared" not in words, "subtree" in words
        spots = [self.tree.spot(path) for path in paths]
        asked = Request(10**9, who, exclusive, subtree, keys_of(spots))
        try:
            request = self.table.ask(who, spots, exclusive=exclusive, subtree=subtree, wait=wait)
        except Locked:
            return f"locked by {names(self.table.blockers(asked)[:1])}"
        except Deadlock:
            return self.circle(who, [asked])
        self.paths[request.number] = " ".join(paths)
        return "held" if request.held else f"waits for {names(self.table.blockers(request))}"

    def circle(self, who: Owner, asked: list[Request], upgraded: int = 0) -> str:
        before = self.table.requests.get(upgraded)
        if before is not None:
            self.table.requests[upgraded] = Request(
                upgraded, who, True, before.subtree, before.keys, before.fence
            )
        found = self.table.circle(asked)
        assert found is not None
        if before is not None:
            self.table.requests[upgraded] = before
        return "circle " + " ".join(wait.waits for wait in found)

    def waiting(self, who: Owner) -> list[Request]:
        return [one for one in self.table.requests.values() if one.owner == who and not one.held]

    def turns(self, granted: list[Request]) -> str:
        return ", ".join(f"{one.owner} {self.paths[one.number]}" for one in granted) or "nobody"


def names(requests: Iterable[Request]) -> str:
    return " ".join(dict.fromkeys(one.owner for one in requests))


def tree_of(script: Path) -> Toy:
    said = re.search(r"^tree (.*)$", script.read_text(), re.MULTILINE)
    assert said is not None, f"{script} says no tree"
    return Toy.of(*said[1].split())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_script_comes_true(script: Path) -> None:
    play = Play(tree_of(script))
    for number, line in enumerate(script.read_text().splitlines(), 1):
        if not line.strip() or line.startswith(("#", "tree ")):
            continue
        match = LINE.fullmatch(line)
        assert match is not None, f"{script.name}:{number}: cannot be read: {line}"
        came = play.line(Owner(match["who"]), match["verb"], match["rest"].split())
        assert came == match["comes"], f"{script.name}:{number}: {line}"
