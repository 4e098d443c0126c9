"""The language of modes, held to what chmod of this machine does with it."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from cairnfs.cli.modes import parse
from cairnfs.errors import BadRequest

UMASK = 0o022


@pytest.mark.parametrize(
    ("told", "before", "after"),
    [
        ("640", 0o777, 0o640),
        ("0", 0o777, 0),
        ("4755", 0o644, 0o4755),
        ("u+rwX,g-w", 0o060, 0o640),
        ("u+rwX", 0o001, 0o701),
        ("o=", 0o777, 0o770),
        ("a+t", 0o644, 0o1644),
        ("u+s", 0o755, 0o4755),
        ("g+s,u-s", 0o4755, 0o2755),
        ("g=u", 0o640, 0o660),
        ("o=g-w", 0o660, 0o664),
        ("+x", 0o644, 0o755),
        ("+w", 0o444, 0o644),
        ("a+w", 0o444, 0o666),
        ("=r", 0o777, 0o444),
        ("ug=rw,o=r", 0o777, 0o664),
        ("u-rwx", 0o700, 0),
    ],
)
def test_a_files_mode(told: str, before: int, after: int) -> None:
    assert parse(told, UMASK)(before, False) == after


@pytest.mark.parametrize(
    ("told", "before", "after"),
    [
        ("a+X", 0o600, 0o711),
        ("a-x,a+X", 0o777, 0o777),
        ("755", 0o2700, 0o2755),
        ("00755", 0o2700, 0o755),
        ("g-s", 0o2755, 0o755),
        ("g=rx", 0o2775, 0o2755),
        ("1777", 0o755, 0o1777),
    ],
)
def test_a_directorys_mode(told: str, before: int, after: int) -> None:
    assert parse(told, UMASK)(before, True) == after


@pytest.mark.parametrize(
    "told", ["", "8", "77777", "u", "u+q", "z+r", "u+r,", "u+ug", "+rwxz", "9", "-1", "u r"]
)
def test_what_is_no_mode(told: str) -> None:
    with pytest.raises(BadRequest):
        parse(told, UMASK)


def test_modes_mean_what_chmod_of_this_machine_takes_them_for(tmp_path: Path) -> None:
    if shutil.which("chmod") is None:
        pytest.skip("there is no chmod here")
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    for _ in range(60):
        told = ",".join(_clause(dice) for _ in range(dice.randint(1, 3)))
        for place, directory in ((tmp_path / "file", False), (tmp_path / "directory", True)):
            before = dice.randrange(0o10000)
            place.chmod(before)
            before = place.stat().st_mode & 0o7777
            subprocess.run(["chmod", "--", told, place], check=True, umask=UMASK, stderr=subprocess.DEVNULL)
            after = place.stat().st_mode & 0o7777
            assert parse(told, UMASK)(before, directory) == after, (told, f"{before:04o}", directory)
    (tmp_path / "directory").chmod(0o700)


def _clause(dice: random.Random) -> str:
    who = "".join(dice.sample("ugo", dice.randint(1, 3))) if dice.random() < 0.8 else dice.choice(["a", "ua"])
    what = (
        dice.choice(["u", "g", "o"])
        if dice.random() < 0.2
        else "".join(dice.sample("rwxXst", dice.randint(0, 4)))
    )
    return f"{who}{dice.choice('+-=')}{what}"
