"""`cairn cache`.

Look at what is kept of files on this machine, or forget it.

What was read once need not be fetched again: it is kept in this user's cache directory, up to a bound.
CAIRN_CACHE_DIR says where (below it, in chunks), CAIRN_CACHE_BYTES how many bytes at most: 0 switches it off,
else it is 10 GiB or a tenth of what is free on its disk, whichever is less. Whether one may read a file, and
which version of it there is, the cluster is asked at every reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cairnfs.cli.connection import profile_name
from cairnfs.cli.options import Json, Profile
from cairnfs.cli.output import number, show, show_json, shown, size, table

if TYPE_CHECKING:
    from cairnfs.client.cache.directory import CacheSettings
    from cairnfs.client.cache.status import CacheStatus


def status(json: Json = False, profile: Profile = None) -> int:
    """Say where the cache is, what is in it, and how much it saved."""
    from cairnfs.client.cache import status as cache_status

    found = cache_status.status(_settings(profile))
    if json:
        show_json(_document(found))
        return 0
    for line in _lines(found):
        show(line)
    return 0


def clear(json: Json = False, profile: Profile = None) -> int:
    """Forget everything that is in the cache."""
    from cairnfs.client.cache import status as cache_status

    freed = cache_status.clear(_settings(profile))
    if json:
        show_json({"freed_bytes": freed})
    else:
        show(f"freed {size(freed)}")
    return 0


VERBS = {"status": status, "clear": clear}


def _settings(profile: str | None) -> CacheSettings:
    from cairnfs.client import profile as profiles
    from cairnfs.client.cache import directory as cache_directory

    return cache_directory.settings(profiles.load(profile_name(profile)))


def _lines(found: CacheStatus) -> list[str]:
    asked = found.hits + found.misses
    rows = [
        ("directory", shown(str(found.directory))),
        ("used", f"{size(found.used_bytes)} of {size(found.limit_bytes)}"),
        ("entries", f"{found.entries:,}"),
        ("found", f"{found.hits:,} of {number(asked, 'asked for', 'asked for')}, {size(found.hit_bytes)}"),
    ]
    if found.trouble is not None:
        rows.append(("not used", found.trouble))
    return table(rows)


def _document(found: CacheStatus) -> dict[str, Any]:
    return {
        "directory": str(found.directory),
        "used_bytes": found.used_bytes,
        "limit_bytes": found.limit_bytes,
        "entries": found.entries,
        "hits": found.hits,
        "misses": found.misses,
        "hit_bytes": found.hit_bytes,
        "trouble": found.trouble,
    }
