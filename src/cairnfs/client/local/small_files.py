"""Small files of Cairn's own on this machine (profiles, tokens, notes): whole or absent, whatever happens.

What belongs here: replacing one. What does not: what is in it; files of the user's (`draft.py`).
Synchronous; any thread.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Give the file this content; on disk when this returns. Raises OSError; then it is as it was."""
    draft, descriptor = begin(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if mode != 0o600:
                os.chmod(draft, mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def begin(path: Path) -> tuple[Path, int]:
    """An open draft beside the path, for its owner alone. Makes missing directories, for the owner alone too.

    Raises OSError in the path's own name.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        return draft, os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        error.filename = str(path)
        raise


def _sync_directory(path: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
