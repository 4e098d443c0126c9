"""Files for a scenario to work on: a local tree, published."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from bench.site import Site

FILE_BYTES = 4096


def files(site: Site, count: int, name: str = "files") -> tuple[str, list[str]]:
    """A new directory `/bench/NAME` of `count` files of 4 KiB: its path, and their names."""
    local = site.directory / name
    remote = f"/bench/{name}"
    site.say(f"preparing {count:,} files")
    site.crew.ask("make_tree", local=str(local), prefix="f", count=count, size=FILE_BYTES)
    site.crew.ask("mkdir", path="/bench")
    site.crew.ask("put_tree", local=str(local), remote=remote)
    names = sorted(path.name for path in local.iterdir())
    shutil.rmtree(local)
    return remote, names


def shares(names: Sequence[str], clients: int) -> list[list[str]]:
    """The names dealt out to so many clients, evenly."""
    return [list(names[client::clients]) for client in range(clients)]
