"""Short stories for the machine: what chance alone would seldom tell, each of a rule that can be forgotten.

What belongs here: steps, by what the tree is. What does not: what must come of them (`dictionary`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st

from cairnfs.testing.ledger import chattr, link, mkdir, remove, rename, symlink, write
from cairnfs.wire.commits import Operation
from tests.model.asking import CONTENTS, NAMES, flags
from tests.model.nodes import Tree

#: Who commits what, with receipts or not; or a page of reaping.
Step = tuple[str, list[Operation], bool] | None
#: Batches of steps, each to be done in one tx.
Story = Callable[[st.DataObject, Tree, str], list[list[Step]]]


def overtaken(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """Somebody changes a file, and who expects its earlier version is refused."""
    path = data.draw(st.sampled_from(tree.paths("file")), "file")
    stale = tree.node(path).etag
    change = write(path, *data.draw(st.sampled_from(CONTENTS), "content"))
    late: list[Operation] = [
        write(path, *CONTENTS[1], expected=stale),
        remove(path, expected=stale),
        rename(path, path + "x", expected=stale),
    ]
    chosen = data.draw(st.sampled_from(late), "late")
    return _parted(data, [("admin", [change], True), ("admin", [chosen], True)])


def into_itself(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """A directory is moved to some place below itself, or below a symlink."""
    path = data.draw(st.sampled_from(tree.paths("directory")), "directory")
    inner = data.draw(st.sampled_from([path, *tree.below(path), *tree.paths("symlink")]), "inner")
    target = f"{inner}/{data.draw(st.sampled_from(NAMES), 'name')}"
    return [[("admin", [rename(path, target)], True)]]


def led_astray(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """A directory is moved below itself by way of a symlink to it, or to what is in it."""
    path = data.draw(st.sampled_from(tree.paths("directory")), "directory")
    inner = data.draw(st.sampled_from([path, *tree.below(path)]), "inner")
    steps: list[Operation] = [symlink("/s", top + inner, replace=True), rename(path, "/s/t")]
    return [[("admin", steps[:1], True), ("admin", steps[1:], True)]]


def led_elsewhere(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """A symlink that was followed leads elsewhere before it is followed again."""
    draw = partial(data.draw, st.sampled_from(tree.paths("directory")))
    asked: list[Operation] = [
        symlink("/s", top + draw("first"), replace=True),
        write("/s/t", *CONTENTS[1]),
        symlink("/s", top + draw("second"), replace=True),
        write("/s/u"),
    ]
    if data.draw(flags, "in one commit"):
        return [[("admin", asked, True)]]
    return [[("admin", [one], True) for one in asked]]


def renamed_by_links(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """A file gets another name, and loses the one that it had."""
    path = data.draw(st.sampled_from(tree.paths("file")), "file")
    asked: list[Operation] = [link(path, "/l", replace=True), remove(path), write("/l", *CONTENTS[2])]
    until = 2 + data.draw(flags, "again")
    return _parted(data, [("admin", asked[:1], True), ("admin", asked[1:until], True)])


def removed_and_reaped(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """A directory is removed with all below it, which ends long after."""
    path = data.draw(st.sampled_from(tree.paths("directory")), "directory")
    last: list[Step] = [("admin", [write("/r")], True), None, None]
    return [[("admin", [remove(path, recursive=True)], True)], last]


def shut_out(data: st.DataObject, tree: Tree, top: str) -> list[list[Step]]:
    """The rights to something change, and then somebody wants something of it, or of what is below."""
    path = data.draw(st.sampled_from(tree.paths()), "path")
    mode = data.draw(st.sampled_from([0o070, 0o050, 0o007, 0]), "mode")
    within = data.draw(st.sampled_from([path, *tree.below(path)]), "within")
    wanted: list[Operation] = [
        write(within, *CONTENTS[1]),
        write(f"{within}/a"),
        mkdir(f"{within}/b", parents=True),
        remove(within, recursive=True),
        chattr(within, mtime_now=True),
        rename(within, "/t"),
    ]
    asked = data.draw(st.sampled_from(wanted), "wanted")
    who = data.draw(st.sampled_from(["ann", "bob"]), "who")
    shut = chattr(path, mode=mode, owner="admin", group="staff", follow=False)
    return [[("admin", [shut], True), (who, [asked], data.draw(flags, "receipts"))]]


STORIES: tuple[Story, ...] = (
    overtaken,
    into_itself,
    led_astray,
    led_elsewhere,
    renamed_by_links,
    removed_and_reaped,
    shut_out,
)


def _parted(data: st.DataObject, steps: list[Step]) -> list[list[Step]]:
    """All in one tx, or each in its own."""
    return [steps] if data.draw(flags, "together") else [[step] for step in steps]
