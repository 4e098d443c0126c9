"""`cairn stat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cairnfs.cli import connection, entries
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Profile, Url
from cairnfs.cli.output import moment, number, show, show_json, shown, size, table
from cairnfs.cli.seeing import look

if TYPE_CHECKING:
    from cairnfs.wire.directory import Entry


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="What to look at.")],
    follow: Annotated[
        bool, typer.Option("-L", "--follow", help="What symlinks lead to, not the symlinks themselves.")
    ] = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say everything about files, directories and symlinks.

    All is as of one commit. With --json, one path gives one object; several give their objects as "entries".
    """
    checked(at)
    with connection.client(url, profile) as client:
        seen = look(client, paths, at, follow=follow)
    documents = [entries.document(path, entry) for path, entry in seen.entries]
    if json and len(paths) == 1:
        show_json({**documents[0], "read_at": seen.commit})
    elif json:
        show_json({"read_at": seen.commit, "entries": documents})
    else:
        for path, entry in seen.entries:
            for line in _lines(path, entry):
                show(line)
    return seen.status


def _lines(path: bytes, entry: Entry) -> list[str]:
    facts = {
        "kind": entry.kind,
        "target": shown(entry.raw_target()) if entry.kind == "symlink" else None,
        "size": _size(entry) if entry.kind != "directory" else None,
        "mode": f"{entry.mode:04o} ({entries.mode_text(entry)})",
        "links": str(entry.links),
        "owner": entry.owner,
        "group": entry.group,
        "modified": moment(entry.mtime_us, full=True, sub_ns=entry.mtime_sub_ns),
        "xattrs": "some; see: cairn xattr list -l PATH" if entry.xattrs else None,
        "policy": entry.policy,
        "version": f"commit {entry.commit}, etag {entry.etag}",
        "inode": str(entry.inode),
    }
    return [shown(path), *table((f"  {name}", fact) for name, fact in facts.items() if fact is not None)]


def _size(entry: Entry) -> str:
    exact = number(entry.size, "byte")
    return f"{exact} ({size(entry.size)})" if entry.size >= 1000 else exact
