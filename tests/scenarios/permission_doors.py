"""The verbs of the table of permissions as each door has them: the Python client, the HTTP door, the CLI.

What belongs here: how a verb is asked for there. What does not: what is due (`tests/permission_table`), the
clusters (`test_permissions`). Run as a program it is somebody at a terminal who types many commands: each
line of standard input is a JSON list of arguments, each line of standard output what came of them.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from cairnfs.client import history
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.listing import walk_pages
from cairnfs.errors import NotFound
from cairnfs.ids import Path
from cairnfs.wire.directory import WalkReply
from tests.permission_table import FOREIGN_GROUP, KEEPER, OTHER_GROUP

#: Given a client, the case's path, the person's name, and a commit as of which the tree is the same.
Asking = Callable[[Filesystem, str, str, str], Awaitable[object]]


async def _all(found: AsyncIterator[object]) -> list[object]:
    return [one async for one in found]


def _walk(files: Filesystem, path: str) -> AsyncIterator[WalkReply]:
    return walk_pages(files.connection, Path(path.encode()), None, contents=True)


async def _nothing(files: Filesystem, path: str) -> None:
    try:
        await files.stat(f"{path}/a/d/nothing")
    except NotFound:
        return
    raise AssertionError("nothing was found")


async def _lock(
    files: Filesystem, path: str, *, shared: bool = False, subtree: bool = False, follow: bool = True
) -> None:
    async with files.lock(path, shared=shared, subtree=subtree, follow=follow, wait=0):
        pass


CLIENT: dict[str, Asking] = {
    "stat": lambda f, c, _, __: f.stat(f"{c}/a/d/f"),
    "stat-behind-symlink": lambda f, c, _, __: f.stat(f"{c}/a/d/s"),
    "stat-root-of-case": lambda f, c, _, __: f.stat(c),
    "stat-directory": lambda f, c, _, __: f.stat(f"{c}/a/d"),
    "stat-nothing": lambda f, c, _, __: _nothing(f, c),
    "lstat": lambda f, c, _, __: f.lstat(f"{c}/a/d/s"),
    "list": lambda f, c, _, __: _all(f.list(f"{c}/a/d")),
    "list-below": lambda f, c, _, __: _all(f.list(f"{c}/a/d/t")),
    "read": lambda f, c, _, __: f.read_file(f"{c}/a/d/f"),
    "read-behind-symlink": lambda f, c, _, __: f.read_file(f"{c}/a/d/s"),
    "walk": lambda f, c, _, __: _all(_walk(f, f"{c}/a/d")),
    "walk-below": lambda f, c, _, __: _all(_walk(f, f"{c}/a/d/t")),
    "walk-from-afar": lambda f, c, _, __: _all(_walk(f, c)),
    "readlink": lambda f, c, _, __: f.readlink(f"{c}/a/d/s"),
    "write": lambda f, c, _, __: f.write_file(f"{c}/a/d/f", b"other"),
    "write-behind-symlink": lambda f, c, _, __: f.write_file(f"{c}/a/d/s", b"other"),
    "write-new": lambda f, c, _, __: f.write_file(f"{c}/a/d/n", b"new"),
    "write-new-below": lambda f, c, _, __: f.write_file(f"{c}/a/d/e/n", b"new"),
    "write-with-parents": lambda f, c, _, __: f.write_file(f"{c}/a/d/n/n/n", b"new", parents=True),
    "mkdir": lambda f, c, _, __: f.mkdir(f"{c}/a/d/n"),
    "mkdir-parents": lambda f, c, _, __: f.mkdir(f"{c}/a/d/n/n", parents=True),
    "mkdir-parents-present": lambda f, c, _, __: f.mkdir(f"{c}/a/d/e", parents=True),
    "symlink": lambda f, c, _, __: f.symlink("/nowhere", f"{c}/a/d/n"),
    "symlink-over": lambda f, c, _, __: f.symlink("/nowhere", f"{c}/a/d/h", replace=True),
    "link": lambda f, c, _, __: f.link(f"{c}/a/d/f", f"{c}/a/d/n"),
    "link-out": lambda f, c, _, __: f.link(f"{c}/a/d/f", f"{c}/o/n"),
    "link-in": lambda f, c, _, __: f.link(f"{c}/o/g", f"{c}/a/d/n"),
    "link-over": lambda f, c, _, __: f.link(f"{c}/o/g", f"{c}/a/d/f", replace=True),
    "link-symlink": lambda f, c, _, __: f.link(f"{c}/a/d/s", f"{c}/a/d/n", follow=False),
    "remove": lambda f, c, _, __: f.remove(f"{c}/a/d/f"),
    "remove-symlink": lambda f, c, _, __: f.remove(f"{c}/a/d/s"),
    "remove-directory": lambda f, c, _, __: f.remove(f"{c}/a/d/e"),
    "remove-recursively": lambda f, c, _, __: f.remove(f"{c}/a/d/t", recursive=True),
    "remove-recursively-empty": lambda f, c, _, __: f.remove(f"{c}/a/d/e", recursive=True),
    "rename": lambda f, c, _, __: f.rename(f"{c}/a/d/f", f"{c}/a/d/n"),
    "rename-over": lambda f, c, _, __: f.rename(f"{c}/a/d/f", f"{c}/a/d/h"),
    "rename-out": lambda f, c, _, __: f.rename(f"{c}/a/d/f", f"{c}/o/n"),
    "rename-in": lambda f, c, _, __: f.rename(f"{c}/o/g", f"{c}/a/d/n"),
    "rename-in-over": lambda f, c, _, __: f.rename(f"{c}/o/g", f"{c}/a/d/f"),
    "rename-directory": lambda f, c, _, __: f.rename(f"{c}/a/d/e", f"{c}/a/d/n"),
    "rename-directory-out": lambda f, c, _, __: f.rename(f"{c}/a/d/e", f"{c}/o/n"),
    "rename-directory-over": lambda f, c, _, __: f.rename(f"{c}/o/p", f"{c}/a/d/e"),
    "chmod": lambda f, c, _, __: f.chmod(f"{c}/a/d/f", 0o123),
    "chmod-directory": lambda f, c, _, __: f.chmod(f"{c}/a/d", 0o123),
    "chown": lambda f, c, _, __: f.chown(f"{c}/a/d/f", owner=KEEPER),
    "chgrp-to-own-group": lambda f, c, who, __: f.chown(f"{c}/a/d/f", group=who),
    "chgrp-to-group-of-theirs": lambda f, c, _, __: f.chown(f"{c}/a/d/f", group=OTHER_GROUP),
    "chgrp-to-foreign-group": lambda f, c, _, __: f.chown(f"{c}/a/d/f", group=FOREIGN_GROUP),
    "chgrp-to-foreign-user": lambda f, c, _, __: f.chown(f"{c}/a/d/f", group=KEEPER),
    "touch": lambda f, c, _, __: f.touch(f"{c}/a/d/f"),
    "set-mtime": lambda f, c, _, __: f.touch(f"{c}/a/d/f", 1_000),
    "get-xattrs": lambda f, c, _, __: f.get_xattrs(f"{c}/a/d/f"),
    "get-xattrs-behind-symlink": lambda f, c, _, __: f.get_xattrs(f"{c}/a/d/s"),
    "set-xattr": lambda f, c, _, __: f.set_xattr(f"{c}/a/d/f", "user.y", b"y"),
    "remove-xattr": lambda f, c, _, __: f.remove_xattr(f"{c}/a/d/f", "user.x"),
    "set-trusted-xattr": lambda f, c, _, __: f.set_xattr(f"{c}/a/d/f", "trusted.y", b"y"),
    "set-security-xattr": lambda f, c, _, __: f.set_xattr(f"{c}/a/d/f", "security.y", b"y"),
    "remove-trusted-xattr": lambda f, c, _, __: f.remove_xattr(f"{c}/a/d/f", "trusted.x"),
    "set-policy": lambda f, c, _, __: f.set_policy(f"{c}/a/d", "all"),
    "set-policy-below": lambda f, c, _, __: f.set_policy(f"{c}/a/d/e", "all"),
    "copy-from": lambda f, c, _, __: f.copy(f"{c}/a/d/f", f"{c}/o/n"),
    "copy-from-preserving": lambda f, c, _, __: f.copy(f"{c}/a/d/f", f"{c}/o/n", preserve=True),
    "copy-from-the-past": lambda f, c, _, at: f.copy(f"{c}/a/d/f", f"{c}/o/n", at=at),
    "copy-symlink-from": lambda f, c, _, __: f.copy(f"{c}/a/d/s", f"{c}/o/n", follow=False),
    "copy-to": lambda f, c, _, __: f.copy(f"{c}/o/g", f"{c}/a/d/n"),
    "copy-onto": lambda f, c, _, __: f.copy(f"{c}/o/g", f"{c}/a/d/f"),
    "copy-onto-behind-symlink": lambda f, c, _, __: f.copy(f"{c}/o/g", f"{c}/a/d/s"),
    "copy-tree-from": lambda f, c, _, __: f.copy_tree(f"{c}/a/d/e", f"{c}/o/n"),
    "copy-tree-to": lambda f, c, _, __: f.copy_tree(f"{c}/o/p", f"{c}/a/d/n"),
    "copy-tree-over": lambda f, c, _, __: f.copy_tree(f"{c}/o/p", f"{c}/a/d/e", replace=True),
    "history": lambda f, c, _, __: _all(history.history(f.connection, f"{c}/a/d/f")),
    "log": lambda f, c, _, __: _all(history.log(f.connection, f"{c}/a/d/f", limit=1)),
    "find": lambda f, c, _, __: _all(f.find(f"{c}/a/d/f")),
    "lock": lambda f, c, _, __: _lock(f, f"{c}/a/d/f"),
    "lock-shared": lambda f, c, _, __: _lock(f, f"{c}/a/d/f", shared=True),
    "lock-behind-symlink": lambda f, c, _, __: _lock(f, f"{c}/a/d/s"),
    "lock-symlink": lambda f, c, _, __: _lock(f, f"{c}/a/d/s", follow=False),
    "lock-symlink-shared": lambda f, c, _, __: _lock(f, f"{c}/a/d/s", follow=False, shared=True),
    "lock-nothing": lambda f, c, _, __: _lock(f, f"{c}/a/d/n"),
    "lock-nothing-shared": lambda f, c, _, __: _lock(f, f"{c}/a/d/n", shared=True),
    "lock-subtree": lambda f, c, _, __: _lock(f, f"{c}/a/d/t", subtree=True),
    "lock-subtree-shared": lambda f, c, _, __: _lock(f, f"{c}/a/d/t", subtree=True, shared=True),
}


class Asked(NamedTuple):
    """One request to the HTTP door, below a case's path."""

    method: str
    target: str
    body: bytes = b""


