"""Real filesystems that hold fewer names than usual, mounted from a file, where this machine can."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

KINDS = ("vfat", "exfat", "casefold")
_IMAGE_BYTES = 32 * 1024 * 1024
_MAKE = {
    "vfat": ["mkfs.vfat"],
    "exfat": ["mkfs.exfat"],
    "casefold": ["mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8"],
}
_LIMIT_S = 20


@contextmanager
def mounted(kind: str, place: Path) -> Iterator[Path]:
    """An empty directory on a filesystem of this kind, unmounted in any case; skips where none can be."""
    if os.geteuid() != 0:
        pytest.skip("mounting is for root alone")
    maker = shutil.which(_MAKE[kind][0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if maker is None:
        pytest.skip(f"{_MAKE[kind][0]} is not installed")
    image, point = place / f"{kind}.image", place / kind
    with image.open("wb") as stream:
        stream.truncate(_IMAGE_BYTES)
    point.mkdir()
    if not _done([maker, *_MAKE[kind][1:], str(image)]):
        pytest.skip(f"{maker} cannot make a filesystem of kind {kind}")
    with ExitStack() as undo:
        if not _mount(kind, image, point, undo):
            pytest.skip(f"this machine cannot mount {kind}, neither by its kernel nor by FUSE")
        if kind != "casefold":
            yield point
            return
        folding = point / "folding"
        folding.mkdir()
        if not _done(["chattr", "+F", str(folding)]):
            pytest.skip("chattr +F does nothing here")
        yield folding


def _mount(kind: str, image: Path, point: Path, undo: ExitStack) -> bool:
    undo.callback(_unmount, point)
    if _done(["mount", "-o", "loop", str(image), str(point)]):
        return True
    if kind == "vfat":
        _done(["fusefat", "-o", "rw+", str(image), str(point)])
    elif kind == "exfat":
        _mount_exfat(image, point, undo)
    return os.path.ismount(point)


def _unmount(point: Path) -> None:
    if os.path.ismount(point):
        assert _done(["umount", str(point)]), f"{point} stays mounted"


def _mount_exfat(image: Path, point: Path, undo: ExitStack) -> None:
    try:
        loop = subprocess.run(
            ["losetup", "--find", "--show", str(image)], capture_output=True, timeout=_LIMIT_S, check=True
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError):
        return
    device = loop.strip()
    undo.callback(_done, ["losetup", "--detach", device])
    undo.callback(_unmount, point)  # which has to come first
    _done(["mount.exfat-fuse", device, str(point)])


def _done(command: list[str]) -> bool:
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True
