"""What `publish` and `sync` would do, thing by thing: a line for people, an object for JSON.

What belongs here: that wording, which both share. Pure.
"""

from __future__ import annotations

from typing import Any

from cairnfs.cli.output import path_fields, shown, size
from cairnfs.client.results import Action

#: What stands before the path of each thing that would be done.
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "attributes": "m", "linked": "=", "renamed": ">"}


def line(action: Action) -> str:
    """`+ docs/new.txt  1.2 kB`."""
    end = "/" if action.kind == "directory" else ""
    origin = f"{shown(action.origin)} -> " if action.origin is not None else ""
    has_size = action.kind == "file" and action.what in ("added", "changed")
    extent = f"  {size(action.size)}" if has_size else ""
    return f"{_SIGNS[action.what]} {origin}{shown(action.path)}{end}{extent}"


def fields(action: Action) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "what": action.what,
        "kind": action.kind,
        **path_fields(action.path),
        "bytes": action.size,
        **({} if action.origin is None else path_fields(action.origin, "origin")),
    }
