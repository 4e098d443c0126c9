"""What the machine asks for: any operation, mostly on what exists, or on a new name where one can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from cairnfs.core.manifest import Chunk
from cairnfs.testing.ledger import (
    attributes_of,
    chattr,
    chunk,
    copy,
    link,
    mkdir,
    remove,
    rename,
    setxattr,
    symlink,
    write,
)
from cairnfs.wire.commits import Attributes, Operation
from tests.model.nodes import Path, Tree

CONTENTS: list[list[Chunk]] = [
    [],
    [chunk(b"one")],
    [chunk(b"two"), chunk(b"one")],
    [chunk(b"two"), chunk(b"two")],
    [chunk(b"three")] * 300,
]
NAMES = ["a", "b", "c"]
VERBS = [
    *["write"] * 4, *["mkdir"] * 3, *["remove"] * 3, *["rename"] * 4, *["symlink"] * 2, *["link"] * 3,
    *["chattr"] * 4, "setxattr", *["copy"] * 2,
]  # fmt: skip
MODES = [0o755, 0o777, 0o700, 0o000, 0o1777, 0o2775, 0o6755, 0o644, 0o640, 0o707, 0o733]
XATTRS: list[dict[bytes, bytes]] = [
    {},
    {b"user.a": b"1"},
    {b"user.a": b"2", b"user.b": b""},
    {b"trusted.t": b"x", b"user.a": b"1"},
    {b"security.s": b"y"},
]

flags = st.booleans()
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(
    lambda names: "".join(f"/{n}" for n in names)
)


def seldom(often: int = 5) -> st.SearchStrategy[bool]:
    """True once in so many times."""
    return st.sampled_from([False] * (often - 1) + [True])


def some_attributes() -> st.SearchStrategy[Attributes]:
    """Any attributes, most of which most people may set."""
    return st.builds(
        _attributes,
        mode=st.one_of(st.none(), st.sampled_from(MODES)),
        owner=st.sampled_from([None] * 6 + ["admin", "ann", "bob", "nobody"]),
        group=st.sampled_from([None] * 6 + ["ann", "bob", "staff", "staff", "nothing"]),
        time=st.sampled_from([None, None, None, (5, 0), (1_000_000, 999), "now"]),
        xattrs=st.one_of(st.none(), st.none(), st.sampled_from(XATTRS)),
        lenient=flags,
    )


def _attributes(time: Any, **rest: Any) -> Attributes:
    if time == "now":
        return attributes_of(mtime_now=True, **rest)
    if time is None:
        return attributes_of(**rest)
    return attributes_of(mtime_us=time[0], mtime_sub_ns=time[1], **rest)


class Asking:
    """Draws operations on a tree whose top is called `top`; `gone` are ETags that were true once."""

    def __init__(
        self, data: st.DataObject, tree: Tree, top: str, gone: Sequence[str], commits: Sequence[int]
    ) -> None:
        self.draw: Callable[..., Any] = data.draw
        self.tree = tree
        self.top = top
        self.gone = gone
        self.commits = commits
        inside = ["", *tree.paths("directory", "symlink")]
        self.fresh = st.builds(
            lambda up, name: f"{up}/{name}", st.sampled_from(inside), st.sampled_from(NAMES)
        )
        known = tree.paths()
        new = [path for path in known if tree.node(path).etag is None]
        there = st.sampled_from(known) if known else self.fresh
        self.there = st.one_of(st.sampled_from(new), there) if new else there
        files = tree.paths("file", "symlink")
        self.files = st.sampled_from(files) if files else self.there
        self.inside = inside

    def operation(self) -> Operation:
        """One of them."""
        draw = self.draw
        verb = draw(st.sampled_from(VERBS), "verb")
        if verb in ("write", "mkdir", "symlink"):
            path = draw(st.one_of(self.fresh, self.fresh, self.there, paths), "path")
        elif verb in ("link", "copy"):
            path = draw(st.one_of(self.files, self.files, self.files, self.fresh, self.there), "path")
        else:
            path = draw(st.one_of(self.there, self.there, self.there, self.fresh), "path")
        made: Operation = getattr(self, f"_{verb}")(path)
        return made

    def _version(self, path: Path) -> str | None:
        present = self.tree.node(path).etag if path in self.tree.names else None
        version: str | None = self.draw(st.sampled_from([None] * 6 + [present, *self.gone[-1:]]), "expected")
        return version

    def _some(self) -> Attributes | None:
        given: Attributes | None = self.draw(st.one_of(st.none(), st.none(), some_attributes()), "attributes")
        return given

    def _write(self, path: Path) -> Operation:
        none = self.draw(st.sampled_from([None, None, "none"]), "none")
        content = self.draw(st.sampled_from(CONTENTS), "content")
        return write(
            path,
            *content,
            expected=self._version(path) or none,
            parents=self.draw(flags, "parents"),
            mode=self.draw(st.sampled_from([None, None, *MODES]), "mode"),
            attributes=self._some(),
            follow=self.draw(flags, "follow"),
        )

    def _mkdir(self, path: Path) -> Operation:
        return mkdir(
            path,
            parents=self.draw(flags, "parents"),
            mode=self.draw(st.sampled_from([None, 0o777, *MODES]), "mode"),
            attributes=self._some(),
        )

    def _symlink(self, path: Path) -> Operation:
        somewhere = self.draw(st.one_of(self.there, self.fresh, paths, st.just("")), "somewhere")
        target = self.draw(
            st.sampled_from(
                [
                    self.top + somewhere,
                    self.top + somewhere,
                    self.top + somewhere + "/",
                    somewhere.rpartition("/")[2] or ".",
                    ".",
                    "..",
                    "../a",
                    "b/../c",
                    "a//./b/",
                    f"{self.top}/./{path[1:]}",
                ]
            ),
            "target",
        )
        return symlink(
            path,
            target,
            replace=self.draw(flags, "replace"),
            parents=self.draw(flags, "parents"),
            attributes=self._some(),
        )

    def _link(self, path: Path) -> Operation:
        target = self.draw(st.one_of(self.fresh, self.fresh, self.there), "target")
        return link(path, target, follow=self.draw(flags, "follow"), replace=self.draw(flags, "replace"))

    def _chattr(self, path: Path) -> Operation:
        policy = self.draw(st.sampled_from([None] * 5 + ["", "async", "all"]), "policy")
        made = chattr(path, follow=self.draw(flags, "follow"), policy=policy, expected=self._version(path))
        return msgspec.structs.replace(made, attributes=self.draw(some_attributes(), "attributes"))

    def _setxattr(self, path: Path) -> Operation:
        create = self.draw(seldom(), "create")
        return setxattr(
            path,
            self.draw(st.sampled_from(["user.a", "user.a", "user.b", "trusted.t", "security.s"]), "name"),
            self.draw(st.sampled_from([None, b"1", b"2", b"x"]), "value"),
            create=create,
            replace=not create and self.draw(seldom(), "replace"),
            follow=self.draw(flags, "follow"),
        )

    def _copy(self, path: Path) -> Operation:
        at = self.draw(st.sampled_from([None, None, *self.commits[-3:]]), "at")
        none = self.draw(st.sampled_from([None, None, None, "none"]), "none")
        return copy(
            path,
            self.draw(st.one_of(self.fresh, self.there), "target"),
            at=at,
            follow=self.draw(flags, "follow"),
            preserve=self.draw(flags, "preserve"),
            replace=self.draw(flags, "replace"),
            parents=self.draw(flags, "parents"),
            expected=none,
        )

    def _remove(self, path: Path) -> Operation:
        recursive = self.draw(st.integers(0, 3), "recursive") > 0
        return remove(path, recursive=recursive, expected=self._version(path))

    def _rename(self, path: Path) -> Operation:
        inner = [path, *(other for other in self.inside if other.startswith(f"{path}/"))]
        below = st.builds(lambda up, name: f"{up}/{name}", st.sampled_from(inner), st.sampled_from(NAMES))
        target = self.draw(st.one_of(self.fresh, self.fresh, self.there, below), "target")
        return rename(path, target, replace=self.draw(flags, "replace"), expected=self._version(path))
