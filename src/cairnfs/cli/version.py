"""`cairn version`."""

from __future__ import annotations

import platform

import cairnfs


def command() -> int:
    """Say which version of Cairn this is."""
    print(f"cairn {cairnfs.__version__} (Python {platform.python_version()})")
    return 0