DOOR: dict[str, Asked] = {
    "stat": Asked("HEAD", "/a/d/f?stat=1"),
    "stat-behind-symlink": Asked("GET", "/a/d/s?stat=1&follow=1"),
    "stat-directory": Asked("GET", "/a/d?stat=1"),
    "lstat": Asked("GET", "/a/d/s?stat=1&follow=0"),
    "list": Asked("GET", "/a/d/"),
    "list-below": Asked("GET", "/a/d/t/"),
    "read": Asked("GET", "/a/d/f"),
    "read-behind-symlink": Asked("GET", "/a/d/s"),
    "write": Asked("PUT", "/a/d/f", b"other"),
    "write-behind-symlink": Asked("PUT", "/a/d/s", b"other"),
    "write-new": Asked("PUT", "/a/d/n", b"new"),
    "write-new-below": Asked("PUT", "/a/d/e/n", b"new"),
    "remove": Asked("DELETE", "/a/d/f"),
    "remove-symlink": Asked("DELETE", "/a/d/s"),
    "remove-directory": Asked("DELETE", "/a/d/e/"),
    "remove-recursively": Asked("DELETE", "/a/d/t/?recursive=1"),
}

#: The arguments of a command; {c} is the case's path, {who} the person, {at} a commit.
CLI: dict[str, str] = {
    "stat": "stat {c}/a/d/f",
    "stat-behind-symlink": "stat -L {c}/a/d/s",
    "lstat": "stat {c}/a/d/s",
    "list": "ls -l {c}/a/d",
    "list-below": "ls {c}/a/d/t",
    "read": "cat {c}/a/d/f",
    "read-behind-symlink": "get {c}/a/d/s -",
    "readlink": "readlink {c}/a/d/s",
    "write": "put /dev/null {c}/a/d/f",
    "write-behind-symlink": "put /dev/null {c}/a/d/s",
    "write-new": "put /dev/null {c}/a/d/n",
    "mkdir": "mkdir {c}/a/d/n",
    "mkdir-parents": "mkdir -p {c}/a/d/n/n",
    "symlink": "ln -s /nowhere {c}/a/d/n",
    "link": "ln {c}/a/d/f {c}/a/d/n",
    "link-out": "ln {c}/a/d/f {c}/o/n",
    "remove": "rm {c}/a/d/f",
    "remove-symlink": "rm {c}/a/d/s",
    "remove-recursively": "rm -r {c}/a/d/t",
    "rename": "mv {c}/a/d/f {c}/a/d/n",
    "rename-out": "mv {c}/a/d/f {c}/o/n",
    "rename-in": "mv {c}/o/g {c}/a/d/n",
    "rename-directory-out": "mv {c}/a/d/e {c}/o/n",
    "chmod": "chmod 123 {c}/a/d/f",
    "chmod-directory": "chmod 123 {c}/a/d",
    "chown": f"chown {KEEPER} {{c}}/a/d/f",
    "chgrp-to-own-group": "chown :{who} {c}/a/d/f",
    "chgrp-to-group-of-theirs": f"chown :{OTHER_GROUP} {{c}}/a/d/f",
    "chgrp-to-foreign-group": f"chown :{FOREIGN_GROUP} {{c}}/a/d/f",
    "touch": "touch {c}/a/d/f",
    "set-mtime": "touch -d 2020-01-01T00:00:00Z {c}/a/d/f",
    "get-xattrs": "xattr list {c}/a/d/f",
    "set-xattr": "xattr set {c}/a/d/f user.y y",
    "remove-xattr": "xattr remove {c}/a/d/f user.x",
    "set-trusted-xattr": "xattr set {c}/a/d/f trusted.y y",
    "set-policy": "policy {c}/a/d all",
    "copy-from": "cp {c}/a/d/f {c}/o/n",
    "copy-from-preserving": "cp -p {c}/a/d/f {c}/o/n",
    "copy-from-the-past": "cp --at {at} {c}/a/d/f {c}/o/n",
    "copy-to": "cp {c}/o/g {c}/a/d/n",
    "copy-onto": "cp {c}/o/g {c}/a/d/f",
    "copy-tree-from": "cp -r {c}/a/d/e {c}/o/n",
    "copy-tree-to": "cp -r {c}/o/p {c}/a/d/n",
    "history": "history {c}/a/d/f",
    "log": "log -n 1 {c}/a/d/f",
    "find": "find {c}/a/d/f",
    "lock": "lock --wait 0 {c}/a/d/f -- true",
    "lock-shared": "lock --wait 0 --shared {c}/a/d/f -- true",
    "lock-nothing": "lock --wait 0 {c}/a/d/n -- true",
    "lock-subtree": "lock --wait 0 --subtree {c}/a/d/t -- true",
}


def main() -> None:
    """Type the commands that come on standard input."""
    from cairnfs.cli import commands
    from cairnfs.cli.main import guarded

    for line in sys.stdin:
        arguments = json.loads(line)
        shown, complaint = io.TextIOWrapper(io.BytesIO()), io.StringIO()
        with redirect_stdout(shown), redirect_stderr(complaint):
            try:
                status = guarded(lambda given=arguments: commands.dispatch(given))  # type: ignore[misc]
            except SystemExit as told:
                status = told.code if isinstance(told.code, int) else 1
        print(json.dumps([status, complaint.getvalue()]), flush=True)


if __name__ == "__main__":
    main()
