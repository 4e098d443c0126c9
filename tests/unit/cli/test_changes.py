"""Changing attributes of trees, in commits of bounded size, while others change the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from cairnfs.cli import changes as module
from cairnfs.cli.changes import Changes
from cairnfs.errors import Forbidden, NotFound
from cairnfs.wire.commits import Attributes, SetAttributes
from cairnfs.wire.directory import Entry


def entry(name: str, kind: Any = "file", mode: int = 0o644) -> Entry:
    return Entry(
        name=name,
        kind=kind,
        inode=1,
        etag="1.1.1",
        commit=1,
        size=0,
        mode=mode,
        owner="ann",
        group="ann",
        mtime_us=0,
    )


class Tree:
    """A stand-in for a client: paths, and which of them may be listed."""

    def __init__(self, paths: dict[bytes, Entry]) -> None:
        self.paths = paths
        self.commits: list[Sequence[SetAttributes]] = []
        self.connection = self
        self.control = self

    def inside(self) -> tuple[Tree, Tree]:
        return self, self

    def call(self, reply: Any) -> Any:
        return reply

    def stat_many(self, paths: Any, *, follow: bool) -> Sequence[Any]:
        return [self.paths.get(bytes(path), NotFound("no such file or directory")) for path in paths]

    def list(self, path: bytes) -> Iterator[Entry]:
        if not self.paths[path].mode & 0o400:
            raise Forbidden("may not")
        for inner, found in sorted(self.paths.items()):
            if inner != path and inner.rpartition(b"/")[0] == path:
                yield found

    def commit(self, control: Any, operations: Sequence[SetAttributes]) -> Any:
        paths = [one.path.encode() for one in operations]
        for path in paths:
            if path not in self.paths:
                raise NotFound("no such file or directory")
        for path, one in zip(paths, operations, strict=True):
            present = self.paths[path]
            assert one.attributes.mode is not None
            self.paths[path] = entry(present.name, present.kind, one.attributes.mode)
        self.commits.append(operations)
        return type("Reply", (), {"commit": len(self.commits)})


@contextmanager
def tree_of(paths: dict[bytes, Entry], monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    tree = Tree(paths)
    monkeypatch.setattr(module, "commit", tree.commit)
    yield tree


def to_700(found: Entry) -> Attributes | None:
    return None if found.kind == "symlink" or found.mode == 0o700 else Attributes(mode=0o700)


def test_a_tree_takes_a_commit_for_each_thousand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {b"/d": entry("d", "directory", 0o755)}
    paths |= {b"/d/%04d" % number: entry(f"{number:04d}") for number in range(2100)}
    paths[b"/d/link"] = entry("link", "symlink", 0o777)
    with tree_of(paths, monkeypatch) as tree:
        changes = Changes(tree, to_700, follow=True)  # type: ignore[arg-type]
        changes.add([b"/d"], recursive=True)
        assert [len(one) for one in tree.commits] == [1000, 1000, 101]
        assert changes.tell(verbose=False) == 0
        assert capsys.readouterr().out == "changed 2,101 paths in 3 commits, 1 to 3\n"
        assert tree.commits[0][0].follow
        assert not any(one.follow for one in tree.commits[0][1:])


def test_what_is_as_it_should_be_takes_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    with tree_of({b"/f": entry("f", mode=0o700)}, monkeypatch) as tree:
        Changes(tree, to_700, follow=True).add([b"/f"], recursive=True)  # type: ignore[arg-type]
        assert tree.commits == []


def test_what_goes_away_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {b"/d": entry("d", "directory", 0o755), b"/d/a": entry("a"), b"/d/b": entry("b")}
    with tree_of(paths, monkeypatch) as tree:
        changes = Changes(tree, to_700, follow=True)  # type: ignore[arg-type]
        listed = tree.list

        def list_then_remove(path: bytes) -> Iterator[Entry]:
            found = list(listed(path))
            tree.paths.pop(b"/d/a", None)
            return iter(found)

        tree.list = list_then_remove  # type: ignore[method-assign]
        changes.add([b"/d"], recursive=True)
        assert [[one.path for one in commit] for commit in tree.commits] == [["/d", "/d/b"]]


def test_a_directory_becomes_readable_by_the_change_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {b"/d": entry("d", "directory", 0o000), b"/d/f": entry("f")}
    with tree_of(paths, monkeypatch) as tree:
        changes = Changes(tree, to_700, follow=True)  # type: ignore[arg-type]
        changes.add([b"/d"], recursive=True)
        assert [[one.path for one in commit] for commit in tree.commits] == [["/d"], ["/d/f"]]
        assert changes.status == 0


def test_a_directory_that_stays_closed_is_told_of_and_the_rest_is_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {
        b"/d": entry("d", "directory", 0o755),
        b"/d/a": entry("a", "directory", 0o100),
        b"/d/b": entry("b"),
    }
    with tree_of(paths, monkeypatch) as tree:
        changes = Changes(tree, lambda found: to_700(found) if found.kind == "file" else None, follow=True)  # type: ignore[arg-type]
        changes.add([b"/d"], recursive=True)
        assert changes.tell(verbose=True) == 4
        said = capsys.readouterr()
        assert said.err == "cairn: /d/a: may not\n"
        assert said.out == "changed 1 path (commit 1)\n"


def test_nothing_is_changed_where_one_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with tree_of({b"/a": entry("a")}, monkeypatch) as tree:
        with pytest.raises(NotFound) as caught:
            Changes(tree, to_700, follow=True).add([b"/a", b"/gone"], recursive=False)  # type: ignore[arg-type]
        assert caught.value.path == "/gone"
        assert tree.commits == []


def test_what_was_done_before_a_refusal_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {b"/d": entry("d", "directory", 0o755)}
    paths |= {b"/d/%04d" % number: entry(f"{number:04d}") for number in range(1100)}
    with tree_of(paths, monkeypatch) as tree:
        commit = tree.commit

        def once(control: Any, operations: Sequence[SetAttributes]) -> Any:
            if tree.commits:
                raise Forbidden("only its owner", path="/d/1099")
            return commit(control, operations)

        monkeypatch.setattr(module, "commit", once)
        with pytest.raises(Forbidden) as caught:
            Changes(tree, to_700, follow=True).add([b"/d"], recursive=True)  # type: ignore[arg-type]
        assert caught.value.hint == "1,000 paths changed before, up to commit 1"


def test_a_directory_is_closed_after_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {
        b"/d": entry("d", "directory", 0o755), b"/d/a": entry("a", "directory", 0o600),
        b"/d/a/f": entry("f"), b"/d/b": entry("b", "directory", 0o700), b"/d/b/g": entry("g"),
    }  # fmt: skip
    with tree_of(paths, monkeypatch) as tree:
        Changes(tree, lambda found: Attributes(mode=0o600), follow=True).add([b"/d"], recursive=True)  # type: ignore[arg-type]
        (commit,) = tree.commits
        assert [one.path for one in commit] == ["/d/a", "/d/a/f", "/d/b/g", "/d/b", "/d"]
